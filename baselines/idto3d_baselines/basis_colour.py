"""Colour of a head and the light of each photo together: Gauss-Newton under Gaussian priors.

A photo shows albedo times irradiance, and one photo cannot tell dark skin from dim light: the prior of both
and several photos decide. Light is nine spherical-harmonics coefficients a colour without highlights, as in
Deng et al., "Accurate 3D Face Reconstruction with Weakly-Supervised Learning", CVPR Workshops 2019.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from idto3d.geometry.head_basis import DARKEST, LIGHTEST, TorchBasis
from idto3d.render.light import COSINE_LOBE, EnvironmentLight
from idto3d.render.shading import sh_basis

ROUNDS = 6
NOISE_FLOOR, NOISE_SHARE = 0.02, 0.12  # of a pixel's linear value: shadows, highlights, hair, JPEG
PIXELS_EACH = 600.0  # pixels that are as good as one independent one: a misplaced brow errs as a whole
OUTLIER = 2.0  # standard deviations from which a pixel counts for less: hands, hair, spectacles
LIGHT_DRAWS = 512
EXPOSURE = 0.05  # share by which white balance and exposure add to a light's spread


@dataclass(frozen=True)
class SeenPixels:
    """P pixels of one photo.

    Attributes:
        photo: [P, 3] linear RGB; normals: [P, 3], unit, in the photo's camera frame.
        triangle: [P] that each shows; weights: [P, 3] of its corners.
    """

    photo: Tensor
    normals: Tensor
    triangle: Tensor
    weights: Tensor

    def mix(self, values: Tensor, faces: Tensor) -> Tensor:
        """Vertex values [V, C] at the pixels, [P, C]."""
        corners = values[faces[self.triangle]]
        return (corners * self.weights[..., None]).sum(1)


@dataclass(frozen=True)
class ColourFit:
    """Coefficients of colour [C] in standard deviations, and lights [photos, 9, 3]."""

    colour: Tensor
    lights: Tensor


def solve_colour(
    tensors: TorchBasis, looks: Sequence[SeenPixels], known: ColourFit | None = None
) -> ColourFit:
    """The likeliest colour and lights of photos of one head.

    Args:
        tensors: the basis.
        looks: what each photo shows of it.
        known: where to start; the mean colour in the usual light if None.
    """
    mean, precision = usual_light()
    count, components = len(looks), len(tensors.colour)
    colour = torch.zeros(components) if known is None else known.colour
    lights = mean.reshape(1, 9, 3).repeat(count, 1, 1) if known is None else known.lights
    vertices = tensors.colour.shape[1]
    flat = tensors.colour.permute(1, 2, 0).reshape(vertices, 3 * components)
    carried = [
        (
            look.mix(tensors.albedo_mean, tensors.faces),
            look.mix(flat, tensors.faces).reshape(-1, 3, components),
        )
        for look in looks
    ]
    size = components + 27 * count
    for _ in range(ROUNDS):
        normal, right = torch.zeros(size, size), torch.zeros(size)
        normal[:components, :components] += torch.eye(components)
        for number, (look, (base, axes)) in enumerate(zip(looks, carried, strict=True)):
            here = slice(components + 27 * number, components + 27 * (number + 1))
            normal[here, here] += precision
            right[here] += precision @ mean
            albedo = (base + axes @ colour).clamp(DARKEST, LIGHTEST)  # [P, 3]
            harmonics = _harmonics(look.normals)  # [P, 9]
            lit = (harmonics @ lights[number]).clamp_min(0.02)
            # Both factors move; the product's tangent is exact in either alone.
            by_colour = lit[..., None] * axes  # [P, 3, C]
            by_light = torch.zeros(len(albedo), 3, 9, 3)
            for channel in range(3):
                by_light[:, channel, :, channel] = albedo[:, channel, None] * harmonics
            rows = torch.cat([by_colour, by_light.reshape(len(albedo), 3, 27)], -1)
            present = torch.cat([colour, lights[number].reshape(-1)])
            goal = look.photo - albedo * lit + rows @ present
            noise = NOISE_FLOOR + NOISE_SHARE * look.photo
            off = (look.photo - albedo * lit) / noise
            trust = 1.0 / (1.0 + (off / OUTLIER).square().mean(-1, keepdim=True)) / PIXELS_EACH
            weight = (trust / noise.square()).reshape(-1, 1)
            rows, goal = rows.reshape(-1, components + 27), goal.reshape(-1)
            own = rows.T @ (weight * rows)
            seen = (rows * weight).T @ goal
            where = torch.cat([torch.arange(components), torch.arange(here.start, here.stop)])
            normal[where[:, None], where[None]] += own
            right[where] += seen
        solution = torch.linalg.solve(normal.double(), right.double()).float()
        colour = solution[:components]
        lights = solution[components:].reshape(count, 9, 3)
    return ColourFit(colour, lights)


def irradiance(normals: Tensor, light: Tensor) -> Tensor:
    """Irradiance over pi [P, 3] at unit normals [P, 3] under coefficients [9, 3]."""
    return (_harmonics(normals) @ light).clamp_min(0.02)


@functools.cache
def usual_light() -> tuple[Tensor, Tensor]:
    """Mean [27] and precision [27, 27] of the lights that casual photographs are taken in."""
    numbers = np.random.default_rng(0)
    drawn = np.stack([EnvironmentLight.random(numbers).sh.reshape(-1) for _ in range(LIGHT_DRAWS)])
    mean = drawn.mean(0)
    spread = np.cov(drawn.T) + np.diag((EXPOSURE * np.abs(mean)) ** 2 + 1e-4)
    return torch.from_numpy(mean).float(), torch.from_numpy(np.linalg.inv(spread)).float()


def _harmonics(normals: Tensor) -> Tensor:
    """The nine functions at normals [P, 3], with the cosine lobe's gains; [P, 9]."""
    return sh_basis(normals) * torch.as_tensor(COSINE_LOBE, dtype=normals.dtype)
