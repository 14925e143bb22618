"""Small heads with texture seams, whose expressions have known shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.asset import AssetManifest, TexturedMesh, write_head_asset
from idto3d.geometry.mesh import Mesh
from idto3d.texture.unwrap import unwrap
from tests.reference.shapes import sphere


def puffed(points: NDArray[np.float64], amount: float) -> NDArray[np.float64]:
    """A bulge of `amount` mm at the front of a sphere, smooth, along the sphere's normals."""
    towards = points / np.linalg.norm(points, axis=1, keepdims=True)
    return points + amount * towards * np.exp(-4.0 * (1.0 - towards[:, 2:]))


def stretched(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A fifth taller: an ellipsoid."""
    return points * np.array([1.0, 1.2, 1.0])


def head(rings: int = 12, radius: float = 90.0) -> TexturedMesh:
    """A sphere with an xatlas layout and maps of 32 × 32 texels."""
    vertices, faces = sphere(radius, rings)
    layout = unwrap(Mesh(vertices, faces), 128)
    assert len(layout.source) > len(vertices)  # seams are there
    random = np.random.default_rng(0)
    return TexturedMesh(
        vertices=vertices[layout.source],
        faces=layout.faces,
        uvs=layout.uvs.astype(np.float64),
        albedo=random.integers(0, 256, (32, 32, 3), dtype=np.uint8),
        roughness_metallic=random.integers(0, 256, (32, 32, 3), dtype=np.uint8),
    )


def write_head(folder: Path, **meshes: TexturedMesh) -> Path:
    """A HeadAsset of the meshes given by expression."""
    manifest = AssetManifest(method="made", identity="nobody", seed=0, expressions=tuple(meshes))
    write_head_asset(folder, meshes, manifest)
    return folder
