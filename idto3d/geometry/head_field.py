"""One representation of a head for all its expressions: a shared level set, displaced by latent codes.

The signed distance, and so the topology and the UVs, is shared, and with it a deformation of at most half a
cell (DMTet). Smooth displacements move the surface: one to the person, and Σ_k z_e[k] · D_k to expression e,
where z_e is its latent code and D a displacement basis (ID-to-3D, arXiv 2405.16570: one latent code per
expression over a shared representation). Codes between two expressions give heads between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from idto3d.errors import UserError
from idto3d.geometry.marching_tets import Surface, crossings, march
from idto3d.geometry.preconditioning import diffuse
from idto3d.geometry.spline_motion import SplineBasis, SplineLattice
from idto3d.geometry.tet_grid import TetGrid

NEUTRAL = 0  # index of the expression whose code is zero
DEFORMATION_LIMIT = 0.5  # cells: half a cell keeps tetrahedra from folding over (DMTet, section 3.1.1)
START_LIMIT = 2.0  # cells: signed distances are clipped there, so that vertices near by can change sign
CELLS = (24.0, 12.0, 6.0)  # mm between the control points of a displacement, coarse to fine
REACH = 6.0  # mm that the level set may move the surface before a displacement's control points end

Places = Callable[[NDArray[np.floating]], NDArray[np.floating]]


class HeadField(nn.Module):
    """Parameters in mm, starting at the grid's start surface.

    Args:
        grid: the band around the start surface.
        expressions: number of expressions, the first of which is neutral.
        places: where a point of the start counts as lying for the displacements of expressions; itself by
            default. The likeness moves all that lies together together.
        cells: mm between the control points of a displacement, one lattice each.
    """

    def __init__(
        self,
        grid: TetGrid,
        expressions: int,
        places: Places | None = None,
        cells: tuple[float, ...] = CELLS,
    ) -> None:
        super().__init__()
        if expressions < 1:
            raise UserError(
                f"Found {expressions} expressions, expected at least the neutral one; name those to make."
            )
        self.grid = grid
        self._places = places or (lambda points: points)
        self.sdf = nn.Parameter(self._start_distance())  # [V]
        self.deformation = nn.Parameter(torch.zeros_like(grid.points))  # [V, 3], before its bound
        self._signs: Tensor | None = None
        self._surface: Surface | None = None
        self._bases: tuple[SplineBasis, SplineBasis] | None = None  # of likeness and of expressions
        self._bases_of: tuple[int, int] | None = None
        with torch.no_grad():
            start = crossings(self.surface(), grid.points, self.signed_distance()).cpu().numpy()
        self.likeness_lattices = [SplineLattice(start, cell, REACH) for cell in cells]
        self.lattices = [SplineLattice(self._places(start), cell, REACH) for cell in cells]
        # A list for each displacement, so that a step moves those alone that it uses.
        device = grid.points.device
        self.likeness = _still(self.likeness_lattices, device)
        basis = max(expressions - 1, 1)
        self._displacement = nn.ModuleList(_still(self.lattices, device) for _ in range(basis))
        codes = torch.zeros(expressions, basis)
        codes[1:] = torch.eye(basis)[: expressions - 1]
        # [E, K]; row 0 is never read: neutral is zero by definition.
        self.codes = nn.Parameter(codes.to(device))

    @property
    def displacement(self) -> list[nn.ParameterList]:
        """The displacement basis: for each of K, the control values of each lattice."""
        return cast(list[nn.ParameterList], list(self._displacement))

    def code(self, expression: int) -> Tensor:
        """Latent code [K] of an expression; zeros for neutral."""
        if expression == NEUTRAL:
            return torch.zeros_like(self.codes[NEUTRAL]).detach()
        return self.codes[expression]

    def signed_distance(self) -> Tensor:
        """[V] mm, with the rim held at its start sign so that the surface closes inside the band."""
        return torch.where(self.grid.rim, self._start_distance(), self.sdf)

    def surface(self) -> Surface:
        """Connectivity shared by all expressions; marched again only where a sign changed."""
        with torch.no_grad():
            signs = torch.where(self.grid.rim, self.grid.start, self.sdf) < 0
        if self._surface is None or self._signs is None or not torch.equal(signs, self._signs):
            self._signs, self._surface = signs, march(self.grid, signs)
        return self._surface

    def deformed(self) -> Tensor:
        """Neutral deformation [V, 3] mm, at most half a cell along each axis."""
        limit = DEFORMATION_LIMIT * self.grid.clearance
        return limit * torch.tanh(self.deformation / limit)

    def mesh(self, expression: Tensor | int) -> tuple[Tensor, Tensor]:
        """The head with an expression, by its index or by any code [K].

        Returns:
            vertices [N, 3] mm, differentiable in every parameter; faces [F, 3] int64, wound outward and the
            same for all expressions.
        """
        code = expression if isinstance(expression, Tensor) else self.code(expression)
        neutral = self.start() + self.moved(self.likeness)
        return neutral + self.displaced(code), self.surface().faces

    def start(self) -> Tensor:
        """The surface [N, 3] mm before it is displaced."""
        return crossings(self.surface(), self.grid.points + self.deformed(), self.signed_distance())

    def displaced(self, code: Tensor) -> Tensor:
        """How a code [K] moves each vertex of the surface; [N, 3] mm."""
        total = self.sdf.new_zeros(len(self.surface().edges), 3)
        for share, motion in zip(code, self.displacement, strict=True):
            if share != 0.0:
                total = total + share * self.moved(motion)
        return total

    def moved(self, motion: nn.ParameterList) -> Tensor:
        """How one displacement moves each vertex of the surface; [N, 3] mm."""
        state = (self.sdf._version, self.deformation._version)  # of what moves the surface
        if self._bases is None or state != self._bases_of:
            with torch.no_grad():
                start = self.start().cpu().numpy()
            self._bases = (
                SplineBasis(self.likeness_lattices, start),
                SplineBasis(self.lattices, self._places(start)),
            )
            self._bases_of = state
        return self._bases[0 if motion is self.likeness else 1](list(motion))

    def _start_distance(self) -> Tensor:
        limit = START_LIMIT * self.grid.clearance.max(dim=1).values
        return self.grid.start.clamp(-limit, limit)


def _still(lattices: Sequence[SplineLattice], device: torch.device) -> nn.ParameterList:
    return nn.ParameterList(torch.zeros(lattice.count, 3, device=device) for lattice in lattices)


@torch.no_grad()
def smooth_gradients(field: HeadField, passes: int = 3) -> None:
    """Spread the gradients of level set and deformation over the grid, after backward and before the step.

    Args:
        passes: box-filter passes; 0 none, 3 about 1.4 cells, 12 about 2.8 cells.
    """
    for parameter in (field.sdf, field.deformation):
        if parameter.grad is not None:
            parameter.grad = diffuse(parameter.grad, field.grid, passes)
