"""Physically based shading under a spherical-harmonics environment, and the sRGB transfer curve.

Diffuse: irradiance from nine SH coefficients (Ramamoorthi and Hanrahan, "An Efficient Representation for
Irradiance Environment Maps", SIGGRAPH 2001). Specular: the split-sum approximation (Karis, "Real Shading in
Unreal Engine 4", SIGGRAPH 2013 course): prefiltered radiance in the mirror direction times the environment
BRDF, the latter in the analytic form of Karis, "Physically Based Shading on Mobile" (2014), itself fitted
after Lazarov (2013). Material model and the 4 % dielectric reflectance: glTF 2.0, appendix B.
"""

from __future__ import annotations

import torch
from torch import Tensor

from idto3d.render.light import COSINE_LOBE, EnvironmentLight

DIELECTRIC_REFLECTANCE = 0.04  # glTF 2.0, appendix B: reflectance at normal incidence of an ior of 1.5


def shade(
    albedo: Tensor,
    roughness: Tensor,
    metallic: Tensor,
    normal: Tensor,
    view_dir: Tensor,
    light: EnvironmentLight,
) -> Tensor:
    """Radiance that leaves a surface toward the viewer; differentiable in every tensor.

    Args:
        albedo: [..., 3] linear base colour in [0, 1].
        roughness: [..., 1] perceptual roughness in [0, 1] (alpha is its square).
        metallic: [..., 1] in [0, 1].
        normal: [..., 3] unit, world space.
        view_dir: [..., 3] unit, world space, from the surface toward the camera.
        light: the environment; every direction is lit alike for all points (no shadows, no bounces).

    Returns:
        [..., 3] linear radiance, at least 0, not clipped above.
    """
    specular_colour = DIELECTRIC_REFLECTANCE + (albedo - DIELECTRIC_REFLECTANCE) * metallic
    diffuse_colour = albedo * (1.0 - DIELECTRIC_REFLECTANCE) * (1.0 - metallic)
    cosine = (normal * view_dir).sum(dim=-1, keepdim=True).clamp(0.0, 1.0)
    mirror = 2.0 * (normal * view_dir).sum(dim=-1, keepdim=True) * normal - view_dir
    radiance = prefiltered_radiance(light, mirror, roughness)
    reflected = environment_brdf(specular_colour, roughness, cosine)
    return diffuse_colour * diffuse_light(light, normal) + radiance * reflected


def diffuse_light(light: EnvironmentLight, normal: Tensor) -> Tensor:
    """Irradiance over pi, which is what a white Lambert surface reflects; differentiable.

    `EnvironmentLight.irradiance` in torch: Ramamoorthi and Hanrahan 2001, equation 8, clamped at 0.

    Args:
        light: the environment.
        normal: [..., 3] unit, world space.

    Returns:
        [..., 3] linear, at least 0; 1 in an even environment of radiance 1.
    """
    coefficients = torch.as_tensor(
        COSINE_LOBE[:, None] * light.sh, dtype=normal.dtype, device=normal.device
    )  # [9, 3]
    return (sh_basis(normal) @ coefficients).clamp_min(0.0)


def prefiltered_radiance(light: EnvironmentLight, direction: Tensor, roughness: Tensor) -> Tensor:
    """Radiance from around a direction, blurred as a rough mirror blurs it.

    The lobe of a microfacet BRDF in the mirror direction multiplies SH band l by about exp(-(alpha l)²)
    (Ramamoorthi and Hanrahan, "A Signal-Processing Framework for Inverse Rendering", SIGGRAPH 2001, on the
    Torrance-Sparrow model), with alpha = roughness² (Karis 2013).

    Args:
        light: the environment.
        direction: [..., 3] unit, world space.
        roughness: [..., 1] perceptual, in [0, 1].

    Returns:
        [..., 3] linear, clamped at 0.
    """
    basis = sh_basis(direction)
    coefficients = torch.as_tensor(light.sh, dtype=direction.dtype, device=direction.device)  # [9, 3]
    alpha = roughness * roughness
    first = torch.exp(-(alpha**2)) * (basis[..., 1:4] @ coefficients[1:4])
    second = torch.exp(-4.0 * alpha**2) * (basis[..., 4:] @ coefficients[4:])
    return (basis[..., :1] * coefficients[0] + first + second).clamp_min(0.0)


def environment_brdf(specular_colour: Tensor, roughness: Tensor, cosine: Tensor) -> Tensor:
    """How much of an even environment a surface reflects: the analytic fit of Karis 2014 (mobile).

    Args:
        specular_colour: [..., 3] reflectance at normal incidence, in [0, 1].
        roughness: [..., 1] perceptual, in [0, 1].
        cosine: [..., 1] between normal and view, in [0, 1].

    Returns:
        [..., 3] in about [0, 1].
    """
    # The eight constants are those of the fit, as published.
    falloff = 1.0 - roughness
    grazing = torch.minimum(falloff * falloff, torch.exp2(-9.28 * cosine)) * falloff
    grazing = grazing + (0.0425 - 0.0275 * roughness)
    scale = -1.04 * grazing + (1.04 - 0.572 * roughness)
    bias = 1.04 * grazing + (0.022 * roughness - 0.04)
    return (specular_colour * scale + bias).clamp_min(0.0)


def sh_basis(direction: Tensor) -> Tensor:
    """The nine real spherical harmonics of bands 0 to 2: `light.sh_basis` in torch.

    Args:
        direction: [..., 3] unit.

    Returns:
        [..., 9]: (0,0), (1,-1), (1,0), (1,1), (2,-2), (2,-1), (2,0), (2,1), (2,2); equation 3.
    """
    x, y, z = direction.unbind(-1)
    constant = torch.full_like(x, 0.282095)
    first = [0.488603 * y, 0.488603 * z, 0.488603 * x]
    second = [1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3.0 * z * z - 1.0)]
    third = [1.092548 * x * z, 0.546274 * (x * x - y * y)]
    return torch.stack([constant, *first, *second, *third], dim=-1)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """The sRGB transfer curve (IEC 61966-2-1); values are clipped to [0, 1] first.

    Args:
        linear: [...] linear light.

    Returns:
        [...] in [0, 1].
    """
    clipped = linear.clamp(0.0, 1.0)
    # The floor keeps the gradient of the power finite at black.
    curve = 1.055 * clipped.clamp_min(0.0031308) ** (1.0 / 2.4) - 0.055
    return torch.where(clipped <= 0.0031308, 12.92 * clipped, curve)


def srgb_to_linear(srgb: Tensor) -> Tensor:
    """The inverse of `linear_to_srgb`.

    Args:
        srgb: [...] in [0, 1].

    Returns:
        [...] linear light in [0, 1].
    """
    clipped = srgb.clamp(0.0, 1.0)
    return torch.where(clipped <= 0.04045, clipped / 12.92, ((clipped + 0.055) / 1.055) ** 2.4)
