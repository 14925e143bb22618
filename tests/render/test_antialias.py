"""Antialiasing: exact coverage at outlines, and a gradient that moves them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from idto3d.render.antialias import antialias
from idto3d.render.camera import Camera
from idto3d.render.rasterise import interpolate, rasterise
from tests.reference.shapes import disc, quad, sphere

# At this distance and angle one pixel is 2 mm wide in the plane z = 0.
CAMERA = Camera(distance=1000.0, fovy=2 * float(np.arctan(0.032)), target=(0.0, 0.0, 0.0), resolution=32)


def coverage(vertices: torch.Tensor, faces: torch.Tensor, camera: Camera = CAMERA) -> torch.Tensor:
    fragments = rasterise(vertices, faces, camera)
    image = fragments.mask[..., None].to(vertices.dtype)
    return antialias(image, fragments, vertices, faces, camera)[..., 0]


def tensors(mesh: tuple[np.ndarray, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(mesh[0]), torch.from_numpy(mesh[1])


def test_a_growing_disc_reaches_its_target() -> None:
    """A disc whose only error is its outline grows to the target's radius by gradient descent."""
    rim, faces = tensors(disc(1.0, 48))
    with torch.no_grad():
        target = coverage(rim * 24.0, faces)
    radius = torch.tensor(18.0, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([radius], lr=0.015)
    for _ in range(40):
        optimiser.zero_grad()
        loss = ((coverage(rim * radius, faces) - target) ** 2).sum()
        loss.backward()
        optimiser.step()
    assert radius.item() == pytest.approx(24.0, abs=0.02)


def test_without_it_an_outline_has_no_gradient() -> None:
    """The same mask without antialiasing does not depend on the vertices at all."""
    rim, faces = tensors(disc(20.0, 48))
    points = rim.requires_grad_()
    fragments = rasterise(points, faces, CAMERA)
    assert not interpolate(fragments, faces, torch.ones(len(points), 1, dtype=torch.float64)).sum().isnan()
    assert not fragments.mask.requires_grad
    assert coverage(points, faces).requires_grad


@pytest.mark.parametrize("shift", [-0.9, -0.31, 0.0, 0.47, 1.0])
def test_an_upright_edge_covers_exactly(shift: float) -> None:
    """A vertical outline between pixel centres gives each pixel the share of it that is covered."""
    vertices, faces = tensors(quad(-20.0, 5.0 + shift, -60.0, 60.0))
    row = coverage(vertices, faces)[16]
    edge = 16 + (5.0 + shift) / 2.0  # in pixels
    expected = np.clip(edge - np.arange(32), 0, 1) - np.clip(6 - np.arange(32), 0, 1)
    assert np.allclose(row.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("angle", [0.1, 0.5, 0.9, 1.3, 2.0, 2.9])
def test_a_slanted_edge_covers_closely(angle: float) -> None:
    """Turned half-planes: the error of any pixel stays below that of the linear model, an eighth at 45°."""
    vertices, faces = quad(-300.0, 1.3, -300.0, 300.0)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    ours = coverage(*tensors((vertices @ turn.T, faces))).numpy()
    fine = 16
    grid = (np.arange(32 * fine) + 0.5) / fine - 16.0
    x, y = np.meshgrid(2.0 * grid, -2.0 * grid)
    inside = x * np.cos(angle) + y * np.sin(angle) < 1.3
    exact = inside.reshape(32, fine, 32, fine).mean(axis=(1, 3))
    assert np.abs(ours - exact)[1:-1, 1:-1].max() < 0.13
    assert abs((ours - exact)[1:-1, 1:-1].mean()) < 1e-3


@pytest.mark.parametrize("rings", [40, 120])
def test_many_triangles_a_pixel_still_have_an_outline(rings: int) -> None:
    """The covered area of a sphere is that of its outline, however small its triangles are."""
    vertices, faces = tensors(sphere(25.0, rings))
    exact = np.pi * (np.tan(np.arcsin(25.0 / 1000.0)) / 0.032 * 16) ** 2
    assert coverage(vertices.float(), faces).sum().item() == pytest.approx(exact, rel=4e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gradient_equals_finite_differences(axis: int) -> None:
    """Moving a sphere: the derivative of a weighted coverage is its central difference."""
    vertices, faces = tensors(sphere(22.0, 12, centre=(1.3, -0.7, 0.4)))
    weights = torch.from_numpy(np.random.default_rng(0).uniform(size=(32, 32)))
    move = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    (coverage(vertices + move, faces) * weights).sum().backward()
    step = torch.zeros(3, dtype=torch.float64)
    step[axis] = 2e-3 if axis < 2 else 0.2
    with torch.no_grad():
        higher, lower = (coverage(vertices + sign * step, faces) for sign in (1.0, -1.0))
    difference = ((higher - lower) * weights).sum() / (2.0 * step[axis])
    assert move.grad is not None
    assert move.grad[axis].item() == pytest.approx(difference.item(), rel=0.02, abs=1e-4)


def test_an_outline_in_front_of_a_surface_blends_with_it() -> None:
    """A near disc over a wall mixes its colour with the wall's, by the same shares as over the background."""
    near, near_faces = disc(20.0, 48, z=30.0)
    wall, wall_faces = quad(-90.0, 90.0, -90.0, 90.0, z=-30.0)
    alone = coverage(*tensors((near, near_faces)))
    vertices, faces = tensors(
        (np.concatenate([near, wall]), np.concatenate([near_faces, wall_faces + len(near)]))
    )
    fragments = rasterise(vertices, faces, CAMERA)
    image = (fragments.triangle < len(near_faces))[..., None].double()
    assert torch.allclose(antialias(image, fragments, vertices, faces, CAMERA)[..., 0], alone, atol=1e-6)


def test_a_hidden_outline_changes_nothing() -> None:
    """A disc behind a wall leaves the wall's colours alone."""
    far, far_faces = disc(20.0, 48, z=-60.0)
    wall, wall_faces = quad(-90.0, 90.0, -90.0, 90.0)
    vertices, faces = tensors(
        (np.concatenate([far, wall]), np.concatenate([far_faces, wall_faces + len(far)]))
    )
    fragments = rasterise(vertices, faces, CAMERA)
    image = torch.from_numpy(np.random.default_rng(1).uniform(size=(32, 32, 3)))
    assert torch.equal(antialias(image, fragments, vertices, faces, CAMERA), image)


def test_winding_and_face_order_do_not_matter() -> None:
    """Turned-round faces and faces in another order have the same outline."""
    vertices, faces = tensors(sphere(22.0, 10))
    shuffled = faces[torch.from_numpy(np.random.default_rng(2).permutation(len(faces)))]
    expected = coverage(vertices, faces)
    assert torch.allclose(coverage(vertices, faces.flip(1)), expected, atol=1e-6)
    assert torch.allclose(coverage(vertices, shuffled), expected, atol=1e-6)


def test_faces_behind_the_camera_are_left_out() -> None:
    """A mesh that reaches behind the camera gives finite coverage and gradients."""
    ball, ball_faces = sphere(22.0, 10)
    behind, behind_faces = sphere(22.0, 10, centre=(0.0, 0.0, 1500.0))
    vertices, faces = tensors(
        (np.concatenate([ball, behind]), np.concatenate([ball_faces, behind_faces + len(ball)]))
    )
    points = vertices.requires_grad_()
    image = coverage(points, faces)
    image.sum().backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()
    assert torch.allclose(image, coverage(*tensors((ball, ball_faces))), atol=1e-6)
