"""Reflectance over the neutral head's surface: trilinear grids of several resolutions, and expression tints.

A value at x is the sum of one trilinear look-up per level (coarse levels spread colour, fine ones draw it),
plus Σ_k z_e[k] · A_k(x) from coarse levels, where z_e is the expression's latent code. Only lattice points
near the surface hold parameters, so that a step costs as much as the surface, not as the volume.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

LEVELS = (16, 32, 64, 112)  # cells along the longest side: 20 mm to 3 mm on a head
CODE_LEVELS = (32, 96)  # a flush, and what an open mouth or a closed lid shows
ROUGHNESS = (0.08, 0.9)  # below 0.08 highlights are smaller than a texel of a 512² map
METALLIC_LIMIT = 0.1  # skin and hair are dielectric
START_ROUGHNESS = 0.55
START_METALLIC = 0.005
SURFACE_SAMPLES = 200_000  # under 1.5 mm apart on a head of 0.25 m²: no cell of 3 mm at the surface is missed
CHANNELS = 5  # albedo 3, roughness, metallic


class Material(NamedTuple):
    """Reflectance of N points: albedo [N, 3] linear in (0, 1), roughness [N, 1], metallic [N, 1]."""

    albedo: Tensor
    roughness: Tensor
    metallic: Tensor


class MaterialField(nn.Module):
    """Metallic-roughness reflectance as a function of canonical (neutral-head) position.

    It is made on the CPU, and moves as a module does.

    Args:
        vertices: [V, 3] mm, neutral head.
        faces: [F, 3].
        albedo: linear colour that every point starts with, or the colours [N, 3] to start with at places
            [N, 3] mm, which the finest grid takes on.
        code_size: K of the expression codes; 0 for a reflectance that all expressions share.
        near: where there is a finer grid more.
        levels, code_levels: cells along the longest side of the head, per grid.
    """

    def __init__(
        self,
        vertices: Tensor,
        faces: Tensor,
        albedo: tuple[float, float, float] | Callable[[Tensor], Tensor],
        code_size: int = 0,
        levels: tuple[int, ...] = LEVELS,
        code_levels: tuple[int, ...] = CODE_LEVELS,
        near: Near | None = None,
    ) -> None:
        super().__init__()
        samples = _surface_samples(vertices.detach(), faces)
        shared = [SurfaceGrid(samples, level, CHANNELS) for level in levels]
        if near is not None:
            shared.append(near.grid(samples))
        self.shared = nn.ModuleList(shared)
        self.moved = nn.ModuleList(
            SurfaceGrid(samples, level, 3, code_size) for level in code_levels if code_size
        )
        colours = albedo(samples) if callable(albedo) else torch.tensor([albedo])
        low, high = ROUGHNESS
        rest = torch.tensor([(START_ROUGHNESS - low) / (high - low), START_METALLIC / METALLIC_LIMIT])
        self.start: Tensor
        self.register_buffer("start", _logit(torch.cat([colours.float().mean(0), rest])))
        if callable(albedo):
            drawn = [min(shared[: len(levels)], key=lambda grid: grid.cell), *shared[len(levels) :]]
            with torch.no_grad():
                for grid in drawn:  # each draws what those before it left
                    places = grid.places()
                    left = _logit(albedo(places)) - self._raw(places)[:, :3]
                    grid.values[0][1:, :3] = left

    def forward(self, points: Tensor, code: Tensor | None = None) -> Material:
        """Reflectance at canonical positions.

        Args:
            points: [N, 3] mm on the neutral head; differentiable, so that what moves a colour is found too.
            code: [K] expression code, or None for neutral.
        """
        raw = self._raw(points)
        colour = raw[:, :3]
        if code is not None:
            colour = colour + sum(grid(points, code) for grid in self.moved)
        low, high = ROUGHNESS
        return Material(
            albedo=torch.sigmoid(colour),
            roughness=low + (high - low) * torch.sigmoid(raw[:, 3:4]),
            metallic=METALLIC_LIMIT * torch.sigmoid(raw[:, 4:5]),
        )

    def _raw(self, points: Tensor) -> Tensor:
        """Logits [N, 5] that all expressions share."""
        total: Tensor = self.start + sum(grid(points) for grid in self.shared)
        return total


class Near(NamedTuple):
    """A box [3] to [3] mm that has one finer grid more, of cells of `cell` mm."""

    lower: tuple[float, float, float]
    upper: tuple[float, float, float]
    cell: float

    def grid(self, samples: Tensor) -> SurfaceGrid:
        """The grid at those of the samples [S, 3] that lie in the box."""
        inside = ((samples > torch.tensor(self.lower)) & (samples < torch.tensor(self.upper))).all(1)
        chosen = samples[inside]
        longest = float((chosen.max(0).values - chosen.min(0).values).max())
        return SurfaceGrid(chosen, round(longest / self.cell), CHANNELS)


class SurfaceGrid(nn.Module):
    """Trilinear interpolation on a cubic lattice whose parameters exist only near the surface.

    Args:
        samples: [S, 3] mm, dense on the surface.
        cells: cells along the longest side of the samples' box.
        channels: values per lattice point, all starting at zero.
        code_size: K; above 0, a lattice point holds K such values, which a code mixes.
    """

    def __init__(self, samples: Tensor, cells: int, channels: int, code_size: int = 0) -> None:
        super().__init__()
        low, high = samples.min(dim=0).values, samples.max(dim=0).values
        self.cell = float((high - low).max()) / cells
        self.lower: Tensor
        self.rows: Tensor
        self.register_buffer("lower", low - 2.0 * self.cell)
        size = torch.ceil((high - self.lower) / self.cell).long() + 4
        self.shape = (int(size[0]), int(size[1]), int(size[2]))
        near = torch.zeros(self.shape, dtype=torch.bool)
        base = torch.floor((samples - self.lower) / self.cell).long()
        for x, y, z in itertools.product((-1, 0, 1, 2), repeat=3):  # a sample's cell and one cell around it
            near[base[:, 0] + x, base[:, 1] + y, base[:, 2] + z] = True
        rows = torch.zeros(near.numel(), dtype=torch.int64)  # row 0: no parameter, value zero
        rows[near.reshape(-1)] = torch.arange(1, int(near.sum()) + 1)
        self.register_buffer("rows", rows)
        # One tensor for each number of a code, so that a step moves those alone that its code uses.
        count = int(near.sum()) + 1
        self.values = nn.ParameterList(torch.zeros(count, channels) for _ in range(max(code_size, 1)))

    def places(self) -> Tensor:
        """Positions [R, 3] mm of the lattice points that hold parameters, in the order of rows 1 to R."""
        flat = self.rows.nonzero().squeeze(1)
        _, height, depth = self.shape
        x, y, z = flat // (height * depth), flat // depth % height, flat % depth
        return self.lower + self.cell * torch.stack([x, y, z], 1)

    def forward(self, points: Tensor, code: Tensor | None = None) -> Tensor:
        """[N, channels] at [N, 3] mm; zero off the surface. `code` [K] where the grid holds K values."""
        shares = [1.0] if code is None else code.tolist()
        used = [(share, values) for share, values in zip(shares, self.values, strict=True) if share != 0.0]
        if not used:
            return points.new_zeros(len(points), self.values[0].shape[1])
        values = sum((share * values for share, values in used[1:]), used[0][0] * used[0][1])
        place = (points - self.lower) / self.cell
        limit = torch.tensor(self.shape, dtype=place.dtype, device=place.device) - 1.001
        place = torch.minimum(place.clamp_min(0.0), limit)
        base = torch.floor(place)
        fraction = place - base
        _, height, depth = self.shape
        origin = (base[:, 0] * height * depth + base[:, 1] * depth + base[:, 2]).long()
        steps = [x * height * depth + y * depth + z for x, y, z in _CORNERS]
        corner = torch.tensor(steps, device=place.device)
        along = torch.stack([1.0 - fraction, fraction], dim=2)  # [N, 3, 2]
        weights = torch.stack(
            [along[:, 0, x] * along[:, 1, y] * along[:, 2, z] for x, y, z in _CORNERS], dim=1
        )
        rows = self.rows.index_select(0, (origin.unsqueeze(1) + corner).reshape(-1)).reshape(-1, 8)
        result: Tensor = _WeightedRows.apply(values, rows, weights)  # type: ignore[no-untyped-call]
        return result


class _WeightedRows(torch.autograd.Function):
    """Σ_j weights[n, j] · values[rows[n, j]]; torch's embedding_bag takes ten times as long backward."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(values, rows, weights)
        gathered = values.index_select(0, rows.reshape(-1)).reshape(*rows.shape, -1)  # [N, 8, C]
        return torch.matmul(weights.unsqueeze(1), gathered).squeeze(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        values, rows, weights = ctx.saved_tensors
        for_values, for_weights = None, None
        if ctx.needs_input_grad[0]:
            spread = weights.unsqueeze(2) * gradients[0].unsqueeze(1)  # [N, 8, C]
            for_values = torch.zeros_like(values)
            for_values.index_add_(0, rows.reshape(-1), spread.reshape(-1, spread.shape[2]))
            for_values[0] = 0.0  # the row without a parameter
        if ctx.needs_input_grad[2]:
            gathered = values.index_select(0, rows.reshape(-1)).reshape(*rows.shape, -1)
            for_weights = torch.matmul(gathered, gradients[0].unsqueeze(2)).squeeze(2)
        return for_values, None, for_weights


def material_smoothness(
    field: MaterialField,
    points: Tensor,
    code: Tensor | None,
    generator: torch.Generator,
    reach: float = 2.0,
) -> Tensor:
    """Mean absolute change of the reflectance over a random step of about `reach` mm (nvdiffrec)."""
    step = reach * torch.randn(points.shape, generator=generator).to(points)
    here, there = field(points, code), field(points + step, code)
    changes = [(a - b).abs().mean() for a, b in zip(here, there, strict=True)]
    return torch.stack(changes).sum()


_CORNERS = tuple(itertools.product((0, 1), repeat=3))


def _logit(probability: Tensor) -> Tensor:
    return torch.logit(probability, eps=0.01)


def _surface_samples(vertices: Tensor, faces: Tensor) -> Tensor:
    """[S, 3] area-uniform points and the vertices themselves; the same for the same mesh."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    area = torch.linalg.vector_norm(torch.linalg.cross(b - a, c - a), dim=1).double()
    edges = torch.cumsum(area, dim=0)
    generator = torch.Generator().manual_seed(0)
    draw = torch.rand(SURFACE_SAMPLES, generator=generator, dtype=torch.float64) * edges[-1]
    face = torch.searchsorted(edges, draw).clamp_max(len(faces) - 1)
    u, v = torch.rand(2, SURFACE_SAMPLES, 1, generator=generator)
    u, v = torch.where(u + v > 1.0, 1.0 - u, u), torch.where(u + v > 1.0, 1.0 - v, v)
    inner = a[face] * (1.0 - u - v) + b[face] * u + c[face] * v
    return torch.cat([inner, vertices[faces.unique()]])
