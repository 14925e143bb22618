"""Differentiable marching tetrahedra on a `TetGrid` (DMTet, Shen et al. 2021, section 3.1.2 and equation 3).

Which edges cross the surface, and which triangles join the crossings, depends on signs alone and carries no
gradient: `march`. Where each crossing lies is linear in the end points and carries it: `crossings`. All six
tetrahedra of a cell are looked up at once, from a table over the 256 sign patterns of its corners.
"""

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from idto3d.geometry.tet_grid import DIRECTIONS, TetGrid

MAX_TRIANGLES = 12  # six tetrahedra of at most two triangles


@dataclass(frozen=True)
class Surface:
    """Connectivity of the zero level set.

    Args:
        edges: [N, 2] int64, the two grid vertices between which mesh vertex n lies.
        faces: [F, 3] int64, mesh vertices, counter-clockwise seen from outside (positive side).
        cells: [A] int64, grid cells that the surface passes through.
    """

    edges: Tensor
    faces: Tensor
    cells: Tensor


def march(grid: TetGrid, inside: Tensor) -> Surface:
    """Connect the surface between the grid vertices that are inside and those that are not.

    Args:
        grid: the band.
        inside: [V] bool.
    """
    device = inside.device
    triangle_table = _triangle_table().to(device)
    # The sign pattern of every cell, from flat shifts of the dense lattice.
    lattice_size = grid.shape[0] * grid.shape[1] * grid.shape[2]
    bits = torch.zeros(lattice_size + sum(grid.strides), dtype=torch.uint8, device=device)
    bits[grid.lattice] = inside.to(torch.uint8)
    dense = torch.zeros(lattice_size, dtype=torch.uint8, device=device)
    for corner in range(8):
        shift = sum(stride for axis, stride in enumerate(grid.strides) if corner >> axis & 1)
        dense |= bits[shift : shift + lattice_size] << corner
    pattern = dense[grid.cell_lattice]  # [C]
    active = torch.nonzero((pattern != 0) & (pattern != 255)).squeeze(1)  # [A]

    # Each triangle corner is an edge, numbered 7 · base vertex + direction over the whole grid.
    local = triangle_table[pattern[active].long()].flatten(0, 1)  # [A · 12, 3], -1 = no triangle
    slot = torch.nonzero(local[:, 0] >= 0).squeeze(1)
    edge = local[slot].long()  # [F, 3] base corner · 8 + direction
    cell = active[torch.div(slot, MAX_TRIANGLES, rounding_mode="floor")].unsqueeze(1)
    base = torch.take(grid.cells, (cell << 3) + (edge >> 3))
    number = base * DIRECTIONS + (edge & 7)

    # Compact the numbers to mesh vertices without sorting.
    used = torch.zeros(len(grid.points) * DIRECTIONS, dtype=torch.bool, device=device)
    used[number.reshape(-1)] = True
    crossing = torch.nonzero(used).squeeze(1)  # [N]
    rank = torch.cumsum(used, dim=0) - 1
    first, direction = torch.div(crossing, DIRECTIONS, rounding_mode="floor"), crossing % DIRECTIONS
    edges = torch.stack([first, grid.neighbours[first, direction]], dim=1)
    return Surface(edges=edges, faces=rank[number], cells=active)


def crossings(surface: Surface, points: Tensor, sdf: Tensor) -> Tensor:
    """Mesh vertices where the signed distance, linear along each edge, is zero (DMTet equation 3).

    Args:
        surface: from `march` of the signs of `sdf`.
        points: [V, 3] mm, deformed grid vertices.
        sdf: [V] mm.

    Returns:
        [N, 3] mm, differentiable in `points` and `sdf`.
    """
    first, second = surface.edges[:, 0], surface.edges[:, 1]
    distance_a, distance_b = sdf.index_select(0, first), sdf.index_select(0, second)
    weight = (distance_a / (distance_a - distance_b)).unsqueeze(1)  # signs differ: never a division by zero
    start, end = points.index_select(0, first), points.index_select(0, second)
    return start + weight * (end - start)


@cache
def _triangle_table() -> Tensor:
    """[256, 12, 3] int8: edges of each sign pattern's triangles, base corner · 8 + direction; -1 = none."""
    place = np.array([[corner >> axis & 1 for axis in range(3)] for corner in range(8)], dtype=np.float64)
    tetrahedra = [
        (0, 1 << p, 1 << p | 1 << q, 7) for p, q, _ in itertools.permutations(range(3))
    ]  # Kuhn: one per order of the axes
    table = np.full((256, MAX_TRIANGLES, 3), -1, dtype=np.int8)
    for pattern in range(256):
        triangles = [t for corners in tetrahedra for t in _triangles(corners, pattern, place)]
        for slot, triangle in enumerate(triangles):
            table[pattern, slot] = [min(a, b) * 8 + (a ^ b) - 1 for a, b in triangle]
    return torch.from_numpy(table)


def _triangles(
    tetrahedron: tuple[int, ...], pattern: int, place: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> list[list[tuple[int, int]]]:
    """Triangles of one tetrahedron as triples of crossed edges, wound outward."""
    inner = [c for c in tetrahedron if pattern >> c & 1]
    outer = [c for c in tetrahedron if not pattern >> c & 1]
    if not inner or not outer:
        return []
    if len(inner) == 2:
        (a, b), (c, d) = inner, outer
        triangles = [[(a, c), (b, c), (b, d)], [(a, c), (b, d), (a, d)]]
    else:
        triangles = [[(a, b) for a in inner for b in outer]]
    outward = place[outer].mean(axis=0) - place[inner].mean(axis=0)
    wound = []
    for triangle in triangles:
        p, q, r = (0.5 * (place[a] + place[b]) for a, b in triangle)
        wound.append(triangle if np.dot(np.cross(q - p, r - p), outward) > 0 else triangle[::-1])
    return wound
