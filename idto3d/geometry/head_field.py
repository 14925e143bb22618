"""One representation of a head for all its expressions: a shared level set, displaced by latent codes.

The signed distance, and so the topology and the UVs, is shared; expression e moves the grid's vertices by
Σ_k z_e[k] · D_k, where z_e is its latent code and D a displacement basis (ID-to-3D, arXiv 2405.16570: one
latent code per expression over a shared representation). Codes between two expressions give heads between.
"""

import torch
from torch import Tensor, nn

from idto3d.errors import UserError
from idto3d.geometry.marching_tets import Surface, crossings, march
from idto3d.geometry.preconditioning import diffuse, smoothed_gradient
from idto3d.geometry.tet_grid import TetGrid

NEUTRAL = 0  # index of the expression whose code is zero
DEFORMATION_LIMIT = 0.5  # cells: half a cell keeps tetrahedra from folding over (DMTet, section 3.1.1)
START_LIMIT = 2.0  # cells: signed distances are clipped there, so that vertices near by can change sign


class HeadField(nn.Module):
    """Parameters over grid vertices, all in mm, starting at the grid's start surface.

    Args:
        grid: the band around the start surface.
        expressions: number of expressions, the first of which is neutral.
        displacement_passes: box-filter passes over the gradient of an expression's displacement.
    """

    def __init__(self, grid: TetGrid, expressions: int, displacement_passes: int = 3) -> None:
        super().__init__()
        if expressions < 1:
            raise UserError(
                f"Found {expressions} expressions, expected at least the neutral one; name those to make."
            )
        self.grid = grid
        self.displacement_passes = displacement_passes
        self.sdf = nn.Parameter(self._start_distance())  # [V]
        self.deformation = nn.Parameter(torch.zeros_like(grid.points))  # [V, 3], before its bound
        basis = max(expressions - 1, 1)
        self.displacement = nn.Parameter(torch.zeros(basis, *grid.points.shape))  # [K, V, 3]
        codes = torch.zeros(expressions, basis)
        codes[1:] = torch.eye(basis)[: expressions - 1]
        self.codes = nn.Parameter(codes)  # [E, K]; row 0 is never read: neutral is zero by definition
        self._signs: Tensor | None = None
        self._surface: Surface | None = None

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

    def displaced(self, code: Tensor) -> Tensor:
        """Displacement [V, 3] mm of an expression with code [K]; its gradient arrives smoothed."""
        total = torch.matmul(code, self.displacement.flatten(1)).reshape(self.grid.points.shape)
        return smoothed_gradient(total, self.grid, self.displacement_passes)

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
        points = self.grid.points + self.deformed()
        if isinstance(expression, Tensor):
            points = points + self.displaced(expression)
        elif expression != NEUTRAL:
            points = points + self.displaced(self.code(expression))
        surface = self.surface()
        return crossings(surface, points, self.signed_distance()), surface.faces

    def _start_distance(self) -> Tensor:
        limit = START_LIMIT * self.grid.clearance.max(dim=1).values
        return self.grid.start.clamp(-limit, limit)


@torch.no_grad()
def smooth_gradients(field: HeadField, passes: int = 3) -> None:
    """Spread the gradients of level set and deformation over the grid, after backward and before the step.

    The displacement's gradient is spread inside backward, once per expression drawn (`displacement_passes`),
    which spares smoothing every row of the basis.

    Args:
        passes: box-filter passes; 0 none, 3 about 1.4 cells, 12 about 2.8 cells.
    """
    for parameter in (field.sdf, field.deformation):
        if parameter.grad is not None:
            parameter.grad = diffuse(parameter.grad, field.grid, passes)
