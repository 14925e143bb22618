"""Smooth displacements of a surface: quadratic B-splines on lattices of several cell sizes.

A coarse lattice carries a jaw, a fine one a lid. Each control point is a parameter with a step size of its
own (Adam), which would crumple a surface if it were a vertex; a sum of splines stays smooth (C1), as
multi-level B-splines for scattered data do (Lee, Wolberg & Shin 1997). Only control points whose splines
reach the surface exist.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

TAPS = tuple(itertools.product(range(3), repeat=3))


class SplineLattice:
    """Control points of one cell size near a surface.

    Args:
        samples: [S, 3] mm, dense on the surface, in the coordinates that `basis` will be asked in.
        cell: mm between control points.
        reach: mm that the surface may move before points are outside; they then feel nothing.
    """

    def __init__(self, samples: NDArray[np.floating], cell: float, reach: float) -> None:
        self.cell = cell
        self._lower = samples.min(0) - reach - 2.0 * cell
        self._shape = np.ceil((samples.max(0) + reach - self._lower) / cell).astype(np.int64) + 3
        near = np.zeros(tuple(self._shape), bool)
        margin = int(np.ceil(reach / cell))
        base = np.unique(self._base(samples)[0], axis=0)
        for offset in itertools.product(range(-margin, 3 + margin), repeat=3):
            x, y, z = (base + np.array(offset)).T
            near[x, y, z] = True
        self._rows = np.full(near.size, -1, np.int32)
        self._rows[near.ravel()] = np.arange(int(near.sum()), dtype=np.int32)
        self.count = int(near.sum())

    def places(self) -> NDArray[np.float64]:
        """Where the control points are, [count, 3] mm; a field's values there draw it, a little softer."""
        flat = np.flatnonzero(self._rows >= 0)
        return np.asarray(self._lower + self.cell * np.stack(np.unravel_index(flat, tuple(self._shape)), 1))

    def basis(self, points: NDArray[np.floating]) -> scipy.sparse.csr_matrix:
        """[N, count]: how much of each control point's value a place [N, 3] mm takes; rows sum to one."""
        base, along = self._base(points)  # [N, 3], [N, 3 axes, 3 taps]
        _, height, depth = self._shape
        first = (base[:, 0] * height + base[:, 1]) * depth + base[:, 2]
        steps = np.array([(x * height + y) * depth + z for x, y, z in TAPS])
        found = self._rows.take(first[:, None] + steps, mode="clip")  # [N, 27]
        x, y, z = along.transpose(1, 0, 2)
        weights = ((x[:, :, None] * y[:, None, :])[..., None] * z[:, None, None, :]).reshape(found.shape)
        weights[found < 0] = 0.0
        starts = np.arange(len(points) + 1, dtype=found.dtype) * len(TAPS)
        return scipy.sparse.csr_matrix(
            (weights.ravel(), np.maximum(found, 0).ravel(), starts), (len(points), self.count)
        )

    def _base(self, points: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        place = (np.asarray(points, np.float64) - self._lower) / self.cell
        place = np.clip(place, 1.0, self._shape - 3.0)
        nearest = np.floor(place + 0.5).astype(np.int64)
        u = (place - nearest + 0.5).astype(np.float32)  # in [0, 1): where in its span
        along = np.stack([0.5 * (1 - u) ** 2, 0.75 - (u - 0.5) ** 2, 0.5 * u**2], 2)
        return nearest - 1, along


class SplineBasis:
    """The bases of several lattices at fixed places, ready for both directions."""

    def __init__(self, lattices: Sequence[SplineLattice], points: NDArray[np.floating]) -> None:
        self._forward = [lattice.basis(points) for lattice in lattices]
        self._backward = [basis.T.tocsr() for basis in self._forward]

    def matrix(self) -> scipy.sparse.csr_matrix:
        """[N, C]: all lattices' bases beside each other."""
        return scipy.sparse.hstack(self._forward, format="csr")

    def __call__(self, values: Sequence[Tensor]) -> Tensor:
        """Displacements [N, 3] mm from the control values [count, 3] of each lattice; differentiable."""
        parts = [
            _Spread.apply(value, forward, backward)  # type: ignore[no-untyped-call]
            for value, forward, backward in zip(values, self._forward, self._backward, strict=True)
        ]
        total: Tensor = sum(parts[1:], parts[0])
        return total


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, forward: Any, backward: Any) -> Tensor:
        ctx.backward_basis = backward
        # Sparse and small: on the CPU, wherever the head is.
        return torch.from_numpy(forward @ values.cpu().numpy()).to(values.device)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradients[0].contiguous()
        spread = torch.from_numpy(ctx.backward_basis @ gradient.cpu().numpy())
        return spread.to(gradient.device), None, None


def strain_loss(moved: Tensor, vertices: Tensor, faces: Tensor) -> Tensor:
    """Mean squared difference of displacements [V, 3] along edges, per squared length: neighbours move alike.

    One edge of each face stands for all.

    Args:
        moved: displacements in mm.
        vertices: [V, 3] mm that they start from; no gradient flows there.
        faces: [F, 3].
    """
    first, second = faces[:, 0], faces[:, 1]
    start = vertices.detach()
    along = start.index_select(0, first) - start.index_select(0, second)
    apart = moved.index_select(0, first) - moved.index_select(0, second)
    slope: Tensor = apart.square().sum(1) / along.square().sum(1).clamp_min(0.25)
    return slope.mean()
