"""Heads over the linear basis as a HeadAsset: a texture baked from vertex colours, expressions displaced."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from idto3d.asset import TexturedMesh
from idto3d.geometry.head_basis import HeadBasis
from idto3d.render.shading import linear_to_srgb
from idto3d.texture.bake import dilate, rasterise_atlas
from idto3d.texture.unwrap import Unwrapped

BASIS = "head_basis.npz"
TEXTURE_SIZE = 512
ROUGHNESS = 0.55  # of skin; the same everywhere: the basis knows none


def basis_meshes(
    basis: HeadBasis,
    neutral: NDArray[np.floating],
    albedo: NDArray[np.floating],
    expressions: Sequence[str],
    size: int = TEXTURE_SIZE,
) -> dict[str, TexturedMesh]:
    """One mesh an expression: the neutral head plus the mean head's displacement, all with one texture.

    Args:
        basis: whose topology and expressions they are.
        neutral: [V, 3] mm.
        albedo: [V, 3] linear RGB.
        expressions: names.
        size: texels along a side.

    Raises:
        UserError: the basis lacks an expression.
    """
    texels = rasterise_atlas(Unwrapped(basis.source, basis.uv_faces, basis.uvs), size)
    linear = texels.gather(basis.uv_faces, albedo[basis.source])
    image = np.zeros((size, size, 3), np.float32)
    image[texels.mask] = linear_to_srgb(torch.from_numpy(linear)).numpy()
    colour = np.asarray(np.rint(np.clip(dilate(image, texels.mask), 0.0, 1.0) * 255.0), np.uint8)
    surface = np.zeros((size, size, 3), np.uint8)
    surface[..., 0], surface[..., 1] = 255, round(ROUGHNESS * 255)
    return {
        name: TexturedMesh(
            vertices=np.asarray(neutral + basis.displacement(name), np.float64)[basis.source],
            faces=basis.uv_faces,
            uvs=basis.uvs.astype(np.float64),
            albedo=colour,
            roughness_metallic=surface,
        )
        for name in expressions
    }


def file_hashes(folder: Path, names: Sequence[str]) -> Mapping[str, str]:
    """sha256 of each weight file, by its name in the folder."""
    hashes = {}
    for name in names:
        with (folder / name).open("rb") as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes
