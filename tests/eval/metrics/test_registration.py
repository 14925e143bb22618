"""Registration: Procrustes against scipy, mirrors, and refinement against scipy's least squares."""

import numpy as np
import pytest
import trimesh
from scipy.optimize import least_squares
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.transform import Rotation

from idto3d_eval.metrics.registration import Similarity, procrustes, refine, rotation_matrix
from idto3d_eval.metrics.surface import Surface, sample_surface

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(7, 3)) * [40.0, 30.0, 10.0]
TURN = Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()
SHIFT = np.array([12.0, -7.0, 30.0])


def test_procrustes_recovers_a_known_similarity():
    found = procrustes(POINTS, 1.3 * POINTS @ TURN.T + SHIFT, scale=True, reflection=False)
    assert found.scale == pytest.approx(1.3)
    np.testing.assert_allclose(found.orthogonal, TURN, atol=1e-12)
    np.testing.assert_allclose(found.translation, SHIFT, atol=1e-9)


def test_procrustes_residual_agrees_with_scipy():
    target = POINTS @ TURN.T + RNG.normal(size=POINTS.shape)
    found = procrustes(POINTS, target, scale=True, reflection=True)
    centred = target - target.mean(axis=0)
    disparity = ((found.apply(POINTS) - target) ** 2).sum() / (centred**2).sum()
    assert disparity == pytest.approx(scipy_procrustes(target, POINTS)[2])


def test_without_scale_it_is_kabsch():
    target = 1.5 * POINTS @ TURN.T + SHIFT + RNG.normal(size=POINTS.shape)
    found = procrustes(POINTS, target, scale=False, reflection=False)
    expected, _ = Rotation.align_vectors(target - target.mean(axis=0), POINTS - POINTS.mean(axis=0))
    assert found.scale == 1.0
    np.testing.assert_allclose(found.orthogonal, expected.as_matrix(), atol=1e-9)


def test_a_mirror_passes_only_where_it_is_allowed():
    mirrored = POINTS * [-1.0, 1.0, 1.0]
    assert procrustes(POINTS, mirrored, scale=True, reflection=True).mirrored
    refused = procrustes(POINTS, mirrored, scale=True, reflection=False)
    assert not refused.mirrored
    assert np.linalg.det(refused.orthogonal) == pytest.approx(1.0)


def test_inverse_undoes_apply():
    pose = Similarity(1.4, TURN, SHIFT)
    np.testing.assert_allclose(pose.inverse(pose.apply(POINTS)), POINTS, atol=1e-12)


def test_rotation_matrix_agrees_with_scipy():
    vector = np.array([0.2, -1.1, 0.7])
    np.testing.assert_allclose(rotation_matrix(vector), Rotation.from_rotvec(vector).as_matrix(), atol=1e-12)


def ellipsoid():
    ball = trimesh.creation.icosphere(subdivisions=4, radius=1.0)
    vertices = np.asarray(ball.vertices) * [60.0, 90.0, 75.0]
    vertices[:, 2] += 10.0 * np.exp(-((vertices[:, 0] / 15.0) ** 2) - ((vertices[:, 1] / 20.0) ** 2))
    return vertices, np.asarray(ball.faces)


@pytest.mark.parametrize("scale", [False, True])
def test_refinement_finds_the_pose_that_made_the_scan(scale):
    vertices, faces = ellipsoid()
    true = Similarity(1.08 if scale else 1.0, TURN, SHIFT)
    scan, _ = sample_surface(true.apply(vertices), faces, 4000, seed=1)
    scan = scan[true.inverse(scan)[:, 2] > 0.0]
    start = Similarity(
        1.0, rotation_matrix(np.array([0.05, -0.04, 0.03])) @ TURN, SHIFT + np.array([3.0, -2.0, 4.0])
    )
    found = refine(scan, Surface(vertices, faces), start, scale=scale)
    assert found.scale == pytest.approx(true.scale, abs=1e-6)
    np.testing.assert_allclose(found.apply(vertices), true.apply(vertices), atol=1e-4)


def test_refinement_reaches_the_cost_of_scipys_least_squares():
    vertices, faces = ellipsoid()
    mesh = Surface(vertices, faces)
    scan, _ = sample_surface(vertices * [1.05, 0.97, 1.1], faces, 500, seed=2)
    scan = scan[scan[:, 2] > 0.0]

    def residuals(x):
        pose = Similarity(float(np.exp(x[6])), Rotation.from_rotvec(x[:3]).as_matrix(), 50.0 * x[3:6])
        return pose.scale * mesh.distance(pose.inverse(scan))

    slow = least_squares(residuals, np.zeros(7), diff_step=1e-6, xtol=1e-12, ftol=1e-12)
    found = refine(scan, mesh, Similarity(1.0, np.eye(3), np.zeros(3)), scale=True)
    cost = 0.5 * ((found.scale * mesh.distance(found.inverse(scan))) ** 2).sum()
    assert cost <= slow.cost * (1 + 1e-4)


def test_a_mirrored_start_stays_mirrored():
    vertices, faces = ellipsoid()
    flip = np.diag([-1.0, 1.0, 1.0])
    scan, _ = sample_surface(vertices @ flip, faces, 1000, seed=3)
    assert refine(scan, Surface(vertices, faces), Similarity(1.0, flip, np.zeros(3)), scale=True).mirrored
