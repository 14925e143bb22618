"""Checks of cost: counts and sizes that are known."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from idto3d_eval.metrics.cost import asset_size, guidance_calls, trainable_share
from idto3d_eval.selfcheck.check import Check, Graded, Known

TEXTURES = (8, 16, 32)


def checks() -> Iterator[Check]:
    """All checks of the family `cost`."""
    yield Known("guidance_calls", "3 images, 4 evaluations", float(guidance_calls(3, 4)), 12.0, 0.0)
    yield Known("trainable_share", "2 of 1,000", trainable_share(2, 1000).value, 0.002, 0.0)
    yield Known("trainable_share", "no base", trainable_share(2, 0).value, math.nan, 0.0)
    sizes = [_size_of(side) for side in TEXTURES]
    yield Known("triangles", "a square", float(sizes[0][1]), 2.0, 0.0)
    yield Known("texels", "a texture of 8 × 8", float(sizes[0][2]), 64.0, 0.0)
    yield Known("asset_bytes", "the files themselves", float(sizes[0][0]), float(sizes[0][3]), 0.0)
    grown = tuple(float(side) for side in TEXTURES)
    columns = [tuple(float(own[place]) for own in sizes) for place in (0, 2)]
    yield Graded("asset_bytes", "side of a noisy texture", grown, columns[0], "rises")
    yield Graded("texels", "side of a noisy texture", grown, columns[1], "rises")


def _size_of(side: int) -> tuple[int, int, int, int]:
    """Bytes, triangles and texels of a square with a texture of noise, and the bytes that lie on disk."""
    from idto3d.asset import AssetManifest, TexturedMesh, write_head_asset

    corners = np.array([[-60.0, -90.0, 0.0], [60.0, -90.0, 0.0], [60.0, 40.0, 0.0], [-60.0, 40.0, 0.0]])
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    uvs = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    mesh = TexturedMesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), uvs, noise, np.full_like(noise, 128))
    with tempfile.TemporaryDirectory(prefix="idto3d-check-") as folder:
        asset = Path(folder) / "head"
        manifest = AssetManifest(method="square", identity="check", seed=0, expressions=("neutral", "smile"))
        write_head_asset(asset, {"neutral": mesh, "smile": mesh}, manifest)
        on_disk = sum(path.stat().st_size for path in asset.glob("*.glb"))
        return (*asset_size(asset), on_disk)
