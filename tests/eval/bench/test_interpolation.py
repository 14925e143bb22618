"""Blends of expressions: their ends are the files, and what cannot be blended is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from idto3d.asset import AssetManifest, TexturedMesh, write_head_asset
from idto3d.errors import UserError
from idto3d.geometry.mean_head import load_mean_head
from idto3d_eval.bench.blends import (
    STEPS,
    Blends,
    blended,
    check_shared,
    evenly,
    interpolation_bars,
    measure_asset,
    mesh_problems,
)
from idto3d_eval.single import shipped_weights


@pytest.fixture(scope="module")
def neutral() -> TexturedMesh:
    mesh = load_mean_head(shipped_weights() / "mean_head.npz").mesh
    grey = np.full((8, 8, 3), 100, np.uint8)
    return TexturedMesh(
        mesh.vertices.astype(np.float64), mesh.faces, np.zeros((len(mesh.vertices), 2)), grey, grey
    )


@pytest.fixture(scope="module")
def raised(neutral: TexturedMesh) -> TexturedMesh:
    up = np.array([0.0, 2.0, 0.0])  # mm
    return replace(neutral, vertices=neutral.vertices + up, albedo=neutral.albedo + np.uint8(50))


def test_the_ends_of_a_blend_are_the_expressions_and_its_middle_lies_between(
    neutral: TexturedMesh, raised: TexturedMesh
) -> None:
    start, middle, end = (blended(neutral, raised, share) for share in (0.0, 0.5, 1.0))
    assert np.array_equal(start.vertices, neutral.vertices)
    assert np.array_equal(end.vertices, raised.vertices)
    assert np.array_equal(end.albedo, raised.albedo)
    np.testing.assert_allclose(middle.vertices - neutral.vertices, np.full_like(neutral.vertices, [0, 1, 0]))
    assert np.all(middle.albedo == 125)


def test_expressions_with_faces_of_their_own_are_refused(neutral: TexturedMesh) -> None:
    other = replace(neutral, faces=neutral.faces[::-1])
    with pytest.raises(UserError, match=r"'smile' in .* faces of its own"):
        check_shared({"neutral": neutral, "smile": other}, Path("head"))
    with pytest.raises(UserError, match="at least two"):
        check_shared({"neutral": neutral}, Path("head"))


def test_the_lowest_step_is_held_against_the_lower_end() -> None:
    good = Blends("neutral", "smile", (0.8, 0.7, 0.6), ("", "", ""))
    bad = Blends("neutral", "fear", (0.8, 0.4, 0.5), ("", "2 components", ""))
    assert good.fall == 0.0
    assert bad.fall == pytest.approx(0.1)
    sound, fall = interpolation_bars({"a": [good, bad]})
    assert sound.value == pytest.approx(5 / 6)
    assert fall.value == pytest.approx(0.1)
    assert not sound.passed
    assert not fall.passed
    assert sorted([good, bad], key=lambda pair: pair.badness)[0] is bad


def test_a_person_without_scoring_photos_has_no_identity_and_an_unknown_mesh_is_not_sound() -> None:
    nobody = Blends("neutral", "smile", (math.nan,) * 2, ("unknown: no mesh_health",) * 2)
    sound, fall = interpolation_bars({"a": [nobody]})
    assert math.isnan(sound.value)
    assert math.isnan(fall.value)
    assert not sound.passed
    assert not fall.passed
    assert nobody.row()["lowest identity"] == "undefined"


def test_pairs_are_chosen_evenly() -> None:
    pairs = [("a", str(number)) for number in range(9)]
    assert evenly(pairs, 0) == pairs
    assert [second for _, second in evenly(pairs, 3)] == ["0", "4", "8"]
    assert evenly(pairs, 20) == pairs


def test_an_asset_of_a_stranger_is_measured_once(
    tmp_path: Path, neutral: TexturedMesh, raised: TexturedMesh
) -> None:
    asset = tmp_path / "head"
    manifest = AssetManifest(method="m", identity="somebody", seed=0, expressions=("neutral", "smile"))
    write_head_asset(asset, {"neutral": neutral, "smile": raised}, manifest)
    given = (asset, ("neutral", "smile", "anger"), 0, tmp_path / "out", shipped_weights(), 20)
    (first,) = measure_asset(*given)
    assert len(first.problems) == STEPS
    assert np.isnan(first.identity).all()
    (again,) = measure_asset(*given)
    assert again.problems == first.problems
    assert len(list((tmp_path / "out" / "blends").iterdir())) == 1


def test_problems_of_a_mesh_are_told_where_they_can_be(neutral: TexturedMesh) -> None:
    opened = replace(neutral, faces=neutral.faces[1:])
    assert mesh_problems(opened) != ""
