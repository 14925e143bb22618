"""The command line: what it lists, and how it says no."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from idto3d.asset import AssetManifest, write_head_asset
from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS
from idto3d.population.people import draw_person
from idto3d.population.photos import draw_photo
from idto3d.population.truth import mean_meshes
from idto3d_baselines.specs import GenerateRequest
from idto3d_eval import catalogue, single
from idto3d_eval.cli import Settings, app
from idto3d_eval.doctor import Check
from idto3d_eval.show import print_fields, print_rows


def call(*arguments: str, debug: bool = False) -> Any:
    """The command line in this process, as `main` calls it."""
    return CliRunner().invoke(app, list(arguments), obj=Settings(debug=debug))


def process(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command as a user starts it."""
    command = [str(Path(sys.executable).with_name("idto3d-eval")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=dict(os.environ))


@pytest.mark.parametrize("noun", ["protocols", "methods", "metrics"])
def test_everything_listed_can_be_shown(noun: str) -> None:
    rows = json.loads(call(noun, "ls", "--json").stdout)
    assert rows
    for row in rows:
        assert call(noun, "show", row["name"]).exit_code == 0


@pytest.mark.parametrize("noun", ["protocols", "methods", "metrics"])
def test_an_unknown_name_lists_the_known_ones(noun: str) -> None:
    result = call(noun, "show", "nonesuch")
    known = json.loads(call(noun, "ls", "--json").stdout)[0]["name"]
    assert result.exit_code == 2
    assert "'nonesuch'" in result.stderr
    assert known in result.stderr
    assert result.stderr.count("\n") == 1


def test_people_are_listed_by_what_photos_show_of_them() -> None:
    rows = json.loads(call("identities", "ls", "--json").stdout)
    assert [row["id"] for row in rows] == [f"heldout-{index:04d}" for index in range(12)]
    shown = json.loads(call("identities", "show", "heldout-0003", "--json").stdout)
    assert shown["looks"] == rows[3]["looks"]
    assert shown["population"] == "synthetic"


@pytest.mark.parametrize("name", ["nobody", "heldout-x", "elsewhere-0001", "heldout--1"])
def test_an_unknown_person_is_a_sentence(name: str) -> None:
    result = call("identities", "show", name)
    assert result.exit_code == 2
    assert "heldout" in result.stderr


def test_unknown_protocol_is_one_sentence_and_leaves_no_folder(tmp_path: Path) -> None:
    """The whole command: a sentence on stderr, nothing on stdout, exit code 2, no traceback."""
    done = process("run", "--protocol", "unseen_idz", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "ablation, cross_identity, distillation" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path: Path) -> None:
    for arguments in (("--debug", "run", "--protocol", "no"), ("run", "--protocol", "no", "--debug")):
        done = process(*arguments, cwd=tmp_path)
        assert done.returncode != 0
        assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (UserError("Found a,\nexpected b."), 2, "Found a, expected b.\n"),
        (OSError(28, "No space left on device", "runs/x"), 2, "refused at runs/x: No space left on device"),
        (KeyboardInterrupt(), 130, "the same command goes on from here"),
    ],
)
def test_errors_end_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, told: str
) -> None:
    def fail(_: str) -> None:
        raise error

    monkeypatch.setitem(catalogue.NOUNS, "methods", catalogue.NOUNS["methods"])
    monkeypatch.setattr("idto3d_baselines.specs.method_spec", fail)
    result = call("methods", "show", "oracle")
    assert result.exit_code == code
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_generate_refuses_before_it_computes(tmp_path: Path) -> None:
    """Each input that does not fit is named with what was expected, and nothing is written."""
    photo = tmp_path / "me.jpg"
    photo.write_bytes(b"")
    out = tmp_path / "heads"
    with pytest.raises(UserError, match=r"'oracle'.*photos"):
        single.generate_heads([photo], out, "oracle")
    with pytest.raises(UserError, match=r"'joy'.*neutral, smile"):
        single.generate_heads([photo], out, expressions=("joy",))
    with pytest.raises(UserError, match=r"no photo at .*none\.jpg"):
        single.generate_heads([photo, tmp_path / "none.jpg"], out)
    with pytest.raises(UserError, match="there already"):
        single.generate_heads([photo], tmp_path)
    with pytest.raises(UserError, match=r"prompt for 'image_fit', expected .* id_to_3d, text_sds"):
        single.generate_heads([photo], out, "image_fit", prompt="old")
    with pytest.raises(UserError, match="Found 'bronze statue' in the prompt"):
        single.generate_heads([photo], out, prompt="old bronze statue")
    with pytest.raises(UserError, match=r"no image in 'me\.jpg'"):
        single.generate_heads([photo], out)
    assert not out.exists()


def test_expressions_are_all_by_default_and_neutral_comes_first() -> None:
    assert single.expressions_named(None) == EXPRESSIONS
    assert single.expressions_named("all") == EXPRESSIONS
    assert single.expressions_named("anger, smile") == ("neutral", "smile", "anger")
    assert single.expressions_named(None, ["kiss"]) == ("neutral", "kiss")
    with pytest.raises(UserError, match="'joy', expected all or some of neutral"):
        single.expressions_named("smile,joy")


def test_generate_takes_folders_and_files_and_shows_what_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photographs as arguments or as an option; what cannot be read is told and left out; a table and a
    picture of the heads at the end."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(2):
        image = draw_photo(draw_person("validation", 5), index, 160).image
        Image.fromarray(image).save(folder / f"{index}.jpg", quality=95)
    (folder / "notes.txt").write_text("hello")
    asked: list[GenerateRequest] = []

    def make(request: GenerateRequest) -> None:
        asked.append(request)
        names = request.expressions
        manifest = AssetManifest(method="m", identity=request.identity, seed=request.seed, expressions=names)
        write_head_asset(request.out, mean_meshes(names), manifest)

    monkeypatch.setattr("idto3d_baselines.id_to_3d.generate", make)
    out = tmp_path / "heads"
    given = ("--out", str(out), "--prompt", "with a beard", "--expressions", "smile", "--seed", "3")
    done = call("generate", str(folder / "1.jpg"), "--photos", str(folder), *given)
    assert done.exit_code == 0, done.stderr
    (request,) = asked
    assert [path.name for path in request.photos] == ["1.jpg", "0.jpg"]
    assert (request.prompt, request.seed, request.expressions) == ("with a beard", 3, ("neutral", "smile"))
    assert "'notes.txt'" in done.stderr
    assert "smile" in done.stdout
    with Image.open(out / "preview.png") as sheet:
        assert sheet.size[1] > 3 * 160


def test_a_failed_check_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([Check("disk", False, "1.0 GiB free", "free at least 2 GiB here").row()])
    told = capsys.readouterr().out
    assert "FAILED" in told
    assert "free at least 2 GiB here" in told


def test_values_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets are text, not markup, and nested values stay readable."""
    print_rows([{"name": "[bold]a", "size": "[1, 2]"}])
    print_fields({"on": True, "none": None, "many": ("a", "b"), "deep": {"x": [1]}})
    told = capsys.readouterr().out
    assert "[bold]a" in told
    assert "deep  x: [1]" in told
    assert "on    yes" in told


def test_report_of_no_run_is_a_sentence(tmp_path: Path) -> None:
    result = call("report", "none", "--runs", str(tmp_path))
    assert result.exit_code == 2
    assert "summary.json" in result.stderr


def test_trainings_are_listed_and_an_unknown_one_lists_them(tmp_path: Path) -> None:
    assert "recogniser_a" in call("train").stdout
    result = call("train", "recogniser_z", "--out", str(tmp_path / "weights"))
    assert result.exit_code == 2
    assert "recogniser_a, recogniser_b" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_drawn_pictures_are_listed_with_their_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDTO3D_CACHE", str(tmp_path))
    assert "none yet" in call("data", "show", "faces").stderr
    folder = tmp_path / "data" / "faces-validation-0-2x4"
    folder.mkdir(parents=True)
    np.save(folder / "person.npy", np.zeros(8, np.int32))
    assert call("data", "ls", "--json").stdout.strip() == "[]"  # unfinished
    facts = {"kind": "faces", "split": "validation", "people": 2, "photos": 4, "start": 0, "seed": 0}
    (folder / "dataset.json").write_text(json.dumps(facts))
    assert json.loads(call("data", "ls", "--json").stdout)[0]["name"] == folder.name
    shown = json.loads(call("data", "show", folder.name, "--json").stdout)
    assert shown["arrays"] == {"person": "int32 [8]"}
