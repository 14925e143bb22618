"""Surface agreement: zero against itself, a known gap, inner surfaces, and normals."""

import numpy as np
import pytest
import trimesh

from idto3d_eval.metrics.geometry_surface import surface_agreement
from idto3d_eval.metrics.registration import Similarity
from idto3d_eval.metrics.surface import Surface, sample_surface

STILL = Similarity(1.0, np.eye(3), np.zeros(3))
PLANE = np.array([[-45, 20], [-15, 20], [15, 20], [45, 20], [0, -30], [-25, -55], [25, -55]], float)
LANDMARKS = np.c_[PLANE, np.sqrt(100.0**2 - (PLANE**2).sum(axis=1))]


def ball(radius=100.0, subdivisions=5):
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


def agreement(head, alignment=STILL):
    vertices, faces = ball()
    points, normals = sample_surface(vertices, faces, 20_000, seed=0)
    return surface_agreement(Surface(vertices, faces), points, normals, LANDMARKS, head, alignment)


def test_a_head_agrees_with_itself():
    found = agreement(Surface(*ball()))
    assert found.chamfer_l1.value < 1e-6
    assert found.surface_recall.value == 1.0
    assert found.normal_error.value < 1e-3


@pytest.mark.parametrize(("gap", "recall"), [(1.0, 1.0), (4.0, 0.0)])
def test_a_ball_one_gap_larger_is_that_gap_away(gap, recall):
    found = agreement(Surface(*ball(100.0 + gap)))
    assert found.chamfer_l1.value == pytest.approx(gap, abs=0.03)
    assert found.surface_recall.value == recall


def test_what_lies_inside_is_no_error():
    vertices, faces = ball()
    inner, inner_faces = ball(radius=80.0, subdivisions=3)
    full = Surface(np.concatenate([vertices, inner]), np.concatenate([faces, inner_faces + len(vertices)]))
    assert agreement(full).chamfer_l1.value < 1e-6


def test_an_alignment_is_applied_before_measuring():
    vertices, faces = ball()
    pose = Similarity(2.0, np.diag([1.0, -1.0, -1.0]), np.array([5.0, 6.0, 7.0]))
    assert agreement(Surface(pose.inverse(vertices), faces), pose).chamfer_l1.value < 1e-6


def test_a_head_wound_inward_shows_in_its_normals():
    vertices, faces = ball()
    assert agreement(Surface(vertices, faces[:, ::-1])).normal_error.value == pytest.approx(180.0, abs=1e-3)


def test_a_head_elsewhere_has_no_chamfer_and_says_why():
    vertices, faces = ball()
    found = agreement(Surface(vertices + 500.0, faces))
    assert np.isnan(found.chamfer_l1.value)
    assert found.chamfer_l1.reason
    assert found.surface_recall.value == 0.0
