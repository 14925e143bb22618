"""Surface normals: per vertex, area-weighted, and as the camera-space image that the geometry prior knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.render.antialias import antialias
from idto3d.render.backend import scene_of
from idto3d.render.rasterise import interpolate, rasterise

if TYPE_CHECKING:
    from idto3d.render.camera import Camera


def face_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Cross products of two edges: outward for outward winding, as long as twice the face's area.

    Args:
        vertices: [V, 3] mm.
        faces: [F, 3] int64.

    Returns:
        [F, 3] mm², not normalised.
    """
    a, b, c = (vertices.index_select(0, faces[:, corner]) for corner in range(3))
    normals: Tensor = torch.linalg.cross(b - a, c - a)
    return normals


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit vertex normals: the mean of the surrounding faces' normals, weighted by area (Gouraud 1971).

    Args:
        vertices: [V, 3] mm; differentiable.
        faces: [F, 3] int64, wound outward.

    Returns:
        [V, 3] unit vectors in the frame of `vertices`; zero at a vertex that no face uses.
    """
    normals = face_normals(vertices, faces)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(0, faces[:, corner], normals)
    return torch.nn.functional.normalize(total, dim=-1, eps=1e-12)


def weld(
    vertices: NDArray[np.floating], faces: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Faces as if vertices at one position were one, so that normals and outlines ignore texture seams.

    Args:
        vertices: [V, 3]; only equal bits weld.
        faces: [F, 3].

    Returns:
        The welded faces [F, 3] and, for every vertex [V], the first vertex at its position.
    """
    order = np.lexsort((np.arange(len(vertices)), *vertices.T))
    in_order = vertices[order]
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    representative = np.empty(len(order), dtype=np.int64)
    representative[order] = order[np.flatnonzero(starts)[np.cumsum(starts) - 1]]
    return representative[faces], representative


def render_normals(vertices: Tensor, faces: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """The normal map of a mesh, antialiased, with gradients inside and at the outline.

    Args:
        vertices: [V, 3] mm; differentiable.
        faces: [F, 3] int64, wound outward.
        camera: which view, at which resolution.

    Returns:
        Normals [H, W, 3], camera space, in [-1, 1], background 0; and coverage [H, W] in [0, 1].
    """
    views = render_normal_views(vertices, faces, [camera])
    return views.normals[0], views.coverage[0]


class NormalViews(NamedTuple):
    """Normals [B, H, W, 3], camera space, in [-1, 1], background 0; coverage [B, H, W] in [0, 1]; and what
    the vertices carried, [B, H, W, C], 0 beside the mesh and not antialiased (C = 0 where nothing was)."""

    normals: Tensor
    coverage: Tensor
    carried: Tensor


def render_normal_views(
    vertices: Tensor, faces: Tensor, cameras: Sequence[Camera], carried: Tensor | None = None
) -> NormalViews:
    """The normal maps of one mesh from several cameras of one resolution; tree and normals are made once.

    Args:
        vertices: [V, 3] mm; differentiable.
        faces: [F, 3] int64, wound outward.
        cameras: B cameras.
        carried: [V, C], values to be seen besides.
    """
    scene = scene_of(vertices, faces)
    smooth = vertex_normals(vertices, faces)
    attributes = smooth if carried is None else torch.cat([smooth, carried], 1)
    views, beside = [], []
    for camera in cameras:
        fragments = rasterise(vertices, faces, camera, scene)
        seen = interpolate(fragments, faces, attributes)
        beside.append(seen[..., 3:])
        world = torch.nn.functional.normalize(seen[..., :3], dim=-1, eps=1e-12)
        local = world @ torch.as_tensor(camera.rotation(), dtype=vertices.dtype, device=vertices.device).T
        layers = torch.cat([local, fragments.mask[..., None].to(vertices.dtype)], dim=-1)
        views.append(antialias(layers, fragments, vertices, faces, camera))
    images = torch.stack(views)
    return NormalViews(images[..., :3], images[..., 3], torch.stack(beside))
