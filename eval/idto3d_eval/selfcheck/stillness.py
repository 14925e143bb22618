"""Checks of what no expression moves: true heads do not drift there; moved, noisy and recoloured ones do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.stillness import is_still, still_drift
from idto3d_eval.selfcheck.check import Check, Graded, Known

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh

Floats = NDArray[np.float64]

SHAPE, ALBEDO = "still_drift", "still_albedo_drift"
MOVED = (0.0, 0.5, 1.0, 2.0, 4.0)  # mm
NOISE = (0.0, 4.0, 8.0, 16.0, 32.0)  # of 255
SEED = 3


def checks() -> Iterator[Check]:
    """All checks of this file."""
    from idto3d.population.people import draw_person
    from idto3d.population.truth import true_meshes

    heads = true_meshes(draw_person("validation", 0), ("neutral", "laugh", "surprise"))
    neutral = heads["neutral"]
    for name in ("neutral", "laugh", "surprise"):
        shape, albedo = still_drift(neutral, heads[name])
        yield Known(SHAPE, f"the true head, {name}", shape.value, 0.0, 0.01)
        yield Known(ALBEDO, f"the true head, {name}", albedo.value, 0.0, 0.05)
    shape, albedo = still_drift(neutral, _split(heads["laugh"]))
    yield Known(SHAPE, "the true head, laugh, each triangle cut in four", shape.value, 0.0, 0.01)
    yield Known(ALBEDO, "the true head, laugh, each triangle cut in four", albedo.value, 0.0, 0.05)
    face = replace(neutral, faces=neutral.faces[~is_still(neutral.vertices)[neutral.faces].any(axis=1)])
    for name, measured in zip((SHAPE, ALBEDO), still_drift(face, face), strict=True):
        yield Known(name, "a face without a skull", measured.value, math.nan, 0.0)
    grown = [still_drift(neutral, _grown(neutral, by))[0].value for by in MOVED]
    yield Graded(SHAPE, "the skull grown, mm", MOVED, tuple(grown), "rises")
    rough = [still_drift(neutral, _rough(neutral, by))[0].value for by in MOVED]
    yield Graded(SHAPE, "noise of the vertices, mm", MOVED, tuple(rough), "rises")
    noisy = [still_drift(neutral, _noisy(neutral, by))[1].value for by in NOISE]
    yield Graded(ALBEDO, "noise of the albedo, of 255", NOISE, tuple(noisy), "rises")


def _grown(mesh: TexturedMesh, by: float) -> TexturedMesh:
    """The head with its back pushed outward along the head's own radius."""
    radius = np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    moved = mesh.vertices + by * mesh.vertices / np.maximum(radius, 1.0)
    return replace(mesh, vertices=np.where(is_still(mesh.vertices)[:, None], moved, mesh.vertices))


def _rough(mesh: TexturedMesh, by: float) -> TexturedMesh:
    noise = np.random.default_rng(SEED).normal(size=mesh.vertices.shape)
    return replace(mesh, vertices=mesh.vertices + by * noise)


def _noisy(mesh: TexturedMesh, by: float) -> TexturedMesh:
    noise = np.random.default_rng(SEED).normal(size=mesh.albedo.shape) * by
    return replace(mesh, albedo=np.clip(np.rint(mesh.albedo + noise), 0, 255).astype(np.uint8))


def _split(mesh: TexturedMesh) -> TexturedMesh:
    """The same surface and texture with each triangle cut in four at the middles of its sides."""
    corners, uvs = mesh.vertices[mesh.faces], mesh.uvs[mesh.faces]  # [F, 3, 3], [F, 3, 2]

    def cut(values: Floats) -> Floats:
        a, b, c = values[:, 0], values[:, 1], values[:, 2]
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
        return np.concatenate([np.stack(part, axis=1) for part in parts]).reshape(-1, values.shape[-1])

    vertices = cut(corners)
    faces = np.arange(len(vertices)).reshape(-1, 3)
    return replace(mesh, vertices=vertices, faces=faces, uvs=cut(uvs))
