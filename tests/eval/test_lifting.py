"""Landmarks that are projected into views and lifted again come back."""

import numpy as np
import pytest
import trimesh

from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight
from idto3d_eval.features import HeadFeatures
from idto3d_eval.lifting import lift_now_landmarks, lift_points
from idto3d_eval.metrics.geometry_now import NOW_LANDMARKS
from idto3d_eval.metrics.surface import Surface
from idto3d_eval.views import ViewSpec

PLANE = np.array([[-45, 20], [-15, 20], [15, 20], [45, 20], [0, -30], [-25, -55], [25, -55]], float)
POINTS = np.c_[PLANE, np.sqrt(100.0**2 - (PLANE**2).sum(axis=1))]


@pytest.fixture(scope="module")
def ball():
    mesh = trimesh.creation.icosphere(subdivisions=6, radius=100.0)
    return Surface(np.asarray(mesh.vertices), np.asarray(mesh.faces))


def view(name, yaw, frontal=True):
    camera = Camera(yaw=yaw, pitch=0.1, distance=900.0, fovy=0.35, target=(0.0, -30.0, -30.0), resolution=256)
    return ViewSpec(name, camera, EnvironmentLight.uniform(), frontal)


VIEWS = (view("front", 0.0), view("left", 0.35), view("right", -0.35), view("far", 1.2, frontal=False))


def readings(pixels):
    """Features of one expression whose landmarks in every view are given: [V, 68, 2]."""
    count = len(pixels)
    return HeadFeatures(
        expressions=("neutral",),
        views=tuple(spec.name for spec in VIEWS),
        frontal=np.array([spec.frontal for spec in VIEWS]),
        embeddings=np.ones((1, count, 4), np.float32),
        landmarks=pixels[None].astype(np.float32),
        actions=np.zeros((1, count, 52), np.float32),
        presence=np.ones((1, count), np.float32),
        reasons=np.full((1, count), ""),
        cards={},
    )


def projected():
    pixels = np.full((len(VIEWS), 68, 2), np.nan)
    for row, spec in enumerate(VIEWS):
        pixels[row, list(NOW_LANDMARKS)] = spec.camera.project(POINTS)
    return pixels


def test_what_is_projected_comes_back(ball):
    for spec in VIEWS[:3]:
        lifted = lift_points(spec.camera.project(POINTS), spec, ball)
        np.testing.assert_allclose(lifted, POINTS, atol=0.1)


def test_a_pixel_beside_the_head_or_unread_is_nan(ball):
    lifted = lift_points(np.array([[1.0, 1.0], [np.nan, 5.0]]), VIEWS[0], ball)
    assert np.isnan(lifted).all()


def test_one_wild_view_of_three_does_not_move_a_landmark(ball):
    pixels = projected()
    pixels[1] += 20.0
    pixels[3] = 0.0  # not frontal, so it has no say
    lifted = lift_now_landmarks(readings(pixels), "neutral", VIEWS, ball)
    assert np.abs(lifted - POINTS).max() < 9.0
    np.testing.assert_allclose(
        lift_now_landmarks(readings(projected()), "neutral", VIEWS, ball), POINTS, atol=0.1
    )


def test_a_head_without_a_readable_face_has_no_landmarks(ball):
    lifted = lift_now_landmarks(readings(np.full((4, 68, 2), np.nan)), "neutral", VIEWS, ball)
    assert lifted.shape == (7, 3)
    assert np.isnan(lifted).all()


def test_other_views_than_those_read_are_refused(ball):
    with pytest.raises(ValueError, match="same in the same order"):
        lift_now_landmarks(readings(projected()), "neutral", VIEWS[::-1], ball)
