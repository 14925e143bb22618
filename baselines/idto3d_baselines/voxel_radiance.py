"""A volumetric head: density and albedo on one grid, drawn by quadrature along rays, and cut to a mesh.

Volume rendering as in NeRF (Mildenhall et al. 2020, eq. 3), on a grid of values instead of a network (DVGO,
Sun et al. 2022; Plenoxels, Fridovich-Keil et al. 2022). Densities are learned before their softplus; the
surface is where that is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.measure import marching_cubes
from torch import Tensor, nn
from torch.nn import functional

from idto3d.geometry.cleanup import largest_component, reduce_faces
from idto3d.geometry.mesh import Mesh
from idto3d.guidance.control import Drawn
from idto3d.render.camera import Camera
from idto3d.render.light import COSINE_LOBE, EnvironmentLight
from idto3d.render.shading import linear_to_srgb, sh_basis

CELL = 5.0  # mm
MARGIN = 15.0  # mm that the grid reaches beyond the start
LOOKED, SAMPLES = 40, 24  # of a ray: to find the surface, and around it
AROUND_SURFACE = 8.0  # mm
SEEN, HIDDEN = 0.02, 0.98  # opacities along a ray between which samples count
DENSITY = 0.25  # 1/mm per unit of softplus
SHARPNESS = 4.0  # mm of signed distance for one unit at the start
LIMIT = 6.0  # units, at the start
FINER = 2  # times that the grid is refined before it is cut
FACES = 12_000  # at most: unwrapping takes seconds, and each expression has a mesh of its own


class Rendered(NamedTuple):
    """Pictures [B, 3, R, R] in [-1, 1] on grey, and the opacity of their pixels [B, R, R]."""

    pictures: Tensor
    opacity: Tensor


class VoxelRadiance(nn.Module):
    """Density and albedo at the points of a grid.

    Args:
        lower, upper: corners [3] mm of what the start fills.
    """

    def __init__(self, lower: NDArray[np.floating], upper: NDArray[np.floating]) -> None:
        super().__init__()
        low, high = np.asarray(lower) - MARGIN, np.asarray(upper) + MARGIN
        counts = np.ceil((high - low) / CELL).astype(int) + 1
        self.low: Tensor
        self.high: Tensor
        self.register_buffer("low", torch.tensor(low, dtype=torch.float32))
        self.register_buffer("high", torch.tensor(low + (counts - 1) * CELL, dtype=torch.float32))
        x, y, z = (int(count) for count in counts)
        # Ellipsoid: the only shape that is known before anything is asked.
        centre = 0.5 * (np.asarray(lower) + np.asarray(upper))
        radii = 0.5 * (np.asarray(upper) - np.asarray(lower))
        axes = [low[axis] + CELL * np.arange(count) for axis, count in enumerate(counts)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)  # [X, Y, Z, 3]
        inside = (1.0 - np.linalg.norm((grid - centre) / radii, axis=-1)) * radii.min() / SHARPNESS
        start = torch.from_numpy(np.clip(inside, -LIMIT, LIMIT)).float()
        # `grid_sample` wants [1, C, Z, Y, X].
        self.density = nn.Parameter(start.permute(2, 1, 0)[None, None].contiguous())
        self.albedo = nn.Parameter(torch.full((1, 3, z, y, x), -0.5))

    def pictures(self, cameras: Sequence[Camera], lights: Sequence[Drawn]) -> Rendered:
        """The head from B cameras, each under its light; differentiable."""
        values = torch.cat([self.density, self.albedo, self._outward()], 1)  # [1, 7, Z, Y, X]
        shown = [self._view(values, camera, light) for camera, light in zip(cameras, lights, strict=True)]
        pictures, opacity = (torch.stack(parts) for parts in zip(*shown, strict=True))
        return Rendered(pictures.permute(0, 3, 1, 2), opacity)

    def roughness(self) -> Tensor:
        """Mean square difference of neighbouring densities and albedos: what a smooth field keeps small."""
        total = self.density.new_zeros(())
        for axis in (2, 3, 4):
            total = total + self.density.diff(dim=axis).square().mean()
            total = total + 0.3 * self.albedo.diff(dim=axis).square().mean()
        return total

    @torch.no_grad()
    def mesh(self, faces: int) -> Mesh:
        """The largest body of the surface, with a bounded number of faces."""
        fine = functional.interpolate(
            self.density,
            scale_factor=FINER,
            mode="trilinear",
            align_corners=True,
        )[0, 0]
        # A rim of empty space closes the surface at the grid's border.
        volume = np.pad(fine.permute(2, 1, 0).cpu().numpy(), 1, constant_values=-LIMIT)
        extent = (self.high - self.low).cpu().numpy()
        spacing = extent / (np.array(volume.shape) - 3)
        points, triangles, _, _ = marching_cubes(volume, 0.0, spacing=tuple(spacing))
        vertices = points.astype(np.float64) - spacing + self.low.cpu().numpy()
        body = Mesh(vertices, triangles.astype(np.int64))
        if body.volume() < 0.0:
            body = Mesh(vertices, body.faces[:, ::-1].copy())
        body = largest_component(body)
        reduced = reduce_faces(body, faces)
        return Mesh(reduced.carry(body.vertices), reduced.faces)

    @torch.no_grad()
    def albedo_at(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Linear albedo [N, 3] at points [N, 3] mm."""
        here = torch.from_numpy(np.asarray(points, np.float32))
        return np.asarray(torch.sigmoid(self._at(self.albedo, here)).numpy(), np.float32)

    def _outward(self) -> Tensor:
        """Where density falls, [1, 3, Z, Y, X] in the order x, y, z; not normalised."""
        padded = functional.pad(self.density, (1,) * 6, mode="replicate")
        inner = slice(1, -1)
        return torch.cat(
            [
                padded[..., inner, inner, :-2] - padded[..., inner, inner, 2:],
                padded[..., inner, :-2, inner] - padded[..., inner, 2:, inner],
                padded[..., :-2, inner, inner] - padded[..., 2:, inner, inner],
            ],
            1,
        )

    def _at(self, values: Tensor, points: Tensor) -> Tensor:
        """Trilinear values [N, C] of a grid [1, C, Z, Y, X] at points [N, 3] mm; the border's beyond it."""
        unit = 2.0 * (points - self.low) / (self.high - self.low) - 1.0
        found = functional.grid_sample(
            values, unit[None, None, None], align_corners=True, padding_mode="border"
        )
        return found[0, :, 0, 0].T

    def _view(self, values: Tensor, camera: Camera, light: Drawn) -> tuple[Tensor, Tensor]:
        """One picture [R, R, 3] in [-1, 1] and its opacity [R, R]."""
        assert isinstance(light, EnvironmentLight)
        rays = torch.from_numpy(camera.rays()).reshape(-1, 6)
        origin, direction = rays[:, :3], functional.normalize(rays[:, 3:], dim=-1)
        near, far = self._crossed(origin, direction)
        hit = torch.nonzero(far > near)[:, 0]
        origin, direction = origin[hit], direction[hit]
        near, far = self._at_surface(origin, direction, near[hit], far[hit])
        read = self._along(values, origin, direction, near, far, SAMPLES)
        length = (far - near)[:, None] / SAMPLES
        alpha = 1.0 - torch.exp(-DENSITY * functional.softplus(read[..., 0]) * length)
        clear = torch.cumprod(torch.cat([torch.ones(len(hit), 1), 1.0 - alpha[:, :-1]], 1), 1)
        weight = (alpha * clear)[..., None]
        opacity = weight.sum(1)
        mixed = (weight * torch.cat([torch.sigmoid(read[..., 1:4]), read[..., 4:]], -1)).sum(1)
        normal = functional.normalize(mixed[:, 3:], dim=-1, eps=1e-6)
        gains = torch.as_tensor(COSINE_LOBE[:, None] * light.sh, dtype=torch.float32)
        lit = (sh_basis(normal) @ gains).clamp_min(0.0)
        colour = linear_to_srgb((mixed[:, :3] / opacity.clamp_min(1e-3) * lit).clamp(0.0, 1.0))
        size = camera.resolution
        picture, cover = torch.zeros(size * size, 3), torch.zeros(size * size)
        picture = picture.index_put((hit,), (2.0 * colour - 1.0) * opacity)
        cover = cover.index_put((hit,), opacity[:, 0])
        return picture.reshape(size, size, 3), cover.reshape(size, size)

    def _along(
        self, values: Tensor, origin: Tensor, direction: Tensor, near: Tensor, far: Tensor, count: int
    ) -> Tensor:
        """Values [P, count, C] at the middles of equal parts of P rays between two depths."""
        steps = (torch.arange(count) + 0.5) / count
        depth = near[:, None] + (far - near)[:, None] * steps
        points = origin[:, None] + depth[..., None] * direction[:, None]
        return self._at(values, points.reshape(-1, 3)).reshape(len(near), count, -1)

    @torch.no_grad()
    def _at_surface(
        self, origin: Tensor, direction: Tensor, near: Tensor, far: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The depths [P] between which a ray becomes opaque; its whole length where it does not."""
        raw = self._along(self.density, origin, direction, near, far, LOOKED)[..., 0]
        length = ((far - near) / LOOKED)[:, None]
        hidden = 1.0 - torch.exp(-(DENSITY * functional.softplus(raw) * length).cumsum(1))
        first, last = ((hidden < bound).sum(1, keepdim=True) for bound in (SEEN, HIDDEN))
        begins = near + (first * length)[:, 0] - AROUND_SURFACE
        ends = near + ((last + 1) * length)[:, 0] + AROUND_SURFACE
        found = hidden[:, -1] > SEEN
        return torch.where(found, begins.maximum(near), near), torch.where(found, ends.minimum(far), far)

    def _crossed(self, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """Depths [P] at which rays enter and leave the grid; the first is the larger where they miss it."""
        one, other = (self.low - origin) / direction, (self.high - origin) / direction
        return torch.minimum(one, other).amax(1).clamp_min(0.0), torch.maximum(one, other).amin(1)
