"""Analytic antialiasing: outlines blend neighbouring pixels by where they cross, which gives them a gradient.

The method of Laine et al., "Modular Primitives for High-Performance Differentiable Rendering", SIGGRAPH Asia
2020 (their antialiasing operation): between two neighbouring pixel centres, where the nearer surface ends,
the outline crosses at a fraction d; the pixel on the wrong side of the middle takes |d - 1/2| of the other's
colour. Coverage is exact for a straight outline, and d moves with the projected end points of the edge.

One difference: they look for the edge among those of the nearer pixel's own triangle. Heads at 64² have many
triangles a pixel, and the outline mostly belongs to one that no pixel centre hit. Here every outline edge of
the mesh is projected, and walks over the pixel rows and columns that it crosses.

On CUDA their own operation serves, which stays on the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.render.backend import backend_of

if TYPE_CHECKING:
    from idto3d.render.camera import Camera
    from idto3d.render.rasterise import Fragments

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def antialias(image: Tensor, fragments: Fragments, vertices: Tensor, faces: Tensor, camera: Camera) -> Tensor:
    """Blend pixels across the visible outlines of a mesh.

    An outline counts as visible where the depth of two neighbouring pixels differs by more than one pixel's
    width and an edge of the mesh whose faces all lie on one side of it passes between them.

    Args:
        image: [H, W, C] one sample a pixel, as `interpolate` or shading made it; differentiable.
        fragments: what `rasterise` returned for this mesh and camera.
        vertices: [V, 3] mm; differentiable: the gradient at outlines goes here.
        faces: [F, 3] int64; vertices that a texture seam splits should be welded (`normals.weld`).
        camera: the camera of `fragments`.

    Returns:
        [H, W, C]: `image` with its outline pixels blended.
    """
    return backend_of(image.device).antialias(image, fragments, vertices, faces, camera)


def blend_outlines(
    image: Tensor, fragments: Fragments, vertices: Tensor, faces: Tensor, camera: Camera
) -> Tensor:
    """`antialias` on the CPU."""
    height, width = fragments.triangle.shape
    crossings = _find_crossings(fragments, vertices, faces, camera)
    if len(crossings.near) == 0:
        return image
    # The crossing again, now in torch: the fraction carries the gradient to the edge's two end points.
    ends = torch.from_numpy(crossings.edge).reshape(-1)
    pixels = camera.project_torch(vertices.index_select(0, ends))[:, :2].reshape(-1, 2, 2)  # [N, end, xy]
    weights, lean = torch.from_numpy(crossings.weights), torch.from_numpy(crossings.lean)
    offset = pixels - torch.from_numpy(crossings.start)[:, None]
    fraction = ((offset * lean[:, None]).sum(-1) * weights).sum(-1).clamp(0.0, 1.0)
    near, far = torch.from_numpy(crossings.near), torch.from_numpy(crossings.far)
    # 0 is the near pixel's centre, 1 the far one's; past 0.5 the near surface reaches into the far pixel.
    spill = fraction >= 0.5
    target, source = torch.where(spill, far, near), torch.where(spill, near, far)
    weight = (fraction - 0.5).abs()[:, None].to(image.dtype)
    flat = image.reshape(height * width, -1)
    change = (flat.index_select(0, source) - flat.index_select(0, target)) * weight
    return flat.index_add(0, target, change).reshape(image.shape)


@dataclass(frozen=True)
class _Crossings:
    """Places where an outline passes between two neighbouring pixels; all arrays [N]."""

    near: Ints  # flat index of the pixel on the nearer surface, which ends at the crossing
    far: Ints  # flat index of the pixel beyond
    edge: Ints  # [N, 2] the edge's vertices
    start: Floats  # [N, 2] the near pixel's centre, x and y
    # The fraction is sum_k weights_k lean · (end_k - start): its value and its first derivatives are those of
    # the quotient that intersects edge and line, without a division that a tiny edge could break.
    weights: Floats  # [N, 2] where on the edge the crossing lies, as shares of its two ends
    lean: Floats  # [N, 2] how the fraction grows as the edge moves along x and y


_NONE = _Crossings(
    near=np.zeros(0, dtype=np.int64),
    far=np.zeros(0, dtype=np.int64),
    edge=np.zeros((0, 2), dtype=np.int64),
    start=np.zeros((0, 2)),
    weights=np.zeros((0, 2)),
    lean=np.zeros((0, 2)),
)


def _find_crossings(fragments: Fragments, vertices: Tensor, faces: Tensor, camera: Camera) -> _Crossings:
    depth = fragments.depth.detach().numpy().astype(np.float64)
    pixels, distance = _project(vertices, camera)
    footprint = 2.0 * np.tan(camera.fovy / 2.0) / camera.resolution  # a pixel's width at depth 1
    jump_x, jump_y = _jumps(depth, footprint)
    if not (jump_x.any() or jump_y.any()):
        return _NONE
    edges, inside = _outline_edges(faces.numpy(), pixels, distance)
    found = [
        _walk(edges, inside, pixels, distance, depth, jump, axis) for axis, jump in ((0, jump_x), (1, jump_y))
    ]
    return _merge(found)


def _project(vertices: Tensor, camera: Camera) -> tuple[Floats, Floats]:
    with torch.no_grad():
        projected = camera.project_torch(vertices.detach()).numpy().astype(np.float64)
    return projected[:, :2], projected[:, 2]


def _jumps(depth: Floats, footprint: float) -> tuple[Bools, Bools]:
    """Neighbours whose depths differ by more than a pixel's width: [H, W-1] sideways, [H-1, W] downward."""
    known = np.where(np.isfinite(depth), depth, 1e12)

    def differ(first: Floats, second: Floats) -> Bools:
        return np.asarray(np.abs(first - second) > footprint * np.minimum(first, second))

    # Two background pixels have the same stand-in depth and never differ.
    return differ(known[:, 1:], known[:, :-1]), differ(known[1:], known[:-1])


def _outline_edges(faces: Ints, pixels: Floats, distance: Floats) -> tuple[Ints, Floats]:
    """Edges [E, 2] whose faces do not lie on both sides of them in the image, and the side they lie on [E].

    The side is the sign of the cross product, in pixel coordinates, of the edge's direction and the way to
    the face's third vertex.
    """
    if distance.min() <= 0.0:
        # What reaches behind the camera has no outline that pixels could place.
        faces = faces[(distance[faces] > 0.0).all(axis=1)]
    count = len(pixels)
    x, y = pixels[:, 0].copy(), pixels[:, 1].copy()
    a, b, c = (np.ascontiguousarray(faces[:, corner]) for corner in range(3))
    xa, ya = x.take(a), y.take(a)
    side = np.sign((x.take(b) - xa) * (y.take(c) - ya) - (y.take(b) - ya) * (x.take(c) - xa)).astype(np.int64)
    edges, sides = _unbalanced(((a, b), (b, c), (c, a)), side, count)
    if len(edges) == 0:
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0)
    order = np.argsort(edges, kind="stable")
    edges, sides = edges[order], sides[order]
    first = np.flatnonzero(np.concatenate([[True], edges[1:] != edges[:-1]]))
    total = np.add.reduceat(sides, first)
    edges = edges[first[total != 0]]
    return np.stack([edges // count, edges % count], axis=1), np.sign(total[total != 0]).astype(np.float64)


def _unbalanced(borders: tuple[tuple[Ints, Ints], ...], side: Ints, count: int) -> tuple[Ints, Ints]:
    """Edges of faces, as low * count + high, and their sides, without most of those whose sides cancel.

    Nearly all do, and only the rest is worth sorting. Edges share buckets (Fibonacci hashing, Knuth, The Art
    of Computer Programming 3, section 6.4), in which each side counts with a weight of its edge's own: a
    bucket of balanced edges sums to exactly 0, and two outlines that meet in one cancel with a chance of
    about 1e-6. Arrays are kept short and buckets few, so that all of it lies in a core's own cache.
    """
    bits = len(side).bit_length() // 2 + 7
    balance = np.zeros(1 << bits)
    edges, sides, buckets = [], [], []
    for starts, ends in borders:
        edge = np.minimum(starts, ends) * count + np.maximum(starts, ends)
        turned = np.where(starts < ends, side, -side)
        mixed = edge.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bucket = (mixed >> np.uint64(64 - bits)).view(np.int64)
        weight = (mixed >> np.uint64(20) & np.uint64(0xFFFFF)).view(np.int64) + 1
        balance += np.bincount(bucket, weights=turned * weight, minlength=1 << bits)
        edges.append(edge)
        sides.append(turned)
        buckets.append(bucket)
    kept = [np.flatnonzero(balance.take(bucket)) for bucket in buckets]
    return (
        np.concatenate([edge[chosen] for edge, chosen in zip(edges, kept, strict=True)]),
        np.concatenate([turned[chosen] for turned, chosen in zip(sides, kept, strict=True)]),
    )


def _walk(
    edges: Ints, inside: Floats, pixels: Floats, distance: Floats, depth: Floats, jump: Bools, axis: int
) -> _Crossings:
    """Where outline edges cross the lines through pixel centres: rows for axis 0, columns for axis 1."""
    moving, fixed = pixels[edges, axis], pixels[edges, 1 - axis]  # [E, 2]
    run, rise = moving[:, 1] - moving[:, 0], fixed[:, 1] - fixed[:, 0]
    # Each edge blends only the pairs that it separates rather than follows; on the diagonal, the rows'.
    steep = np.abs(rise) >= np.abs(run) if axis == 0 else np.abs(rise) > np.abs(run)
    lines = depth.shape[axis]
    top = np.clip(np.ceil(fixed.min(axis=1) - 0.5), 0, lines).astype(np.int64)
    # Half-open, so that two edges that meet on a line cross it once.
    bottom = np.clip(np.ceil(fixed.max(axis=1) - 0.5), 0, lines).astype(np.int64)
    count = np.where(steep, np.maximum(bottom - top, 0), 0)
    which = np.repeat(np.arange(len(edges)), count)
    line = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + top[which]
    share = (line + 0.5 - fixed[which, 0]) / rise[which]
    position = moving[which, 0] + share * run[which]
    # Depth along a projected edge is linear in its reciprocal.
    inverse = 1.0 / distance[edges]
    edge_depth = 1.0 / (inverse[which, 0] + share * (inverse[which, 1] - inverse[which, 0]))
    before = np.floor(position - 0.5).astype(np.int64)
    fits = (before >= 0) & (before < depth.shape[1 - axis] - 1)
    which, line, before = which[fits], line[fits], before[fits]
    position, share, edge_depth = position[fits], share[fits], edge_depth[fits]
    # The faces lie on the side of growing coordinate where this is positive.
    growing = inside[which] * np.where(axis == 0, -1.0, 1.0) * np.sign(rise[which]) > 0
    near_at, far_at = np.where(growing, before + 1, before), np.where(growing, before, before + 1)
    stride, step = (depth.shape[1], 1) if axis == 0 else (1, depth.shape[1])
    near, far = line * stride + near_at * step, line * stride + far_at * step
    flat = depth.reshape(-1)
    jumps = jump[line, before] if axis == 0 else jump[before, line]
    valid = jumps & (flat[near] < flat[far]) & (edge_depth < flat[far])
    fraction = np.abs(position - (near_at + 0.5))
    valid = np.flatnonzero(valid)
    # Of several edges between one pair of pixels the outermost is what the eye sees.
    pair = near * np.int64(depth.size) + far
    ranked = valid[np.lexsort((fraction[valid], pair[valid]))]
    last = pair[ranked][1:] != pair[ranked][:-1]
    chosen = ranked[np.concatenate([last, [True]])[: len(ranked)]]
    sign = np.where(growing[chosen], -1.0, 1.0)
    slope = run[which[chosen]] / rise[which[chosen]]
    centre, lean = np.stack([near_at + 0.5, line + 0.5], -1)[chosen], np.stack([sign, -sign * slope], -1)
    if axis == 1:
        centre, lean = centre[:, ::-1], lean[:, ::-1]
    weights = np.stack([1.0 - share[chosen], share[chosen]], -1)
    return _Crossings(near[chosen], far[chosen], edges[which[chosen]], centre.copy(), weights, lean.copy())


def _merge(found: list[_Crossings]) -> _Crossings:
    return _Crossings(
        near=np.concatenate([x.near for x in found]),
        far=np.concatenate([x.far for x in found]),
        edge=np.concatenate([x.edge for x in found]),
        start=np.concatenate([x.start for x in found]),
        weights=np.concatenate([x.weights for x in found]),
        lean=np.concatenate([x.lean for x in found]),
    )
