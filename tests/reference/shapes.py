"""Small meshes with known shape, wound outward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
Faces = NDArray[np.int64]


def sphere(
    radius: float, rings: int, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> tuple[Vertices, Faces]:
    """A closed sphere of `rings` bands and twice as many sectors, poles on the y axis."""
    sectors = 2 * rings
    polar = np.pi * np.arange(1, rings) / rings
    around = 2.0 * np.pi * np.arange(sectors) / sectors
    theta, phi = np.meshgrid(polar, around, indexing="ij")
    band = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1).reshape(
        -1, 3
    )
    vertices = np.concatenate([[[0.0, 1.0, 0.0]], band, [[0.0, -1.0, 0.0]]])
    last = len(vertices) - 1
    faces = []
    for sector in range(sectors):
        after = (sector + 1) % sectors
        faces.append((0, 1 + sector, 1 + after))
        for ring in range(rings - 2):
            here, below = 1 + ring * sectors, 1 + (ring + 1) * sectors
            faces.append((here + sector, below + sector, below + after))
            faces.append((here + sector, below + after, here + after))
        bottom = 1 + (rings - 2) * sectors
        faces.append((last, bottom + after, bottom + sector))
    return vertices * radius + np.asarray(centre), np.asarray(faces, dtype=np.int64)


def disc(radius: float, sectors: int, z: float = 0.0) -> tuple[Vertices, Faces]:
    """A flat disc in a plane of constant z, facing +Z."""
    angle = 2.0 * np.pi * np.arange(sectors) / sectors
    rim = np.stack([np.cos(angle), np.sin(angle), np.zeros(sectors)], -1) * radius
    vertices = np.concatenate([[[0.0, 0.0, 0.0]], rim]) + np.array([0.0, 0.0, z])
    first = 1 + np.arange(sectors)
    faces = np.stack([np.zeros(sectors, dtype=np.int64), first, np.roll(first, -1)], -1)
    return vertices, faces.astype(np.int64)


def quad(left: float, right: float, bottom: float, top: float, z: float = 0.0) -> tuple[Vertices, Faces]:
    """A rectangle in a plane of constant z, facing +Z; corners counter-clockwise from the bottom left."""
    vertices = np.array([[left, bottom, z], [right, bottom, z], [right, top, z], [left, top, z]])
    return vertices, np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int64)
