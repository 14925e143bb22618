"""Differentiable rasterisation: a backend says which triangle a pixel sees, torch says where on it.

Visibility has no gradient; barycentric coordinates, positions and depth are computed again in torch from the
triangle that was hit, so they carry one (as in deferred shading: Laine et al., "Modular Primitives for
High-Performance Differentiable Rendering", SIGGRAPH Asia 2020). Outlines get theirs in `antialias`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from idto3d.render.backend import Scene, scene_of

if TYPE_CHECKING:
    from idto3d.render.camera import Camera


@dataclass(frozen=True)
class Fragments:
    """What every pixel of one view sees of one mesh.

    Attributes:
        triangle: [H, W] int64 face index, -1 where nothing was hit.
        barycentric: [H, W, 3] weights of the face's corners, summing to 1 (0 where nothing was hit);
            differentiable with respect to the vertices.
        mask: [H, W] bool, True where a face was hit.
        depth: [H, W] mm, infinite where nothing was hit; differentiable.
    """

    triangle: Tensor
    barycentric: Tensor
    mask: Tensor
    depth: Tensor


def rasterise(vertices: Tensor, faces: Tensor, camera: Camera, scene: Scene | None = None) -> Fragments:
    """Find the nearest face at every pixel centre and the differentiable coordinates on it.

    Args:
        vertices: [V, 3] mm; differentiable.
        faces: [F, 3] int64.
        camera: which view, at which resolution.
        scene: this very mesh made ready, where the caller has several cameras; `scene_of` it if None.

    Returns:
        Fragments of the camera's resolution, with `vertices`' dtype.

    Raises:
        ValueError: if the shapes are not those of a triangle mesh.
    """
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(
            f"Found vertices {tuple(vertices.shape)} and faces {tuple(faces.shape)}, expected [V, 3] and "
            "[F, 3]; pass one triangle mesh."
        )
    scene = scene or scene_of(vertices, faces)
    triangle = scene.visibility(camera).triangle
    mask = triangle >= 0
    pixels = mask.reshape(-1).nonzero().squeeze(1)  # [N] pixels that hit something
    corners = _gather_corners(vertices, faces, triangle.reshape(-1).index_select(0, pixels))
    weights, depth = _intersect(corners, _directions(pixels, camera, vertices), camera)
    height, width = triangle.shape
    barycentric = vertices.new_zeros(height * width, 3).index_copy(0, pixels, weights)
    far = vertices.new_full((height * width,), float("inf")).index_copy(0, pixels, depth)
    return Fragments(
        triangle=triangle,
        barycentric=barycentric.reshape(height, width, 3),
        mask=mask,
        depth=far.reshape(height, width),
    )


def interpolate(fragments: Fragments, faces: Tensor, attributes: Tensor) -> Tensor:
    """Carry per-vertex values to the pixels.

    Args:
        fragments: what `rasterise` returned, [H, W].
        faces: [F, 3] int64, the rasterised mesh's or others of the same count (another indexing, as of UVs).
        attributes: [V, C] one row a vertex; differentiable.

    Returns:
        [H, W, C], zero where nothing was hit.
    """
    height, width = fragments.triangle.shape
    pixels = fragments.mask.reshape(-1).nonzero().squeeze(1)
    values = interpolate_hits(fragments, faces, attributes)
    image = attributes.new_zeros(height * width, attributes.shape[1]).index_copy(0, pixels, values)
    return image.reshape(height, width, attributes.shape[1])


def carried_views(vertices: Tensor, faces: Tensor, values: Tensor, cameras: Sequence[Camera]) -> Tensor:
    """What vertices carry, from several cameras of one resolution.

    Args:
        vertices: [V, 3] mm; differentiable.
        faces: [F, 3] int64.
        values: [V, C].
        cameras: B cameras.

    Returns:
        [B, C, H, W], zero where nothing was hit.
    """
    scene = scene_of(vertices, faces)
    views = [interpolate(rasterise(vertices, faces, camera, scene), faces, values) for camera in cameras]
    return torch.stack(views).permute(0, 3, 1, 2)


def interpolate_hits(fragments: Fragments, faces: Tensor, attributes: Tensor) -> Tensor:
    """`interpolate(...)[fragments.mask]`, without the empty pixels in between.

    Args:
        fragments: what `rasterise` returned, [H, W].
        faces: [F, 3] int64.
        attributes: [V, C]; differentiable.

    Returns:
        [N, C], one row for each pixel of the mask, row by row.
    """
    pixels = fragments.mask.reshape(-1).nonzero().squeeze(1)
    triangle = fragments.triangle.reshape(-1).index_select(0, pixels)
    weights = fragments.barycentric.reshape(-1, 3).index_select(0, pixels)
    return sum_corners(_gather_corners(attributes, faces, triangle), weights)


def sum_corners(corners: tuple[Tensor, Tensor, Tensor], weights: Tensor) -> Tensor:
    """Weighted sum over a face's corners: three [N, C] and weights [N, 3] to [N, C]."""
    a, b, c = corners
    return a * weights[:, 0:1] + b * weights[:, 1:2] + c * weights[:, 2:3]


def _gather_corners(attributes: Tensor, faces: Tensor, triangle: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    seen = faces.index_select(0, triangle)
    a, b, c = (attributes.index_select(0, seen[:, corner]) for corner in range(3))
    return a, b, c


def _directions(pixels: Tensor, camera: Camera, like: Tensor) -> Tensor:
    """Rays [N, 3] of unit depth through the centres of flat pixel indices, as `Camera.rays` has them."""
    size, focal, dtype = camera.resolution, camera.focal, like.dtype
    right, up, back = torch.as_tensor(camera.rotation(), dtype=dtype, device=like.device).unbind(0)
    x = ((pixels % size).to(dtype) + (0.5 - 0.5 * size)) / focal
    y = (torch.div(pixels, size, rounding_mode="floor").to(dtype) + (0.5 - 0.5 * size)) / focal
    return x[:, None] * right - y[:, None] * up - back


def _intersect(
    corners: tuple[Tensor, Tensor, Tensor], direction: Tensor, camera: Camera
) -> tuple[Tensor, Tensor]:
    """Barycentrics [N, 3] and depth [N] of rays on their triangles (Möller and Trumbore 1997)."""
    a, b, c = corners
    origin = torch.as_tensor(camera.position(), dtype=a.dtype, device=a.device)
    edge_b, edge_c, offset = b - a, c - a, origin - a
    normal = torch.linalg.cross(edge_b, edge_c)
    determinant = -(direction * normal).sum(-1)
    # A triangle seen exactly edge-on has no coordinates; it gets those of its first corner.
    usable = determinant.abs() > 1e-12
    inverse = torch.where(usable, 1.0, 0.0) / torch.where(usable, determinant, 1.0)
    moment = torch.linalg.cross(offset, direction)
    weight_b = (edge_c * moment).sum(-1) * inverse
    weight_c = -(edge_b * moment).sum(-1) * inverse
    weights = torch.stack([1.0 - weight_b - weight_c, weight_b, weight_c], dim=-1)
    position = sum_corners(corners, weights)
    return weights, camera.project_torch(position)[:, 2]
