"""Slow reference for visibility and interpolation: every pixel against every triangle, in plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idto3d.render.camera import Camera


def first_hits(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], camera: Camera
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Nearest triangle [H, W] (-1 none), barycentrics [H, W, 3] and depth [H, W] (inf none).

    Solves origin + t direction = a + v (b - a) + w (c - a) as a 3 by 3 linear system for each triangle.
    """
    size = camera.resolution
    triangle = np.full((size, size), -1, dtype=np.int64)
    barycentric = np.zeros((size, size, 3))
    depth = np.full((size, size), np.inf)
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    focal = 0.5 * size / np.tan(0.5 * camera.fovy)
    for row in range(size):
        for column in range(size):
            local = np.array([(column + 0.5 - size / 2) / focal, -(row + 0.5 - size / 2) / focal, -1.0])
            direction = local @ camera.rotation()
            system = np.stack([b - a, c - a, np.broadcast_to(-direction, a.shape)], axis=-1)  # [F, 3, 3]
            solvable = np.abs(np.linalg.det(system)) > 1e-12
            system[~solvable] = np.eye(3)
            v, w, t = np.linalg.solve(system, (camera.position() - a)[..., None])[..., 0].T
            inside = solvable & (v >= 0.0) & (w >= 0.0) & (v + w <= 1.0) & (t > 0.0)
            if inside.any():
                first = int(np.argmin(np.where(inside, t, np.inf)))
                triangle[row, column] = first
                barycentric[row, column] = 1.0 - v[first] - w[first], v[first], w[first]
                depth[row, column] = t[first]
    return triangle, barycentric, depth


def interpolate(
    triangle: NDArray[np.int64],
    barycentric: NDArray[np.float64],
    faces: NDArray[np.int64],
    attributes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Attributes [V, C] at the pixels, [H, W, C]; zero where nothing was hit."""
    image = np.zeros((*triangle.shape, attributes.shape[1]))
    for row, column in np.argwhere(triangle >= 0):
        corners = attributes[faces[triangle[row, column]]]
        image[row, column] = barycentric[row, column] @ corners
    return image
