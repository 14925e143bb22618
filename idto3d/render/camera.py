"""A pinhole camera that orbits the head: where a view is taken from (axes in `idto3d.render`)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

# A point behind the face at nose height, so that a head is centred in its picture.  mm
HEAD_CENTRE = (0.0, -15.0, -60.0)


@dataclass(frozen=True)
class Camera:
    """A view of the head.

    yaw > 0 moves the camera toward +X, pitch > 0 above, roll turns the picture counter-clockwise; radians.
    `distance` is measured from `target`, both in mm; `fovy` is the full vertical angle in radians. Images are
    square with `resolution` pixels a side.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    distance: float = 1000.0
    fovy: float = 0.32
    target: tuple[float, float, float] = HEAD_CENTRE
    resolution: int = 128

    def rotation(self) -> NDArray[np.float64]:
        """World to camera; [3, 3], rows are the camera's right, up and backward axes."""
        return _rotation(self.yaw, self.pitch, self.roll).copy()

    def position(self) -> NDArray[np.float64]:
        """The optical centre in the head frame; [3] mm."""
        return np.asarray(self.target + self.distance * self.rotation()[2], np.float64)

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return 0.5 * self.resolution / float(np.tan(0.5 * self.fovy))

    def rays(self) -> NDArray[np.float32]:
        """One ray through each pixel centre; [H, W, 6] float32, origin (mm) and unnormalised direction.

        Directions have unit depth, so that a hit distance is the depth along the optical axis.
        """
        centre = np.arange(self.resolution) + 0.5 - 0.5 * self.resolution
        x, y = np.meshgrid(centre / self.focal, -centre / self.focal)
        directions = np.stack([x, y, -np.ones_like(x)], -1) @ self.rotation()
        origins = np.broadcast_to(self.position(), directions.shape)
        return np.concatenate([origins, directions], -1).astype(np.float32)

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Pixels [..., 2] (x right, y down, first pixel's centre at 0.5) of points [..., 3] in mm."""
        local = (points - self.position()) @ self.rotation().T
        scale = self.focal / -local[..., 2:]
        pixels = 0.5 * self.resolution + local[..., :2] * np.array([1.0, -1.0]) * scale
        return np.asarray(pixels, np.float64)

    def project_torch(self, points: torch.Tensor) -> torch.Tensor:
        """Pixels and depth [..., 3] of points [..., 3] in mm; differentiable."""
        rotation = torch.as_tensor(self.rotation(), dtype=points.dtype, device=points.device)
        position = torch.as_tensor(self.position(), dtype=points.dtype, device=points.device)
        local = (points - position) @ rotation.T
        depth = -local[..., 2]
        x = 0.5 * self.resolution + self.focal * local[..., 0] / depth
        y = 0.5 * self.resolution - self.focal * local[..., 1] / depth
        return torch.stack([x, y, depth], -1)


@functools.lru_cache(4096)  # asked for a dozen times a view
def _rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    back = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    right = np.cross([0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * up, -s * right + c * up, back])
