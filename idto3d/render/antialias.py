"""Analytic antialiasing: outlines blend neighbouring pixels by where they cross, which gives them a gradient.

The method of Laine et al., "Modular Primitives for High-Performance Differentiable Rendering", SIGGRAPH Asia
2020 (their antialiasing operation): between two neighbouring pixel centres of which the nearer surface ends,
the outline crosses at a fraction d; the pixel on the wrong side of the midpoint takes |d - 1/2| of the other's
colour. Coverage is exact for a straight outline, and d moves with the projected end points of the edge.

One difference: they look for the edge among those of the nearer pixel's own triangle. Heads at 64² have many
triangles a pixel, and the outline mostly belongs to one that no pixel centre hit. Here every outline edge of
the mesh is projected, and walks over the pixel rows and columns that it crosses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
    height, width = fragments.triangle.shape
    crossings = _find_crossings(fragments, vertices, faces, camera)
    if len(crossings.near) == 0:
        return image
    # The crossing again, now in torch: the fraction carries the gradient to the edge's two end points.
    ends = torch.from_numpy(crossings.edge)
    pixels = camera.project_torch(vertices.index_select(0, ends.reshape(-1)))
    pixels = pixels[:, :2].reshape(-1, 2, 2)  # [N, end, xy]
    along = torch.from_numpy(crossings.axis)[:, None, None].expand(-1, 2, 1)
    moving = pixels.gather(2, along).squeeze(2)  # [N, end] coordinate in which the pair's pixels differ
    fixed = pixels.gather(2, 1 - along).squeeze(2)  # [N, end] coordinate that the pair shares
    line = torch.from_numpy(crossings.line).to(vertices.dtype)
    slope = (moving[:, 1] - moving[:, 0]) / (fixed[:, 1] - fixed[:, 0])
    position = moving[:, 0] + (line - fixed[:, 0]) * slope
    start = torch.from_numpy(crossings.start).to(vertices.dtype)
    sign = torch.from_numpy(crossings.sign).to(vertices.dtype)
    fraction = ((position - start) * sign).clamp(0.0, 1.0)  # 0 at the near pixel's centre, 1 at the far one's
    near, far = torch.from_numpy(crossings.near), torch.from_numpy(crossings.far)
    spill = fraction >= 0.5  # the near surface reaches into the far pixel
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
    axis: Ints  # 0 where the pair lies side by side, 1 where it lies one above the other
    line: Floats  # y (or x) of the line through both centres
    start: Floats  # x (or y) of the near pixel's centre
    sign: Floats  # +1 where the far pixel has the larger coordinate, else -1


def _find_crossings(fragments: Fragments, vertices: Tensor, faces: Tensor, camera: Camera) -> _Crossings:
    depth = fragments.depth.detach().numpy().astype(np.float64)
    pixels, distance = _project(vertices, camera)
    footprint = 2.0 * np.tan(camera.fovy / 2.0) / camera.resolution  # a pixel's width at depth 1
    jump_x, jump_y = _jumps(depth, footprint)
    if not (jump_x.any() or jump_y.any()):
        return _merge([])
    active = _active_faces(faces.numpy(), pixels, distance, _around(jump_x, jump_y))
    edges, inside = _outline_edges(active, pixels)
    found = [
        _walk(edges, inside, pixels, distance, depth, jump, axis) for axis, jump in ((0, jump_x), (1, jump_y))
    ]
    return _merge(found)


def _project(vertices: Tensor, camera: Camera) -> tuple[Floats, Floats]:
    with torch.no_grad():
        projected = camera.project_torch(vertices.detach()).numpy().astype(np.float64)
    return projected[:, :2], projected[:, 2]


def _jumps(depth: Floats, footprint: float) -> tuple[Bools, Bools]:
    """Neighbours with more than a pixel's width between their depths: [H, W-1] sideways, [H-1, W] downward."""
    known = np.where(np.isfinite(depth), depth, 1e12)

    def differ(first: Floats, second: Floats) -> Bools:
        return np.asarray(np.abs(first - second) > footprint * np.minimum(first, second))

    # Two background pixels have the same stand-in depth and never differ.
    return differ(known[:, 1:], known[:, :-1]), differ(known[1:], known[:-1])


def _around(jump_x: Bools, jump_y: Bools) -> Bools:
    """Pixels within two of a jump [H, W]: an edge up to a pixel long that crosses it ends there."""
    height, width = jump_x.shape[0], jump_y.shape[1]
    padded = np.zeros((height + 4, width + 4), dtype=bool)
    inner = np.zeros((height, width), dtype=bool)
    inner[:, 1:] |= jump_x
    inner[:, :-1] |= jump_x
    inner[1:] |= jump_y
    inner[:-1] |= jump_y
    for row in range(5):
        padded[row : row + height, 2 : 2 + width] |= inner
    spread = padded.copy()
    for shift in (-2, -1, 1, 2):
        spread |= np.roll(padded, shift, axis=1)
    return spread[2:-2, 2:-2]


def _active_faces(faces: Ints, pixels: Floats, distance: Floats, around: Bools) -> Ints:
    """Faces that can own or share an outline edge at a jump: near one, or longer than a pixel."""
    height, width = around.shape
    column = np.clip(pixels[:, 0], 0, width - 1).astype(np.int64)
    row = np.clip(pixels[:, 1], 0, height - 1).astype(np.int64)
    close = around.reshape(-1)[row * width + column]
    ahead = distance > 0.0
    a, b, c = (np.ascontiguousarray(faces[:, corner]) for corner in range(3))
    keep = close[a] | close[b] | close[c]
    for first, second in ((a, b), (b, c), (c, a)):
        step = pixels[first] - pixels[second]
        keep |= step[:, 0] ** 2 + step[:, 1] ** 2 > 1.0
    keep &= ahead[a] & ahead[b] & ahead[c]
    return faces[keep]


def _outline_edges(faces: Ints, pixels: Floats) -> tuple[Ints, Floats]:
    """Edges [E, 2] whose faces do not lie on both sides of them in the image, and the side they lie on [E].

    The side is the sign of the cross product, in pixel coordinates, of the edge's direction and the way to the
    face's third vertex.
    """
    a, b, c = pixels[faces[:, 0]], pixels[faces[:, 1]], pixels[faces[:, 2]]
    side = np.sign((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))
    starts = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]])
    ends = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]])
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    sides = np.tile(side, 3) * np.where(starts < ends, 1.0, -1.0)
    key = low * np.int64(len(pixels)) + high
    order = np.argsort(key, kind="stable")
    in_order = key[order]
    first = np.flatnonzero(np.concatenate([[True], in_order[1:] != in_order[:-1]])[: len(order)])
    if len(first) == 0:
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0)
    total = np.add.reduceat(sides[order], first)
    outline = total != 0.0
    chosen = order[first[outline]]
    return np.stack([low[chosen], high[chosen]], axis=1), np.sign(total[outline])


def _walk(
    edges: Ints, inside: Floats, pixels: Floats, distance: Floats, depth: Floats, jump: Bools, axis: int
) -> _Crossings:
    """Where outline edges cross the lines through pixel centres: rows for axis 0, columns for axis 1."""
    moving, fixed = pixels[edges, axis], pixels[edges, 1 - axis]  # [E, 2]
    run, rise = moving[:, 1] - moving[:, 0], fixed[:, 1] - fixed[:, 0]
    # Each edge blends only the pairs that it separates rather than follows; on the diagonal, the rows'.
    steep = np.abs(rise) >= np.abs(run) if axis == 0 else np.abs(rise) > np.abs(run)
    lines = depth.shape[axis]
    first = np.clip(np.ceil(fixed.min(axis=1) - 0.5), 0, lines).astype(np.int64)
    # Half-open, so that two edges that meet on a line cross it once.
    last = np.clip(np.ceil(fixed.max(axis=1) - 0.5), 0, lines).astype(np.int64)
    count = np.where(steep, np.maximum(last - first, 0), 0)
    which = np.repeat(np.arange(len(edges)), count)
    line = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + first[which]
    share = (line + 0.5 - fixed[which, 0]) / rise[which]
    position = moving[which, 0] + share * run[which]
    # Depth along a projected edge is linear in its reciprocal.
    inverse = 1.0 / distance[edges]
    edge_depth = 1.0 / (inverse[which, 0] + share * (inverse[which, 1] - inverse[which, 0]))
    before = np.floor(position - 0.5).astype(np.int64)
    fits = (before >= 0) & (before < depth.shape[1 - axis] - 1)
    which, line, position, edge_depth, before = (x[fits] for x in (which, line, position, edge_depth, before))
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
    ranked = valid[np.lexsort((fraction[valid], near[valid] * np.int64(depth.size) + far[valid]))]
    pair = near[ranked] * np.int64(depth.size) + far[ranked]
    outermost = ranked[np.concatenate([pair[1:] != pair[:-1], [True]])[: len(ranked)]]
    return _Crossings(
        near=near[outermost],
        far=far[outermost],
        edge=edges[which[outermost]],
        axis=np.full(len(outermost), axis, dtype=np.int64),
        line=line[outermost] + 0.5,
        start=near_at[outermost] + 0.5,
        sign=np.where(growing[outermost], -1.0, 1.0),
    )


def _merge(found: list[_Crossings]) -> _Crossings:
    whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
    found = [*found, _Crossings(whole, whole, whole.reshape(0, 2), whole, real, real, real)]
    return _Crossings(
        near=np.concatenate([x.near for x in found]),
        far=np.concatenate([x.far for x in found]),
        edge=np.concatenate([x.edge for x in found]),
        axis=np.concatenate([x.axis for x in found]),
        line=np.concatenate([x.line for x in found]),
        start=np.concatenate([x.start for x in found]),
        sign=np.concatenate([x.sign for x in found]),
    )
