"""A tetrahedral grid in a narrow band around a start surface: cubic cells, six Kuhn tetrahedra each.

The Kuhn split (Kuhn 1960) cuts a cube along its main diagonal into the six monotone lattice paths from
corner 0 to corner 7; neighbouring cubes then agree on every face diagonal, so the grid is conforming. Every
edge runs from a lattice vertex in one of seven directions, which gives each edge a number without a search.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from idto3d.errors import UserError
from idto3d.geometry.sdf import SignedDistance

DIRECTIONS = 7  # an edge goes along a non-empty subset of the axes: bit mask 1 … 7, x = 1, y = 2, z = 4


@dataclass(frozen=True)
class TetGrid:
    """The band's lattice vertices and cells.

    Args:
        points: [V, 3] float32 mm.
        cells: [C, 8] int64, corner i at offset (i & 1, i >> 1 & 1, i >> 2 & 1).
        neighbours: [V, 7] int64, the vertex one step along direction mask d + 1, or -1 outside the band.
        start: [V] float32 mm, signed distance of the start surface.
        rim: [V] bool, vertices on the band's outside; they keep their start sign, so surfaces stay closed.
        lattice: [V] int64, flat index of each vertex in the dense lattice of `shape`.
        cell_lattice: [C] int64, flat index of each cell's corner 0 there.
        strides: flat steps along x, y, z.
        shape: dense lattice size (x, y, z), C order.
        cell: edge length of a cell in mm.
    """

    points: Tensor
    cells: Tensor
    neighbours: Tensor
    start: Tensor
    rim: Tensor
    lattice: Tensor
    cell_lattice: Tensor
    strides: tuple[int, int, int]
    shape: tuple[int, int, int]
    cell: float


def build_tet_grid(
    distance: SignedDistance,
    lower: tuple[float, float, float],
    upper: tuple[float, float, float],
    resolution: int,
    band: float = 25.0,
) -> TetGrid:
    """Lattice over a box, kept where a cell lies within `band` mm of the start surface.

    Args:
        distance: start surface as signed distance, mm, negative inside.
        lower, upper: the start surface's bounds in mm; the box adds the band on every side.
        resolution: cells along the longest side of the box.
        band: half-width in mm, at least two cells.

    Raises:
        UserError: the band is too narrow for the resolution, or no surface lies in the box.
    """
    low = np.asarray(lower, dtype=np.float64) - band
    high = np.asarray(upper, dtype=np.float64) + band
    cell = float((high - low).max() / resolution)
    if band < 2.0 * cell:
        raise UserError(
            f"Found a band of {band:g} mm over cells of {cell:.1f} mm, expected at least two cells; "
            "raise the resolution or the band."
        )
    shape = np.ceil((high - low) / cell).astype(np.int64) + 1
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)  # [X, Y, Z, 3]
    points = low + index * cell
    start = distance(points.reshape(-1, 3)).reshape(tuple(shape))

    # A cell belongs to the band when its eight corners do.
    near = np.abs(start) <= band
    cell_near = np.ones(tuple(shape - 1), dtype=bool)
    for corner in range(8):
        cell_near &= near[_corner_slice(corner)]
    if not cell_near.any() or not ((start < 0) & near).any():
        raise UserError(
            f"Found no start surface within {band:g} mm of the box, expected one inside; check the units."
        )

    # Vertices are those of the band's cells; a vertex with fewer than eight of them lies on the rim.
    uses = np.zeros(tuple(shape), dtype=np.int8)
    for corner in range(8):
        uses[_corner_slice(corner)] += cell_near
    used = uses > 0
    number = np.full(tuple(shape), -1, dtype=np.int64)
    number[used] = np.arange(int(used.sum()))
    cells = np.stack([number[_corner_slice(corner)][cell_near] for corner in range(8)], axis=-1)

    neighbours = np.full((*shape, DIRECTIONS), -1, dtype=np.int64)
    for mask in range(1, DIRECTIONS + 1):
        step = [mask >> axis & 1 for axis in range(3)]
        here = tuple(slice(0, n - s) for n, s in zip(shape, step, strict=True))
        there = tuple(slice(s, n) for n, s in zip(shape, step, strict=True))
        neighbours[here[0], here[1], here[2], mask - 1] = number[there]

    flat = np.arange(used.size, dtype=np.int64).reshape(tuple(shape))
    return TetGrid(
        points=torch.from_numpy(points[used].astype(np.float32)),
        cells=torch.from_numpy(cells),
        neighbours=torch.from_numpy(neighbours[used]),
        start=torch.from_numpy(start[used].astype(np.float32)),
        rim=torch.from_numpy(uses[used] < 8),
        lattice=torch.from_numpy(np.flatnonzero(used.reshape(-1))),
        cell_lattice=torch.from_numpy(flat[:-1, :-1, :-1][cell_near]),
        strides=(int(shape[1] * shape[2]), int(shape[2]), 1),
        shape=(int(shape[0]), int(shape[1]), int(shape[2])),
        cell=cell,
    )


def _corner_slice(corner: int) -> tuple[slice, ...]:
    """The part of the lattice that holds corner `corner` of every cell."""
    return tuple(slice(1, None) if corner >> axis & 1 else slice(0, -1) for axis in range(3))
