"""Which triangle each pixel sees: Embree's ray casting through Open3D's `RaycastingScene`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from idto3d.render.backend import Visibility
from idto3d.render.camera import Camera


@dataclass(frozen=True)
class Hits:
    """First hits of one image.

    triangle [H, W] int64, -1 where nothing is hit; barycentric [H, W, 3] float32, zero there;
    depth [H, W] float32 mm along the optical axis, inf there.
    """

    triangle: NDArray[np.int64]
    barycentric: NDArray[np.float32]
    depth: NDArray[np.float32]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """[H, W], true where a triangle is hit."""
        return self.triangle >= 0


class Scene:
    """A mesh inside Embree's tree; building costs about 12 ms for 40,000 triangles on one core."""

    def __init__(self, vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> None:
        """Args: vertices [V, 3] mm; faces [F, 3]."""
        import open3d as o3d

        self._core = o3d.core
        self._scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        self._scene.add_triangles(
            o3d.core.Tensor(np.ascontiguousarray(vertices, np.float32)),
            o3d.core.Tensor(np.ascontiguousarray(faces, np.uint32)),
        )

    def cast(self, camera: Camera) -> Hits:
        """First hit of every pixel of the camera."""
        answer = self._scene.cast_rays(self._core.Tensor(camera.rays()), nthreads=1)
        depth = answer["t_hit"].numpy()
        hit = np.isfinite(depth)
        triangle = np.where(hit, answer["primitive_ids"].numpy().astype(np.int64), -1)
        uv = answer["primitive_uvs"].numpy()
        barycentric = np.concatenate([1.0 - uv.sum(-1, keepdims=True), uv], -1) * hit[..., None]
        return Hits(triangle, barycentric.astype(np.float32), depth)

    def visibility(self, camera: Camera) -> Visibility:
        """`cast` as the contract of rasterisers has it."""
        hits = self.cast(camera)
        return Visibility(*map(torch.from_numpy, (hits.triangle, hits.barycentric, hits.depth)))


def cast(vertices: NDArray[np.floating], faces: NDArray[np.integer], camera: Camera) -> Hits:
    """First hits of a mesh seen by one camera; use `Scene` for several cameras of one mesh."""
    return Scene(vertices, faces).cast(camera)
