"""The mean head: where generation starts, what the denoiser is shown, and its colour."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from idto3d.errors import UserError
from idto3d.geometry.mesh import Mesh, load_mesh
from idto3d.render.shading import srgb_to_linear

NEIGHBOURS = 3  # colour points that a colour is mixed from


@dataclass(frozen=True)
class MeanHead:
    """A closed mesh and the mean albedo of many people at points of its surface; it knows nobody.

    Args:
        mesh: 15,000 vertices, mm.
        points: [P, 3] mm, denser at eyes, nose and mouth than the mesh's vertices.
        albedo: [P, 3] linear RGB in [0, 1].
        landmarks: [68, 3] mm, iBUG order.
    """

    mesh: Mesh
    points: NDArray[np.float32]
    albedo: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    def albedo_at(self, places: NDArray[np.floating]) -> NDArray[np.float32]:
        """Linear RGB [N, 3] of the mean head nearest to `places` [N, 3] mm."""
        distance, index = self._tree.query(places, k=NEIGHBOURS)
        weight = 1.0 / np.maximum(distance, 0.1)
        mixed = (weight[..., None] * self.albedo[index]).sum(1) / weight.sum(1, keepdims=True)
        return np.asarray(mixed, np.float32)

    @functools.cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points)


def load_mean_head(path: Path) -> MeanHead:
    """Read an NPZ with `vertices`, `faces`, `colour_points` [P, 3] mm and `colour` [P, 3] uint8 sRGB.

    Raises:
        UserError: no readable mesh there, or one without colours.
    """
    mesh = load_mesh(path)
    with np.load(path, allow_pickle=False) as arrays:
        if not {"colour_points", "colour", "landmarks"} <= set(arrays):
            raise UserError(
                f"Found a bare mesh in '{path}', expected 'colour_points', 'colour' and 'landmarks' too; "
                "reinstall the package or make the mean head again."
            )
        points, colour, landmarks = arrays["colour_points"], arrays["colour"], arrays["landmarks"]
    linear = srgb_to_linear(torch.from_numpy(colour.astype(np.float32) / 255)).numpy()
    return MeanHead(mesh, points.astype(np.float32), linear, landmarks.astype(np.float32))
