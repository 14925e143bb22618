"""One solve finds the motion that pictures of places show, far beyond a gradient's step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import idto3d
from idto3d.geometry.head_field import CELLS, REACH
from idto3d.geometry.mean_head import MeanHead, load_mean_head
from idto3d.geometry.mouth import near_mouth
from idto3d.geometry.place_fit import fit_places
from idto3d.geometry.spline_motion import SplineBasis, SplineLattice
from idto3d.render.camera import Camera
from idto3d.render.rasterise import carried_views

CAMERAS = [Camera(yaw, 0.0, distance=900.0, fovy=0.33, resolution=64) for yaw in (-0.5, -0.2, 0.0, 0.3, 0.6)]


@pytest.fixture(scope="module")
def head() -> MeanHead:
    return load_mean_head(Path(idto3d.__file__).parent / "weights" / "mean_head.npz")


def shown_places(head: MeanHead, moved: np.ndarray) -> np.ndarray:
    """[N, R, R, 3] mm: which place of the mean head each pixel shows when its vertices are moved."""
    vertices, faces = (torch.from_numpy(np.asarray(a)) for a in (head.mesh.vertices + moved, head.mesh.faces))
    places = torch.from_numpy(head.mesh.vertices.astype(np.float32))
    seen = carried_views(vertices.float(), faces.long(), places, CAMERAS)
    return seen.permute(0, 2, 3, 1).numpy()


def test_a_brow_that_lies_a_centimetre_lower_is_found_at_once(head: MeanHead) -> None:
    vertices, faces = head.mesh.vertices, head.mesh.faces
    brow = head.landmarks[19]
    share = np.exp(-np.square(np.linalg.norm(vertices - brow, axis=1) / 14.0))
    moved = share[:, None] * np.array([0.0, -10.0, 0.0])
    basis = SplineBasis([SplineLattice(vertices, cell, REACH) for cell in CELLS], vertices)
    wanted = shown_places(head, moved)
    values = fit_places(
        basis.matrix(), vertices, faces, vertices, CAMERAS, wanted, (np.abs(wanted).sum(3) > 0).astype(float)
    )
    found = basis.matrix() @ values
    near = share > 0.3
    assert np.abs(found[near] - moved[near]).mean() < 1.0  # mm, of up to 10
    far = (share < 0.01) & (vertices[:, 2] > brow[2] - 60.0)
    assert np.linalg.norm(found[far], axis=1).mean() < 0.4


def test_places_that_are_nowhere_on_the_surface_move_nothing(head: MeanHead) -> None:
    vertices, faces = head.mesh.vertices, head.mesh.faces
    basis = SplineBasis([SplineLattice(vertices, 24.0, REACH)], vertices)
    wanted = np.full((1, 64, 64, 3), 500.0)
    for weight in (np.ones((1, 64, 64)), np.zeros((1, 64, 64))):
        values = fit_places(basis.matrix(), vertices, faces, vertices, CAMERAS[:1], wanted, weight)
        assert not values.any()


def test_lips_and_chin_are_near_the_mouth_and_eyes_are_not(head: MeanHead) -> None:
    near = near_mouth(head.landmarks, head.landmarks)
    assert near[48:68].all()
    assert not near[36:48].any()
