"""Normals: smooth, in camera space, the same from one camera or several."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from idto3d.render.camera import Camera
from idto3d.render.normals import render_normal_views, render_normals, vertex_normals, weld
from tests.reference.shapes import sphere

CAMERA = Camera(yaw=0.6, pitch=0.2, distance=1000.0, fovy=0.2, target=(0.0, 0.0, 0.0), resolution=48)


def test_a_sphere_points_away_from_its_centre() -> None:
    """Vertex normals of a sphere are its unit positions."""
    vertices, faces = sphere(70.0, 24)
    normals = vertex_normals(torch.from_numpy(vertices), torch.from_numpy(faces)).numpy()
    assert np.abs(normals - vertices / 70.0).max() < 0.03


def test_image_is_in_camera_space() -> None:
    """From any side a sphere shows +z in the middle, +x on the right, +y above, and 0 around it."""
    vertices, faces = (torch.from_numpy(x) for x in sphere(70.0, 40))
    normals, mask = render_normals(vertices, faces, CAMERA)
    assert normals.shape == (48, 48, 3)
    assert normals[24, 24, 2] > 0.99
    assert normals[24, 38, 0] > 0.7
    assert normals[10, 24, 1] > 0.7
    assert (normals[mask == 0] == 0).all()
    inside = mask == 1
    assert torch.allclose(normals[inside].norm(dim=-1), torch.ones(int(inside.sum()), dtype=torch.float64))


def test_turning_mesh_and_camera_together_changes_nothing() -> None:
    """Camera-space normals do not depend on where the world's axes point."""
    vertices, faces = sphere(70.0, 20)
    vertices = vertices * (1.0 + 0.1 * np.sin(vertices[:, :1] / 9.0))
    turn = 0.7
    about_y = np.array([[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]])
    turned = Camera(
        yaw=CAMERA.yaw + turn, pitch=0.2, distance=1000.0, fovy=0.2, target=(0.0, 0.0, 0.0), resolution=48
    )
    triangles = torch.from_numpy(faces)
    first, _ = render_normals(torch.from_numpy(vertices), triangles, CAMERA)
    second, _ = render_normals(torch.from_numpy(vertices @ about_y.T), triangles, turned)
    assert (first - second).abs().median() < 1e-4
    assert (first - second).abs().max() < 0.02


def test_several_cameras_equal_one_at_a_time() -> None:
    """A batch of views is bit by bit the single views."""
    vertices, faces = (torch.from_numpy(x) for x in sphere(70.0, 20))
    other = Camera(yaw=-0.5, distance=900.0, fovy=0.2, target=(0.0, 0.0, 0.0), resolution=48)
    normals, masks, _ = render_normal_views(vertices, faces, [CAMERA, other])
    for index, camera in enumerate((CAMERA, other)):
        alone, mask = render_normals(vertices, faces, camera)
        assert torch.equal(normals[index], alone)
        assert torch.equal(masks[index], mask)


def test_gradient_is_finite_even_for_degenerate_faces() -> None:
    """A face collapsed to a point gives no NaN."""
    vertices, faces = sphere(70.0, 8)
    vertices[2] = vertices[1]
    points = torch.from_numpy(vertices).float().requires_grad_()
    normals, mask = render_normals(points, torch.from_numpy(faces), CAMERA)
    (normals.square().sum() + mask.sum()).backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()


def test_welding_joins_what_a_seam_split() -> None:
    """Split vertices get one index; each finds its normal through the representative."""
    vertices, faces = sphere(70.0, 8)
    corners = faces.reshape(-1)
    welded, representative = weld(vertices[corners], np.arange(len(corners)).reshape(-1, 3))
    assert len(np.unique(welded)) == len(vertices)
    assert np.array_equal(vertices[corners][welded.reshape(-1)], vertices[corners])
    assert np.array_equal(representative[welded], welded)


@pytest.mark.slow
def test_a_guidance_view_is_fast() -> None:
    """64² normals of 30,000 faces take under 10 ms of an idle core (30 of a busy one)."""
    vertices, faces = (torch.from_numpy(x) for x in sphere(70.0, 88))
    points = vertices.float().requires_grad_()
    camera = Camera(distance=1000.0, fovy=0.2, target=(0.0, 0.0, 0.0), resolution=64)

    def best(work: Callable[[], object]) -> float:
        seconds = []
        for _ in range(25):
            start = time.process_time()
            work()
            seconds.append(time.process_time() - start)
        return min(seconds)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        one = best(lambda: render_normal_views(points, faces, [camera]))
        five = best(lambda: render_normal_views(points, faces, [camera] * 5))
        assert (five - one) / 4 < 0.030
    finally:
        torch.set_num_threads(before)
