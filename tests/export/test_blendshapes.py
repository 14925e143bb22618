"""Blendshapes: exact where topology is shared, registered where it is not, and linear in their weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d.export.blendshapes import blend, blendshapes, read_blendshapes
from idto3d.export.registration import residual
from idto3d.geometry.health import mesh_health
from idto3d.geometry.mesh import Mesh
from tests.export.heads import head, puffed, stretched, write_head

NEUTRAL = head()
SMILE = replace(NEUTRAL, vertices=puffed(NEUTRAL.vertices, 15.0))
ANGER = replace(NEUTRAL, vertices=stretched(NEUTRAL.vertices))
HEAD = blendshapes(NEUTRAL, {"smile": SMILE, "anger": ANGER})


def test_shared_topology_needs_no_registration() -> None:
    """Shapes are the expressions' vertices to the bit, and the residual is zero and called exact."""
    assert np.array_equal(HEAD.shapes["smile"], SMILE.vertices)
    assert HEAD.residuals["anger"].exact
    assert (HEAD.residuals["anger"].median, HEAD.residuals["anger"].p95) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({}, NEUTRAL.vertices),
        ({"neutral": 1.0}, NEUTRAL.vertices),
        ({"smile": 1.0}, SMILE.vertices),
        ({"smile": 0.3, "anger": 0.7}, 0.3 * SMILE.vertices + 0.7 * ANGER.vertices),
        ({"neutral": 0.5, "anger": 0.5}, 0.5 * NEUTRAL.vertices + 0.5 * ANGER.vertices),
        ({"smile": 1.8}, 1.8 * SMILE.vertices - 0.8 * NEUTRAL.vertices),
        ({"smile": -0.5}, 1.5 * NEUTRAL.vertices - 0.5 * SMILE.vertices),
    ],
)
def test_blends_are_linear(weights: dict[str, float], expected: np.ndarray) -> None:
    """Between expressions, and beyond them, with the neutral's faces and maps."""
    mesh = blend(HEAD, weights)
    assert np.allclose(mesh.vertices, expected, atol=1e-9)
    assert mesh.faces is NEUTRAL.faces
    assert mesh.albedo is NEUTRAL.albedo


def test_a_blend_leaves_the_head_as_it_is() -> None:
    before = NEUTRAL.vertices.copy()
    blend(HEAD, {"smile": 2.0})
    assert np.array_equal(HEAD.neutral.vertices, before)


@pytest.mark.parametrize("share", np.linspace(0.0, 1.0, 5))
def test_a_slider_between_two_expressions_gives_valid_meshes(share: float) -> None:
    """Texture seams stay closed on the way."""
    mesh = blend(HEAD, {"smile": 1.0 - share, "anger": share})
    assert mesh_health(mesh.vertices, mesh.faces).problems == ()


def test_another_topology_is_registered_with_its_residual() -> None:
    """An expression with faces of its own gets the neutral's; seams stay closed and the file stays sound."""
    other = head(15)
    other = replace(other, vertices=puffed(other.vertices, 15.0))
    told = []
    made = blendshapes(NEUTRAL, {"smile": other}, lambda *step: told.append(step))
    assert made.shapes["smile"].shape == NEUTRAL.vertices.shape
    assert not made.residuals["smile"].exact
    before = residual(Mesh(NEUTRAL.vertices, NEUTRAL.faces), Mesh(other.vertices, other.faces))
    assert made.residuals["smile"].p95 < 0.2 * before.p95
    assert 0.0 < made.residuals["smile"].median < made.residuals["smile"].p95
    assert told[-1][0] == "registering smile"
    assert told[-1][1] == told[-1][2]
    half = blend(made, {"smile": 0.5})
    assert mesh_health(half.vertices, half.faces).problems == ()


def test_vertices_without_faces_are_carried_along() -> None:
    """A stray vertex of the neutral gives no NaN."""
    stray = replace(
        NEUTRAL,
        vertices=np.concatenate([NEUTRAL.vertices, [[0.0, 0.0, 0.0]]]),
        uvs=np.concatenate([NEUTRAL.uvs, [[0.0, 0.0]]]),
    )
    made = blendshapes(stray, {"smile": SMILE})
    assert np.array_equal(made.shapes["smile"][-1], [0.0, 0.0, 0.0])
    assert np.isfinite(made.shapes["smile"]).all()


@pytest.mark.parametrize(
    ("weights", "told"),
    [({"joy": 1.0}, r"'joy'.*neutral, smile, anger"), ({"smile": float("nan")}, "weight nan for 'smile'")],
)
def test_bad_weights_are_a_sentence(weights: dict[str, float], told: str) -> None:
    with pytest.raises(UserError, match=told):
        blend(HEAD, weights)


def test_an_asset_is_read_in_its_order(tmp_path: Path) -> None:
    """All expressions by default, else the asked ones; the neutral is the base in any case."""
    asset = write_head(tmp_path / "head", smile=SMILE, neutral=NEUTRAL, anger=ANGER)
    assert list(read_blendshapes(asset).shapes) == ["smile", "anger"]
    assert list(read_blendshapes(asset, ("anger",)).shapes) == ["anger"]
    with pytest.raises(UserError, match=r"'joy'.*smile, neutral, anger"):
        read_blendshapes(asset, ("joy",))
    with pytest.raises(UserError, match="no 'neutral'"):
        read_blendshapes(write_head(tmp_path / "smiling", smile=SMILE))
