"""A study is made of a run: its files are blind, its links signed, and what is asked for must be there."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars
import pytest
from PIL import Image

from idto3d.glb import decode_glb
from idto3d.glb_bounds import split_container
from idto3d_dashboard.rating.create import invite
from idto3d_dashboard.rating.files import ADDRESS, StudyFiles
from idto3d_dashboard.rating.parts import PHOTO
from idto3d_dashboard.viewer import check_shown_glb
from idto3d_eval.preference.blind_files import blind_glb, blind_photo, damaged
from idto3d_eval.preference.study import ASSETS, FILES, LINKS, PLAN, SECRET, STUDY, read_study
from idto3d_eval.preference.trials import PAIR, read_trials
from tests.dashboard.study_runs import links, made_run, made_study
from tests.export.heads import head

# What would tell methods apart: their names, who made them, and what wrote their files.
TELLING = ("zebra", "quokka", "narwhal", "oracle", "trimesh", "idto3d", "generator", "Apache", "seed")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    made_run(folder)
    return folder


@pytest.fixture(scope="module")
def study(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_study(runs, tmp_path_factory.mktemp("studies") / "one")


def create(runs: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "idto3d_eval.cli", "study", "create", "fake", "--runs", str(runs)]
    return subprocess.run([*command, "--out", str(out), *options], capture_output=True, text=True)


def test_every_planned_pair_has_its_files(study: Path) -> None:
    """Each head of the plan and each person's photos is there, readable by the viewer; nothing else is."""
    files, trials = StudyFiles(study), read_trials(study / PLAN)
    shown = set()
    for trial in trials:
        textured = trial.question != "geometry"
        for role in (trial.left, trial.right):
            address = files.head(role, trial.identity, trial.expression, textured)
            shown.add(address.removeprefix(ADDRESS))
        if trial.question == "identity":
            assert files.photos(trial.identity)
            shown |= {photo.removeprefix(ADDRESS) for photo in files.photos(trial.identity)}
    assert shown == {path.name for path in (study / FILES).iterdir()}
    for name in shown:
        path = files.path(name)
        assert path is not None
        if name.endswith(".glb"):
            check_shown_glb(path.read_bytes(), name)


def test_files_say_nothing_of_who_made_them(study: Path) -> None:
    """No name, label, generator tag or extra in any file or file name."""
    for path in (study / FILES).iterdir():
        assert not any(word in path.name for word in TELLING)
        data = path.read_bytes()
        if path.suffix == ".glb":
            document, _ = split_container(data, path.name)
            text = json.dumps(document)
            assert document["asset"] == {"version": "2.0"}
            assert not any(word.lower() in text.lower() for word in (*TELLING, "name", "extras"))
        for word in TELLING[:7]:
            assert word.encode() not in data


def test_a_shape_goes_without_its_maps_and_a_textured_head_with_them() -> None:
    """The same surface; no UVs, no pictures, no seams in the bare one."""
    mesh = head()
    bare, _ = split_container(blind_glb(mesh, textured=False), "bare")
    assert "images" not in bare
    assert "materials" not in bare
    assert set(bare["meshes"][0]["primitives"][0]["attributes"]) == {"POSITION", "NORMAL"}
    positions = bare["accessors"][bare["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    assert positions["count"] == len(np.unique(mesh.vertices, axis=0)) < len(mesh.vertices)
    whole = decode_glb(blind_glb(mesh, textured=True), "whole")
    assert np.allclose(whole.vertices, mesh.vertices, atol=1e-4)
    assert (whole.albedo == mesh.albedo).all()


def test_a_damaged_head_is_another_one() -> None:
    """Shape and maps both, the same for the same seed."""
    mesh = head()
    broken = damaged(mesh, 0)
    assert np.linalg.norm(broken.vertices - mesh.vertices, axis=1).max() > 5
    assert (broken.albedo != mesh.albedo).any()
    assert (damaged(mesh, 0).vertices == broken.vertices).all()


def test_a_photo_keeps_its_pixels_and_nothing_else() -> None:
    """Metadata goes, the camera's turn is applied, large pictures become small."""
    image = Image.fromarray(np.arange(600 * 300 * 3, dtype=np.uint32).astype(np.uint8).reshape(300, 600, 3))
    exif = Image.Exif()
    exif[0x010E], exif[0x0112], exif[0x9286] = "Mr. Somebody", 6, "at home"
    written = io.BytesIO()
    image.save(written, "JPEG", exif=exif)
    small = blind_photo(written.getvalue())
    assert b"Somebody" not in small
    assert b"Exif" not in small
    with Image.open(io.BytesIO(small)) as opened:
        assert opened.size == (256, 512)


def test_links_and_key_are_for_the_owner_alone(study: Path) -> None:
    """The key and the links cannot be read by others on the machine; links are all different."""
    for name in (SECRET, LINKS):
        assert (study / name).stat().st_mode & 0o077 == 0
    assert len(set(links(study))) == 4


def test_the_same_run_makes_the_same_plan_under_other_names(runs: Path, study: Path, tmp_path: Path) -> None:
    """The plan follows from the seed; names of files and links from each study's own key."""
    other = made_study(runs, tmp_path / "two")
    assert read_trials(other / PLAN) == read_trials(study / PLAN)
    assert not {path.name for path in (other / FILES).iterdir()} & {
        path.name for path in (study / FILES).iterdir()
    }
    assert not set(links(other)) & set(links(study))


def test_more_raters_can_be_invited(runs: Path, tmp_path: Path) -> None:
    """Old links and trials stay, new ones have their files."""
    folder = made_study(runs, tmp_path / "three")
    before, planned = links(folder), read_trials(folder / PLAN)
    grown = invite(folder, 3)
    assert grown.raters == 7
    assert links(folder)[:4] == before
    assert read_trials(folder / PLAN)[: len(planned)] == planned
    files = StudyFiles(folder)
    for trial in read_trials(folder / PLAN):
        files.head(trial.left, trial.identity, trial.expression, trial.question != "geometry")


def test_an_adaptive_study_holds_all_methods_heads(runs: Path, tmp_path: Path) -> None:
    """What is chosen later must be there now."""
    folder = made_study(
        runs, tmp_path / "four", "--scheduling", "adaptive", "--methods", "zebra_net,quokka_3d,narwhal"
    )
    roles = set(polars.read_parquet(folder / ASSETS)["role"])
    assert {"zebra_net", "quokka_3d", "narwhal", PHOTO} <= roles
    files = StudyFiles(folder)
    for trial in read_trials(folder / PLAN):
        if trial.kind == PAIR:
            for method in ("zebra_net", "quokka_3d", "narwhal"):
                files.head(method, trial.identity, trial.expression, trial.question != "geometry")


def test_references_are_compared_only_when_named(study: Path, runs: Path) -> None:
    """The true heads are hidden in attention pairs, and no method of the study by default."""
    assert read_study(study).reference == "narwhal"
    refused = create(runs, study.parent / "five", "--methods", "zebra_net,nobody")
    assert refused.returncode == 2
    assert "nobody" in refused.stderr
    assert "expected two or more of zebra_net, quokka_3d, narwhal" in refused.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--questions", "beauty"), "expected some of identity, geometry, texture, expression"),
        (("--methods", "zebra_net"), "expected two or more"),
        (("--methods", "zebra_net,quokka_3d", "--panel", "carrier-pigeon"), "panel"),
        (("--methods", "zebra_net,quokka_3d", "--completion-url", "javascript:alert(1)"), "https://"),
        (("--methods", "zebra_net,quokka_3d", "--pairs", "9", "--most", "1"), "expected fewer pairs"),
    ],
)
def test_what_no_study_can_have_is_a_sentence(
    runs: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    """One sentence, exit 2, and no study left behind."""
    refused = create(runs, tmp_path / "study", *options)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "study" / STUDY).exists()


def test_a_study_is_not_made_twice_and_a_half_made_one_is_made_anew(runs: Path, tmp_path: Path) -> None:
    """A whole one stays as it is."""
    folder = made_study(runs, tmp_path / "six")
    before = links(folder)
    refused = create(runs, folder, "--methods", "zebra_net,quokka_3d")
    assert refused.returncode == 2
    assert "name another" in refused.stderr
    assert links(folder) == before
    (folder / STUDY).unlink()  # as if it had been killed before the last file
    made_study(runs, folder)
    assert links(folder) == before  # the key is the same one


def test_people_without_all_heads_are_left_out(tmp_path: Path) -> None:
    """A method that failed for someone is not shown to lose by it; the command says whom it left out."""
    run = made_run(tmp_path / "runs")
    person = sorted(path.name for path in (run / "heads/zebra_net").iterdir())[0]
    shutil.rmtree(run / f"heads/zebra_net/{person}")
    made = create(tmp_path / "runs", tmp_path / "study", "--methods", "zebra_net,quokka_3d", "--raters", "2")
    assert made.returncode == 0, made.stderr
    assert "1 left out" in made.stdout
    assert person not in read_study(tmp_path / "study").identities
