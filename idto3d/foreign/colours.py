"""Many coloured parts as one textured mesh: textures side by side, and a few texels for each painted face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from idto3d.asset import AssetError, TexturedMesh

MAX_SIDE = 4096  # texels of the joined texture
NUDGE = 1e-3  # how far a coordinate may leave its tile, as rounding does


@dataclass(frozen=True)
class Part:
    """A piece of a foreign mesh with one material.

    Args:
        vertices: [V, 3], any unit.
        faces: [F, 3].
        uvs: [V, 2], v up, of any tile; None where colours are on the corners.
        albedo: [S, S, 3] uint8 sRGB.
        roughness_metallic: [M, M, 3] uint8.
        corners: [F, 3, 3] uint8 sRGB, the colour of each face's corners; None where there is a texture.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    uvs: NDArray[np.float64] | None
    albedo: NDArray[np.uint8]
    roughness_metallic: NDArray[np.uint8]
    corners: NDArray[np.uint8] | None = None
    fixed: bool = False
    """Whether the texture must keep its texels: scaled, those of neighbouring faces would mix."""


def join_parts(parts: Sequence[Part]) -> TexturedMesh:
    """One mesh of all parts; its texture is a grid of theirs.

    Raises:
        AssetError: coordinates that cross tiles, or more painted faces than a texture can hold.
    """
    ready = [_painted(part) if part.corners is not None else _in_one_tile(part) for part in parts]
    if len(ready) == 1:
        only = ready[0]
        assert only.uvs is not None
        return TexturedMesh(only.vertices, only.faces, only.uvs, only.albedo, only.roughness_metallic)
    columns = math.ceil(math.sqrt(len(ready)))
    side = min(max(part.albedo.shape[0] for part in ready), MAX_SIDE // columns)
    albedo = np.zeros((side * columns, side * columns, 3), np.uint8)
    material = np.zeros_like(albedo)
    uvs, faces, first = [], [], 0
    for number, part in enumerate(ready):
        row, column = divmod(number, columns)
        cell = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
        share, albedo[cell] = _fitted(part, side)
        material[cell] = _resized(part.roughness_metallic, side)
        assert part.uvs is not None
        # A half texel is kept from the cell's border, so that no neighbour shines in; painted faces keep it.
        inner = part.uvs * share if part.fixed else (part.uvs * (side - 1) + 0.5) / side
        uvs.append((inner + np.array([column, columns - 1 - row])) / columns)
        faces.append(part.faces + first)
        first += len(part.vertices)
    vertices = np.concatenate([part.vertices for part in ready])
    return TexturedMesh(vertices, np.concatenate(faces), np.concatenate(uvs), albedo, material)


def _painted(part: Part) -> Part:
    """A part whose corner colours stand in a texture: two by two texels a face, their centres its corners.

    The fourth texel continues the other three, so that bilinear lookup is linear over the face.
    """
    assert part.corners is not None
    count = len(part.faces)
    columns = math.ceil(math.sqrt(count))
    side = 2 * columns
    if side > MAX_SIDE:
        raise AssetError(
            f"Found {count} faces with colours of their own, expected at most {(MAX_SIDE // 2) ** 2}; "
            "use fewer faces or a texture."
        )
    place = np.arange(count)
    row, column = 2 * (place // columns), 2 * (place % columns)
    albedo = np.zeros((side, side, 3), np.uint8)
    a, b, c = (part.corners[:, corner].astype(np.int64) for corner in range(3))
    albedo[row, column], albedo[row, column + 1], albedo[row + 1, column] = a, b, c
    albedo[row + 1, column + 1] = np.clip(b + c - a, 0, 255)
    across = np.stack([column, column + 1, column], axis=1) + 0.5  # [F, 3]
    down = np.stack([row, row, row + 1], axis=1) + 0.5
    uvs = np.stack([across / side, 1.0 - down / side], axis=2).reshape(-1, 2)
    vertices = part.vertices[part.faces].reshape(-1, 3)
    faces = np.arange(3 * count).reshape(-1, 3)
    return Part(vertices, faces, uvs, albedo, part.roughness_metallic, fixed=True)


def _in_one_tile(part: Part) -> Part:
    """A part with all coordinates in [0, 1]: each face that repeats the texture is moved into the first tile.

    Raises:
        AssetError: coordinates with NaN, or a face over more than one tile.
    """
    uvs = np.zeros((len(part.vertices), 2)) + 0.5 if part.uvs is None else part.uvs
    if uvs.shape != (len(part.vertices), 2) or not np.isfinite(uvs).all():
        raise AssetError("Found UVs with NaN, or not one a vertex, expected two finite coordinates each.")
    if uvs.min() >= -NUDGE and uvs.max() <= 1.0 + NUDGE:
        clipped = np.clip(uvs, 0.0, 1.0)
        return Part(part.vertices, part.faces, clipped, part.albedo, part.roughness_metallic)
    corners = uvs[part.faces]  # [F, 3, 2]
    moved = corners - np.floor(corners.min(axis=1, keepdims=True) + NUDGE)
    if moved.max() > 1.0 + NUDGE:
        raise AssetError(
            f"Found a face whose UVs reach to {moved.max():.2f} of a tile, expected each face within one; "
            "bake the texture into one tile."
        )
    vertices = part.vertices[part.faces].reshape(-1, 3)
    faces = np.arange(len(vertices)).reshape(-1, 3)
    return Part(vertices, faces, np.clip(moved.reshape(-1, 2), 0, 1), part.albedo, part.roughness_metallic)


def _fitted(part: Part, side: int) -> tuple[float, NDArray[np.uint8]]:
    """Which share of a cell's side a part's texture takes, and the cell with it in the lower left."""
    if not part.fixed:
        return 1.0, _resized(part.albedo, side)
    own = part.albedo.shape[0]
    if own > side:
        raise AssetError(
            f"Found {len(part.faces)} painted faces beside textures, expected at most {(side // 2) ** 2}; "
            "use fewer faces or one texture."
        )
    cell = np.zeros((side, side, 3), np.uint8)
    cell[side - own :, :own] = part.albedo
    return own / side, cell


def _resized(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if image.shape[0] == side:
        return image
    scaled = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(scaled, dtype=np.uint8)
