"""Shading: energy, the light's own irradiance, the integral behind the fitted BRDF, and the sRGB curve."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from idto3d.render.light import EnvironmentLight
from idto3d.render.light import sh_basis as numpy_basis
from idto3d.render.shading import (
    diffuse_light,
    environment_brdf,
    linear_to_srgb,
    prefiltered_radiance,
    sh_basis,
    shade,
    srgb_to_linear,
)
from tests.reference import environment_brdf as reference


def directions(count: int, seed: int = 0) -> NDArray[np.float64]:
    drawn = np.random.default_rng(seed).normal(size=(count, 3))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def lit(albedo: float, roughness: float, metallic: float, light: EnvironmentLight) -> torch.Tensor:
    normal = torch.from_numpy(directions(64))
    view = torch.nn.functional.normalize(normal + 0.3 * torch.from_numpy(directions(64, 1)), dim=-1)
    shape = (64, 1)
    return shade(
        torch.full((64, 3), albedo, dtype=torch.float64),
        torch.full(shape, roughness, dtype=torch.float64),
        torch.full(shape, metallic, dtype=torch.float64),
        normal,
        view,
        light,
    )


@pytest.mark.parametrize("roughness", [0.2, 0.5, 1.0])
def test_a_white_surface_in_white_light_is_white(roughness: float) -> None:
    """In an even environment of radiance 1 white returns nearly all light, and never much more."""
    out = lit(1.0, roughness, 0.0, EnvironmentLight.uniform(1.0))
    assert out.min() > 0.95
    assert out.max() < 1.05


def test_a_smooth_metal_mirrors_its_colour() -> None:
    """Roughness 0, metallic 1: mirrored radiance times the base colour, within the fit's error."""
    out = lit(0.8, 0.0, 1.0, EnvironmentLight.uniform(0.5))
    assert torch.allclose(out, torch.full_like(out, 0.4), atol=0.04)


def test_black_in_the_dark_is_black() -> None:
    """No light, no radiance; and a light of negative lobes never gives negative radiance."""
    assert (lit(0.7, 0.5, 0.0, EnvironmentLight(np.zeros((9, 3)))) == 0).all()
    ringing = EnvironmentLight(np.random.default_rng(2).normal(size=(9, 3)))
    assert (lit(0.7, 0.1, 0.5, ringing) >= 0).all()


def test_diffuse_light_is_the_lights_own() -> None:
    """The torch form equals `EnvironmentLight.irradiance`."""
    light = EnvironmentLight.random(np.random.default_rng(3))
    normals = directions(100)
    assert np.allclose(diffuse_light(light, torch.from_numpy(normals)).numpy(), light.irradiance(normals))
    assert np.allclose(sh_basis(torch.from_numpy(normals)).numpy(), numpy_basis(normals))


def test_diffuse_light_is_the_cosine_integral() -> None:
    """Irradiance over pi equals the environment's radiance integrated with the cosine, by sampling."""
    light = EnvironmentLight.random(np.random.default_rng(4))
    index = np.arange(200_000) + 0.5
    height, angle = 1.0 - 2.0 * index / len(index), index * np.pi * (3.0 - 5.0**0.5)
    ring = np.sqrt(1.0 - height**2)
    around = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], -1)
    radiance = numpy_basis(around) @ light.sh
    for normal in directions(5):
        integral = 4.0 * (np.maximum(around @ normal, 0.0)[:, None] * radiance).mean(axis=0)
        ours = diffuse_light(light, torch.from_numpy(normal)).numpy()
        # Ramamoorthi and Hanrahan's nine terms are exact for a light of nine terms.
        assert np.allclose(ours, np.maximum(integral, 0.0), atol=1e-4)


def test_rough_reflections_are_blurred() -> None:
    """Prefiltered radiance goes from the environment itself to its mean as roughness grows."""
    light = EnvironmentLight.random(np.random.default_rng(5))
    around = torch.from_numpy(directions(400))
    spread = [
        prefiltered_radiance(light, around, torch.full((400, 1), roughness, dtype=torch.float64)).std().item()
        for roughness in (0.0, 0.3, 0.6, 0.9)
    ]
    assert spread == sorted(spread, reverse=True)
    sharp = prefiltered_radiance(light, around, torch.zeros(400, 1, dtype=torch.float64)).numpy()
    assert np.allclose(sharp, np.maximum(numpy_basis(around.numpy()) @ light.sh, 0.0))


@pytest.mark.parametrize(("reflectance", "tolerance"), [(0.04, 0.04), (0.5, 0.1), (1.0, 0.18)])
def test_fitted_brdf_is_near_its_integral(reflectance: float, tolerance: float) -> None:
    """Karis's analytic fit stays near the sampled integral: closely for skin, roughly for metals."""
    for roughness in (0.2, 0.4, 0.6, 0.8, 1.0):
        for cosine in (0.3, 0.5, 0.8, 1.0):
            column = torch.tensor([[cosine]], dtype=torch.float64)
            colour = torch.full((1, 3), reflectance, dtype=torch.float64)
            ours = environment_brdf(colour, torch.full_like(column, roughness), column)[0, 0].item()
            exact = reference.environment_brdf(reflectance, roughness, cosine)
            assert ours == pytest.approx(exact, abs=tolerance), (roughness, cosine)


def test_srgb_is_the_standards_curve() -> None:
    """Known points, a round trip over all bytes, clipping, and a finite slope at black."""
    codes = torch.arange(256, dtype=torch.float64) / 255.0
    assert torch.allclose(linear_to_srgb(srgb_to_linear(codes)), codes, atol=1e-9)
    assert srgb_to_linear(torch.tensor(0.5)).item() == pytest.approx(0.21404, abs=1e-5)
    assert linear_to_srgb(torch.tensor([-1.0, 2.0])).tolist() == pytest.approx([0.0, 1.0])
    dark = torch.zeros(3, requires_grad=True)
    linear_to_srgb(dark).sum().backward()
    assert dark.grad is not None
    assert torch.allclose(dark.grad, torch.full((3,), 12.92))


def test_every_input_carries_a_gradient() -> None:
    """Base colour, roughness, metallic and normal can all be optimised."""
    light = EnvironmentLight.random(np.random.default_rng(6))
    inputs = [torch.full((8, 3), 0.5), torch.full((8, 1), 0.4), torch.full((8, 1), 0.2)]
    inputs.append(torch.from_numpy(directions(8)).float())
    for value in inputs:
        value.requires_grad_()
    view = torch.nn.functional.normalize(inputs[3].detach() + 0.2, dim=-1)
    shade(inputs[0], inputs[1], inputs[2], inputs[3], view, light).sum().backward()
    for value in inputs:
        assert value.grad is not None
        assert torch.isfinite(value.grad).all()
        assert (value.grad != 0).any()
