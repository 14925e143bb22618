"""The still region: still on true heads, the same on any mesh of one surface, and what drifts in it."""

from dataclasses import replace

import numpy as np
import pytest

from idto3d.expressions import EXPRESSIONS
from idto3d.population.people import draw_person
from idto3d.population.truth import outer_skin, true_meshes
from idto3d_eval.metrics.stillness import barycentric, is_still, lab, still_drift, still_points
from idto3d_eval.selfcheck import stillness


@pytest.mark.parametrize("index", range(12))
def test_no_expression_moves_the_region_on_held_out_people(index):
    person = draw_person("heldout", index)
    neutral, faces = outer_skin(person, "neutral")
    vertices = np.unique(faces)
    region = vertices[is_still(neutral[vertices])]
    assert len(region) > 100
    for name in EXPRESSIONS[1:]:
        moved = outer_skin(person, name)[0] - neutral
        assert np.linalg.norm(moved[region], axis=1).max() < 0.01
        assert np.linalg.norm(moved[vertices], axis=1).max() > 1.0


@pytest.fixture(scope="module")
def heads():
    return true_meshes(draw_person("validation", 2), ("neutral", "shout"))


def test_a_true_head_does_not_drift_and_a_shifted_one_does(heads):
    shape, albedo = still_drift(heads["neutral"], heads["shout"])
    assert shape.value < 0.01
    assert albedo.value < 0.05
    shifted = replace(heads["shout"], vertices=heads["shout"].vertices + np.array([0.0, 0.0, -2.0]))
    assert 0.5 < still_drift(heads["neutral"], shifted)[0].value < 2.0
    assert still_drift(heads["neutral"], shifted)[0].value == pytest.approx(
        still_drift(shifted, heads["neutral"])[0].value
    )


def test_another_persons_texture_under_one_expression_is_albedo_drift_alone(heads):
    other = true_meshes(draw_person("validation", 5), ("neutral",))["neutral"]
    shape, albedo = still_drift(heads["neutral"], replace(heads["neutral"], albedo=other.albedo))
    assert shape.value < 0.01
    assert albedo.value > 3.0


def test_lightness_and_colour_are_those_of_opencv():
    import cv2

    rows = np.random.default_rng(0).random((50, 3))
    theirs = cv2.cvtColor(rows.astype(np.float32)[:, None], cv2.COLOR_RGB2LAB)[:, 0]
    np.testing.assert_allclose(lab(rows), theirs, atol=0.3)
    np.testing.assert_allclose(
        lab(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])), [[100, 0, 0], [0, 0, 0]], atol=0.02
    )


def test_barycentric_weights_give_the_point_back():
    rng = np.random.default_rng(1)
    corners, weights = rng.normal(size=(20, 3, 3)), rng.dirichlet(np.ones(3), 20)
    points = np.einsum("nk,nkc->nc", weights, corners)
    np.testing.assert_allclose(barycentric(points, corners), weights, atol=1e-9)
    flat = np.repeat(corners[:1, :1], 3, axis=1)
    np.testing.assert_allclose(barycentric(points[:1], flat), 1 / 3)


def test_points_lie_in_the_region_and_a_mask_has_none(heads):
    points, colours = still_points(heads["neutral"])
    assert is_still(points).all()
    assert ((colours >= 0) & (colours <= 1)).all()
    mesh = heads["neutral"]
    mask = replace(mesh, faces=mesh.faces[(mesh.vertices[mesh.faces][..., 2] > -50).all(axis=1)])
    assert "no back" in still_drift(mesh, mask)[0].reason


def test_the_self_check_passes():
    assert [check for check in stillness.checks() if not check.passed] == []
