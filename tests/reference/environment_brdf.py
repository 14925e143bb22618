"""Slow reference for the split-sum environment BRDF: the integral itself, by quasi-Monte Carlo."""

from __future__ import annotations

import numpy as np


def environment_brdf(reflectance: float, roughness: float, cosine: float, count: int = 4096) -> float:
    """Directional albedo of a GGX surface under even light: equation 7 of Karis 2013, sampled by its normals.

    Schlick's Fresnel; Smith's masking in Schlick's form with k = alpha / 2 (ibid., equation 4, image light).
    """
    alpha = roughness**2
    index = np.arange(count) + 0.5
    u, angle = index / count, 2.0 * np.pi * np.modf(index * 0.6180339887498949)[0]
    cos_half = np.sqrt((1.0 - u) / (1.0 + (alpha**2 - 1.0) * u))
    sin_half = np.sqrt(np.maximum(1.0 - cos_half**2, 0.0))
    half = np.stack([sin_half * np.cos(angle), sin_half * np.sin(angle), cos_half], -1)
    view = np.array([np.sqrt(max(1.0 - cosine**2, 0.0)), 0.0, cosine])
    between = half @ view
    light = 2.0 * between[:, None] * half - view
    n_l = light[:, 2]
    lit = (n_l > 0.0) & (between > 0.0)
    k = alpha / 2.0
    masking = n_l / (n_l * (1.0 - k) + k) * cosine / (cosine * (1.0 - k) + k)
    fresnel = reflectance + (1.0 - reflectance) * (1.0 - np.clip(between, 0.0, 1.0)) ** 5
    values = fresnel * masking * between / np.maximum(cos_half * cosine, 1e-9)
    return float(np.where(lit, values, 0.0).mean())
