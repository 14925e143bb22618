"""Finished runs of the evaluation's fake stages, which tests and the workers that they start can import."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from idto3d.asset import AssetManifest, TexturedMesh, write_head_asset

FAKES = str(Path(__file__).parents[1] / "eval")
if FAKES not in sys.path:
    sys.path.insert(0, FAKES)
if FAKES not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [FAKES, os.environ.get("PYTHONPATH", "")]))


def finished(folder: Path, people: int, methods: str) -> Path:
    """A folder with a finished run of a small protocol."""
    from fake_stages import finished as made

    return Path(made(folder, people, methods))


def give_head(folder: Path, identity: str) -> None:
    """Put `good`'s head of a person into a run: one mesh for both expressions."""
    manifest = AssetManifest(method="good", identity=identity, seed=0, expressions=("neutral", "smile"))
    place = folder / f"heads/good/{identity}/seed-0"
    write_head_asset(place, {"neutral": square(0.0), "smile": square(9.0)}, manifest)


def square(shift: float, faces: int = 2, shade: int = 180) -> TexturedMesh:
    """A head that is a square before the face, one corner of it moved to the front."""
    corners = np.array([[-60.0, -90.0, 0.0], [60.0, -90.0, 0.0], [60.0, 40.0, shift], [-60.0, 40.0, 0.0]])
    return TexturedMesh(
        vertices=corners,
        faces=np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int64)[:faces],
        uvs=np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]),
        albedo=np.full((8, 8, 3), shade, dtype=np.uint8),
        roughness_metallic=np.full((8, 8, 3), 128, dtype=np.uint8),
    )
