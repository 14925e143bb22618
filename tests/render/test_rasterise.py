"""Rasterisation: what a pixel sees, where on it, and how that moves with the vertices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from idto3d.render.camera import Camera
from idto3d.render.rasterise import interpolate, rasterise
from tests.reference import ray_triangle
from tests.reference.shapes import quad, sphere

CAMERA = Camera(
    yaw=0.4, pitch=-0.2, roll=0.1, distance=600.0, fovy=0.4, target=(0.0, 0.0, 0.0), resolution=20
)


def bumpy() -> tuple[torch.Tensor, torch.Tensor]:
    vertices, faces = sphere(90.0, 7)
    vertices = vertices * (1.0 + 0.2 * np.random.default_rng(3).normal(size=(len(vertices), 1)))
    return torch.from_numpy(vertices), torch.from_numpy(faces)


def test_equals_brute_force_in_numpy() -> None:
    """Triangles, barycentrics, depth and interpolated values are those of a slow implementation."""
    vertices, faces = bumpy()
    fragments = rasterise(vertices, faces, CAMERA)
    triangle, barycentric, depth = ray_triangle.first_hits(vertices.numpy(), faces.numpy(), CAMERA)
    same = fragments.triangle.numpy() == triangle
    assert same.mean() > 0.995  # a ray through an edge may take either side
    assert np.allclose(fragments.barycentric.numpy()[same], barycentric[same], atol=1e-4)
    hit = same & (triangle >= 0)
    assert np.allclose(fragments.depth.numpy()[hit], depth[hit], atol=1e-3)
    attributes = np.random.default_rng(4).normal(size=(len(vertices), 5))
    ours = interpolate(fragments, faces, torch.from_numpy(attributes)).numpy()
    theirs = ray_triangle.interpolate(triangle, barycentric, faces.numpy(), attributes)
    assert np.allclose(ours[same], theirs[same], atol=1e-3)


def test_interpolated_position_lies_under_its_pixel() -> None:
    """Projecting the interpolated position gives the pixel's own centre back, in single precision."""
    vertices, faces = bumpy()
    fragments = rasterise(vertices.float(), faces, CAMERA)
    position = interpolate(fragments, faces, vertices.float())
    projected = CAMERA.project(position.numpy().astype(np.float64))
    rows, columns = np.nonzero(fragments.mask.numpy())
    centres = np.stack([columns + 0.5, rows + 0.5], -1)
    assert np.abs(projected[rows, columns] - centres).max() < 1e-3


def test_gradient_equals_finite_differences() -> None:
    """Interpolated values move with the vertices as central differences say."""
    vertices, faces = quad(-80.0, 80.0, -80.0, 80.0)
    vertices[:, 2] = [0.0, 30.0, -20.0, 10.0]
    colours = torch.from_numpy(np.random.default_rng(5).normal(size=(4, 2)))
    start = torch.from_numpy(vertices)
    triangles = torch.from_numpy(faces)
    inner = (slice(6, 14), slice(6, 14))  # away from the outline, which another test covers

    def total(points: torch.Tensor) -> torch.Tensor:
        fragments = rasterise(points, triangles, CAMERA)
        value = interpolate(fragments, triangles, colours)[inner]
        return (value**2).sum() + 1e-3 * fragments.depth[inner].sum()

    points = start.clone().requires_grad_()
    total(points).backward()
    assert points.grad is not None
    for vertex in range(4):
        for axis in range(3):
            step = torch.zeros_like(start)
            step[vertex, axis] = 1e-3
            difference = (total(start + step) - total(start - step)) / 2e-3
            assert points.grad[vertex, axis].item() == pytest.approx(difference.item(), rel=1e-3, abs=1e-6)


def test_background_is_empty() -> None:
    """Pixels that see nothing have triangle -1, zero attributes, infinite depth and no NaN gradient."""
    vertices, faces = quad(-20.0, 20.0, -20.0, 20.0)
    points = torch.from_numpy(vertices).requires_grad_()
    fragments = rasterise(points, torch.from_numpy(faces), CAMERA)
    image = interpolate(fragments, torch.from_numpy(faces), torch.ones(4, 1, dtype=torch.float64))
    empty = ~fragments.mask
    assert empty.any()
    assert (fragments.triangle[empty] == -1).all()
    assert (image[empty] == 0).all()
    assert torch.isinf(fragments.depth[empty]).all()
    (image.sum() + fragments.depth[fragments.mask].sum()).backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()


def test_a_wrong_shape_is_named() -> None:
    """Two-dimensional vertices are refused in a sentence with what was found."""
    with pytest.raises(ValueError, match=r"\(4, 2\).*expected \[V, 3\]"):
        rasterise(torch.zeros(4, 2), torch.zeros(1, 3, dtype=torch.int64), CAMERA)
