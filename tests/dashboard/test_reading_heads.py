"""What pages read of a run: its pictures, heads, and figures of a person."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars
import pytest
from PIL import Image

from idto3d.asset import AssetManifest, TexturedMesh, write_head_asset
from idto3d_dashboard.reading import errors
from idto3d_dashboard.reading.blends import blend_of
from idto3d_dashboard.reading.errors import geometry_error, has_truth
from idto3d_dashboard.reading.heads import Head, conditioning_of, frontal_view, head_of, view_names
from idto3d_dashboard.reading.pictures import folder_of, picture
from idto3d_dashboard.reading.run import Run, open_run
from idto3d_dashboard.reading.values import (
    by_people,
    group_means,
    means_by,
    person_calibrated,
    person_means,
    person_rows,
)
from idto3d_eval.run_folder import SCORES
from tests.dashboard.fake_runs import finished, square

ROWS = (
    "[{method: good, label: good}, {method: other, label: swapped, photos_of: next}, "
    "{method: truth, label: truth}]"
)
FIRST, SECOND = "heldout-0000", "heldout-0001"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("runs") / "fake", 3, ROWS)


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    folder = tmp_path / "fake"
    shutil.copytree(made, folder)
    return open_run(folder)


def test_a_photo_is_made_small_and_keeps_its_shape(run: Run) -> None:
    place = f"identities/{FIRST}/conditioning/00.jpg"
    Image.new("RGB", (400, 200)).save(run.folder / place)
    found = picture(run.folder, place, 50)
    assert found.source.startswith("data:image/webp;base64,")
    assert found.reason == ""
    assert place in folder_of(run.folder, f"identities/{FIRST}/conditioning")


def test_a_picture_of_hostile_size_is_refused_before_it_is_decoded(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"identities/{FIRST}/conditioning/00.jpg"
    Image.new("1", (5000, 4000)).save(run.folder / place, "PNG")

    def load(_: Image.Image) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    found = picture(run.folder, place, 50)
    assert found.source == ""
    assert "5000 × 4000" in found.reason


def test_what_is_no_picture_or_lies_outside_has_a_reason(run: Run, tmp_path: Path) -> None:
    (run.folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert picture(run.folder, "broken.png", 50).reason.startswith("no picture that can be read")
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    (run.folder / "link.png").symlink_to(tmp_path / "secret.png")
    for place in ("link.png", "../secret.png", "missing.png"):
        found = picture(run.folder, place, 50)
        assert (found.source, found.reason) == ("", "no such picture in the run's folder")


def test_a_changed_picture_is_read_anew(run: Run) -> None:
    Image.new("RGB", (8, 8), "red").save(run.folder / "one.png")
    before = picture(run.folder, "one.png", 8)
    Image.new("RGB", (9, 8), "blue").save(run.folder / "one.png")
    assert picture(run.folder, "one.png", 8) != before


def test_a_head_without_a_mesh_says_why_and_where(run: Run) -> None:
    head = head_of(run, "good", FIRST, "smile", 0)
    assert head.glb is None
    assert head.missing == "the method made no head with the expression smile"
    assert head.job == f"heads/good/{FIRST}/seed-0"
    assert head.log == f"logs/{head.job}.log"
    record = run.folder / "index" / f"{head.job}.json"
    told = json.loads(record.read_text())
    record.write_text(json.dumps({**told, "status": "failed", "reason": "the loss is NaN"}))
    assert head_of(run, "good", FIRST, "smile", 0).missing == "the loss is NaN"
    record.unlink()
    assert head_of(run, "good", FIRST, "smile", 0).missing == "it has not been made"


def test_a_head_that_is_a_link_out_of_the_run_is_missing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.glb").write_bytes(b"glTF")
    (run.folder / f"heads/good/{FIRST}/seed-0/smile.glb").symlink_to(tmp_path / "other.glb")
    assert head_of(run, "good", FIRST, "smile", 0).glb is None


def test_a_row_scored_a_second_time_shows_the_head_that_it_scores(run: Run) -> None:
    """Heads of `swapped` are made from the next person's photos; scored by these, a head is that person's."""
    (again,) = [row["label"] for row in run.summary["rows"] if row["heads_of"] != row["label"]]
    head = head_of(run, again, SECOND, "neutral", 0)
    assert head.job == f"heads/swapped/{FIRST}/seed-0"
    assert head.note == f"a head of swapped, made for {FIRST}"
    assert conditioning_of(run, again, SECOND) == SECOND
    assert conditioning_of(run, "swapped", FIRST) == SECOND
    assert conditioning_of(run, "good", FIRST) == FIRST


def test_views_and_the_frontal_one(run: Run) -> None:
    assert view_names(run) == ("front-even",)
    assert frontal_view(run) == "front-even"
    assert [path.name for path in head_of(run, "good", FIRST, "smile", 0).strip] == ["front-even.png"]


def test_a_persons_rows_are_theirs_alone(run: Run) -> None:
    rows = person_rows(run, ("good", "truth"), FIRST)
    whole = run.scores().collect()
    own = whole.filter((whole["identity"] == FIRST) & whole["method"].is_in(["good", "truth"]))
    assert rows.sort(rows.columns).equals(own.select(rows.columns).sort(rows.columns))
    assert person_rows(run, (), FIRST).height == 0
    means = means_by(rows, "identity_similarity", "view")
    assert means["good", "front-even"] == pytest.approx(
        person_means(run, ("good",), FIRST)["good", "identity_similarity"]
    )


def test_calibrated_is_the_persons_own_ratio() -> None:
    means = {
        ("a", f"identity_{part}"): value
        for part, value in (("counted", 0.5), ("floor", 0.2), ("ceiling", 0.8))
    }
    assert person_calibrated(means, "a") == pytest.approx(0.5)
    assert np.isnan(person_calibrated(means, "b"))


def test_people_down_methods_across(run: Run) -> None:
    table = by_people(run, ("truth", "good"), (SECOND, FIRST, "nobody"), "now_median")
    assert table.columns == ["identity", "truth", "good"]
    assert table["identity"].to_list() == [SECOND, FIRST, "nobody"]
    assert table["good"][2] is None
    mean = group_means(run, ("good",), (FIRST, SECOND), ["now_median"])
    assert mean["good", "now_median"] == pytest.approx(table["good"][:2].mean())


def test_without_a_true_head_there_is_a_reason(run: Run) -> None:
    head = head_of(run, "good", FIRST, "neutral", 0)
    assert geometry_error(run, head, FIRST, "neutral").reason == head.missing
    mesh = run.folder / head.job / "neutral.glb"
    mesh.write_bytes(b"glTF")
    there = head_of(run, "good", FIRST, "neutral", 0)
    assert "has no" in geometry_error(run, there, FIRST, "neutral").reason
    assert not has_truth(run, "nobody")


def heads(folder: Path, neutral: TexturedMesh, smile: TexturedMesh) -> tuple[Head, Head]:
    manifest = AssetManifest(method="square", identity=FIRST, seed=0, expressions=("neutral", "smile"))
    write_head_asset(folder, {"neutral": neutral, "smile": smile}, manifest)
    base, other = (
        Head("a", "heads/a/b/seed-0", folder / f"{name}.glb", (), "", "", "") for name in ("neutral", "smile")
    )
    return base, other


def test_heads_of_one_mesh_are_blended(tmp_path: Path) -> None:
    blend = blend_of(*heads(tmp_path / "a", square(0.0), square(9.0)), "smile")
    assert blend.reason == ""
    assert b'"targetNames":["smile"]' in blend.glb
    assert b"targetColours" not in blend.glb  # one texture for both


def test_other_colours_come_along_where_they_lie_on_the_same_layout(tmp_path: Path) -> None:
    neutral, smile = square(0.0), square(9.0, shade=90)
    mixed = blend_of(*heads(tmp_path / "a", neutral, smile), "smile")
    assert b'"targetColours":[{"baseColorTexture":{"index":2}}]' in mixed.glb
    assert not mixed.plain
    elsewhere = replace(smile, uvs=smile.uvs * 0.5)
    plain = blend_of(*heads(tmp_path / "b", neutral, elsewhere), "smile")
    assert b"targetColours" not in plain.glb
    assert plain.plain


def test_heads_of_different_meshes_say_so(tmp_path: Path) -> None:
    blend = blend_of(*heads(tmp_path / "a", square(0.0), square(9.0, faces=1)), "smile")
    assert blend.glb == b""
    assert "different meshes" in blend.reason


def test_rows_and_pictures_are_read_anew_once_their_files_change(run: Run) -> None:
    """What was read is kept only as long as its file is the same."""
    before = person_rows(run, ["good"], FIRST)
    rows = polars.read_parquet(run.folder / SCORES)
    rows.with_columns(polars.col("value") + 1.0).write_parquet(run.folder / SCORES)
    gained = (person_rows(run, ["good"], FIRST)["value"] - before["value"]).drop_nans()
    assert gained.len() > 0
    assert gained.to_list() == pytest.approx([1.0] * gained.len())
    place = f"identities/{FIRST}/conditioning/00.jpg"
    first = picture(run.folder, place, 50).source
    Image.new("RGB", (32, 32), (250, 250, 250)).save(run.folder / place)
    os.utime(run.folder / place, ns=(1, 1))
    assert picture(run.folder, place, 50).source != first


def test_a_heat_map_is_computed_anew_once_a_file_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def person_maps(*told: object) -> dict[str, object]:
        asked.append(told)
        return {}

    monkeypatch.setattr("idto3d_eval.error_gallery.person_maps", person_maps)
    for changed in (1, 2, 2):
        errors._computed("runs/none", "good", FIRST, 0, "neutral", (("head.glb", changed, 10),))
    assert len(asked) == 2
