"""A third opinion on what pixels see, in float64 and without rays: projected triangles and a depth buffer.

It shares neither library nor method with the rasterisers that it judges: edge functions in the image plane
(Pineda, "A Parallel Algorithm for Polygon Rasterization", SIGGRAPH 1988) and perspective-correct weights.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.render.backend import Visibility
from idto3d.render.camera import Camera

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Scene:
    """A mesh as it is; every view projects it anew. Faces that reach behind the camera are left out."""

    def __init__(self, vertices: Tensor, faces: Tensor) -> None:
        """Args: vertices [V, 3] mm; faces [F, 3]."""
        self._vertices = vertices.detach().cpu().numpy().astype(np.float64)
        self._faces = faces.cpu().numpy().astype(np.int64)

    def visibility(self, camera: Camera) -> Visibility:
        """The nearest triangle at every pixel centre, seen from either side."""
        size = camera.resolution
        pixels = camera.project(self._vertices)  # [V, 2]
        depths = -((self._vertices - camera.position()) @ camera.rotation().T)[:, 2]  # [V] mm
        before = np.flatnonzero((depths[self._faces] > 0.0).all(axis=1))
        face, row, column = _candidates(pixels[self._faces[before]], size)
        face = before[face]
        flat = _weights(pixels[self._faces[face]], np.stack([column + 0.5, row + 0.5], -1))  # [N, 3]
        inside = np.isfinite(flat).all(axis=1) & (flat >= 0.0).all(axis=1)
        face, row, column, flat = face[inside], row[inside], column[inside], flat[inside]
        # What is linear in space over its depth is linear in the image.
        shares = flat / depths[self._faces[face]]
        depth = 1.0 / shares.sum(axis=1)
        weights = shares * depth[:, None]
        place = row * size + column
        order = np.lexsort((depth, place))
        first = order[np.flatnonzero(np.diff(place[order], prepend=-1))]
        triangle = np.full(size * size, -1, np.int64)
        barycentric = np.zeros((size * size, 3), np.float32)
        reach = np.full(size * size, np.inf, np.float32)
        triangle[place[first]], barycentric[place[first]] = face[first], weights[first]
        reach[place[first]] = depth[first]
        return Visibility(
            torch.from_numpy(triangle.reshape(size, size)),
            torch.from_numpy(barycentric.reshape(size, size, 3)),
            torch.from_numpy(reach.reshape(size, size)),
        )


def _candidates(corners: Floats, size: int) -> tuple[Ints, Ints, Ints]:
    """Every pixel centre in the box about every triangle [F, 3, 2]: face, row and column, each [N]."""
    low = np.clip(np.ceil(corners.min(axis=1) - 0.5), 0, size).astype(np.int64)  # [F, 2] column, row
    high = np.clip(np.floor(corners.max(axis=1) - 0.5) + 1.0, low, size).astype(np.int64)
    extent = high - low
    count = extent[:, 0] * extent[:, 1]
    face = np.repeat(np.arange(len(corners)), count)
    within = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    width = extent[face, 0]
    return face, low[face, 1] + within // width, low[face, 0] + within % width


def _weights(corners: Floats, points: Floats) -> Floats:
    """Barycentrics [N, 3] in the image plane of points [N, 2] in triangles [N, 3, 2]; NaN without area."""
    away = corners - points[:, None]
    area = np.stack([_cross(away[:, (k + 1) % 3], away[:, (k + 2) % 3]) for k in range(3)], axis=-1)
    total = area.sum(axis=1, keepdims=True)
    return np.where(total != 0.0, area / np.where(total != 0.0, total, 1.0), np.nan)


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
