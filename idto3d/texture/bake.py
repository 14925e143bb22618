"""Baking: the surface point under each texel, a function evaluated there, and colours bled over the seams."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import open3d as o3d
from numpy.typing import NDArray
from scipy import ndimage

from idto3d.texture.unwrap import Unwrapped

FloatMap = NDArray[np.float32]


@dataclass(frozen=True)
class TexelMap:
    """Surface under the texels of a square map, row 0 at v = 1.

    Args:
        mask: [T, T] bool, texels whose centre lies in a triangle.
        triangle: [N] int64, triangle of each masked texel, row by row.
        barycentric: [N, 3] float32, its weights of the triangle's corners.
    """

    mask: NDArray[np.bool_]
    triangle: NDArray[np.int64]
    barycentric: FloatMap

    def gather(self, faces: NDArray[np.int64], values: NDArray[np.floating]) -> FloatMap:
        """Interpolate per-vertex values [W, C] at the masked texels, [N, C]."""
        corners = values[faces[self.triangle]]  # [N, 3, C]
        return np.asarray(np.einsum("nk,nkc->nc", self.barycentric, corners), dtype=np.float32)


def rasterise_atlas(unwrapped: Unwrapped, size: int) -> TexelMap:
    """Find the triangle under the centre of every texel by casting rays at the flat UV layout.

    Args:
        unwrapped: charts that do not overlap.
        size: texels along a side.
    """
    scene = o3d.t.geometry.RaycastingScene()
    flat = np.concatenate([unwrapped.uvs, np.zeros((len(unwrapped.uvs), 1), dtype=np.float32)], axis=1)
    scene.add_triangles(o3d.core.Tensor(flat), o3d.core.Tensor(unwrapped.faces.astype(np.uint32)))
    centre = (np.arange(size, dtype=np.float32) + 0.5) / size
    rays = np.zeros((size, size, 6), dtype=np.float32)
    rays[..., 0] = centre[None, :]
    rays[..., 1] = 1.0 - centre[:, None]
    rays[..., 2], rays[..., 5] = 1.0, -1.0
    hits = scene.cast_rays(o3d.core.Tensor(rays))
    triangle = hits["primitive_ids"].numpy()
    mask = triangle != scene.INVALID_ID
    second_third = hits["primitive_uvs"].numpy()[mask]  # Embree: weights of the second and third corner
    barycentric = np.concatenate([1.0 - second_third.sum(axis=1, keepdims=True), second_third], axis=1)
    return TexelMap(mask, triangle[mask].astype(np.int64), barycentric.astype(np.float32))


def bake(
    texels: TexelMap,
    faces: NDArray[np.int64],
    positions: NDArray[np.floating],
    evaluate: Callable[[FloatMap], NDArray[np.floating]],
) -> FloatMap:
    """Evaluate a function of surface position under every texel.

    Args:
        texels: from `rasterise_atlas`.
        faces: [F, 3] split faces of the unwrapping.
        positions: [W, 3] canonical positions of the split vertices, mm.
        evaluate: [N, 3] mm -> [N, C].

    Returns:
        [T, T, C] float32; texels between the charts repeat the nearest covered one, so that filtering bleeds
        no background over a seam.
    """
    values = np.asarray(evaluate(texels.gather(faces, positions)), dtype=np.float32)
    result = np.zeros((*texels.mask.shape, values.shape[1]), dtype=np.float32)
    result[texels.mask] = values
    return dilate(result, texels.mask)


def dilate(image: FloatMap, mask: NDArray[np.bool_]) -> FloatMap:
    """Fill [T, T, C] outside `mask` [T, T] with the nearest value inside; unchanged under an empty mask."""
    if not mask.any():
        return image
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return np.asarray(image[tuple(nearest)])
