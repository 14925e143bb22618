"""Self-checks of mesh health: shapes whose answers are known, and faults that grow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.mesh_health import measure_mesh
from idto3d_eval.selfcheck.check import Check, Graded, Known

Floats = NDArray[np.float64]
Faces = NDArray[np.int64]
Shape = tuple[Floats, Faces, Floats]  # vertices [V, 3] mm, faces [F, 3], uvs [V, 2]

RADIUS = 80.0
HOLES = (0.0, 0.02, 0.1, 0.3)  # share of the faces taken out
NOISE_MM = (0.0, 1.0, 3.0, 9.0)
APART_MM = (200.0, 150.0, 100.0, 50.0)  # of two balls' middles; below 160 they meet
SHEAR = (0.0, 1.0, 3.0, 9.0)
SOUND: Mapping[str, float] = {
    "mesh_watertight": 1.0,
    "mesh_outward": 1.0,
    "mesh_components": 1.0,
    "mesh_open_edges": 0.0,
    "mesh_self_intersections": 0.0,
    "mesh_degenerate": 0.0,
    "mesh_slivers": 0.0,
}


def checks() -> Iterator[Check]:
    """All checks of mesh health."""
    ball, square = _ball(), _square()
    sound = _values(ball)
    for name, expected in SOUND.items():
        yield Known(name, "a ball", sound[name], expected, 0.0)
    yield Known("mesh_triangle_quality", "an equilateral triangle", _equilateral(), 1.0, 1e-9)
    yield Known(
        "mesh_watertight", "an open neck", _values(_with_holes(ball, 0.1))["mesh_watertight"], 0.0, 0.0
    )
    yield Known(
        "mesh_outward",
        "wound inward",
        _values((ball[0], ball[1][:, ::-1], ball[2]))["mesh_outward"],
        0.0,
        0.0,
    )
    yield from _layout(square)
    yield from _graded(ball, square)
    yield from _invariant(ball, sound)


def _layout(square: Shape) -> Iterator[Check]:
    vertices, faces, uvs = square
    for name, expected in (
        ("uv_coverage", 1.0),
        ("uv_overlap", 0.0),
        ("uv_stretch", 1.0),
        ("uv_unmapped", 0.0),
    ):
        yield Known(name, "a square over the whole texture", _values(square)[name], expected, 0.01)
    quarter = _values((vertices, faces, 0.5 * uvs))
    yield Known("uv_coverage", "a square over a quarter", quarter["uv_coverage"], 0.25, 0.01)
    yield Known("uv_stretch", "a square over a quarter", quarter["uv_stretch"], 1.0, 1e-6)
    twice = _values(_joined(square, (vertices + 200.0, faces, uvs)))
    yield Known("uv_overlap", "two squares on one place", twice["uv_overlap"], 1.0, 0.01)
    wide = _values((vertices * np.array([2.0, 0.5, 1.0]), faces, uvs))
    yield Known("uv_stretch", "twice as wide, half as high", wide["uv_stretch"], math.sqrt(2.125), 1e-6)
    point = _values((vertices, faces, np.full_like(uvs, 0.5)))
    yield Known("uv_unmapped", "all in one texel", point["uv_unmapped"], 1.0, 1e-9)
    yield Known("uv_stretch", "all in one texel: undefined", point["uv_stretch"], math.nan, 0.0)


def _graded(ball: Shape, square: Shape) -> Iterator[Check]:
    holes = [_values(_with_holes(ball, share)) for share in HOLES]
    yield Graded("mesh_open_edges", "faces taken out, share", HOLES, _of(holes, "mesh_open_edges"), "rises")
    yield Graded("mesh_watertight", "faces taken out, share", HOLES, _of(holes, "mesh_watertight"), "falls")
    rng = np.random.default_rng(0)
    push = rng.normal(size=ball[0].shape)
    noisy = [_values((ball[0] + amount * push, ball[1], ball[2])) for amount in NOISE_MM]
    quality = _of(noisy, "mesh_triangle_quality")
    yield Graded("mesh_triangle_quality", "noise of vertices, mm", NOISE_MM, quality, "falls")
    yield Graded("mesh_slivers", "noise of vertices, mm", NOISE_MM, _of(noisy, "mesh_slivers"), "rises")
    crossing = _of(noisy, "mesh_self_intersections")
    yield Graded("mesh_self_intersections", "noise of vertices, mm", NOISE_MM, crossing, "rises")
    shifts = [np.array([apart, 3.0, 1.0]) for apart in APART_MM]
    balls = [_values(_joined(ball, (ball[0] + shift, ball[1], ball[2]))) for shift in shifts]
    met = tuple(float(share > 0.0) for share in _of(balls, "mesh_self_intersections"))
    yield Graded(
        "mesh_self_intersections", "two balls' overlap, mm", tuple(200.0 - a for a in APART_MM), met, "rises"
    )
    yield Known("mesh_components", "two balls", balls[0]["mesh_components"], 2.0, 0.0)
    flat = [_values((ball[0], _with_flat(ball[1], count), ball[2])) for count in (0, 1, 10, 100)]
    degenerate = _of(flat, "mesh_degenerate")
    yield Graded("mesh_degenerate", "faces without area", (0.0, 1.0, 10.0, 100.0), degenerate, "rises")
    vertices, faces, uvs = square
    sheared = [
        _values((vertices + shear * vertices[:, 1:2] * np.array([1.0, 0.0, 0.0]), faces, uvs))
        for shear in SHEAR
    ]
    yield Graded("uv_stretch", "shear", SHEAR, _of(sheared, "uv_stretch"), "rises")


def _invariant(ball: Shape, sound: Mapping[str, float]) -> Iterator[Check]:
    vertices, faces, uvs = ball
    turn = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    order = np.random.default_rng(1).permutation(len(faces))
    split = (vertices[faces].reshape(-1, 3), np.arange(faces.size).reshape(-1, 3), uvs[faces].reshape(-1, 2))
    cases = {
        "turned": (vertices @ turn.T, faces, uvs),
        "faces in another order": (vertices, faces[order], uvs),
        "every edge a texture seam": split,
    }
    for case, shape in cases.items():
        for name, value in _values(shape).items():
            yield Known(name, case, value, sound[name], 1e-4)


def _values(shape: Shape) -> dict[str, float]:
    found: Mapping[str, Measurement] = measure_mesh(*shape)
    return {name: measured.value for name, measured in found.items()}


def _of(found: list[dict[str, float]], name: str) -> tuple[float, ...]:
    return tuple(one[name] for one in found)


def _equilateral() -> float:
    corners = np.array([[0.0, 0.0, 0.0], [40.0, 0.0, 0.0], [20.0, 20.0 * math.sqrt(3.0), 0.0]])
    return _values((corners, np.array([[0, 1, 2]]), corners[:, :2] / 50.0))["mesh_triangle_quality"]


def _ball() -> Shape:
    import trimesh

    mesh = trimesh.creation.icosphere(subdivisions=3, radius=RADIUS)
    vertices = np.asarray(mesh.vertices, np.float64)
    return vertices, np.asarray(mesh.faces, np.int64), 0.5 + 0.4 * vertices[:, :2] / RADIUS


def _square(cells: int = 8) -> Shape:
    line = np.linspace(0.0, 1.0, cells + 1)
    u, v = (part.ravel() for part in np.meshgrid(line, line))
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    below = np.c_[corner, corner + 1, corner + cells + 2]
    above = np.c_[corner, corner + cells + 2, corner + cells + 1]
    return np.c_[100.0 * u, 100.0 * v, np.zeros_like(u)], np.concatenate([below, above]), np.c_[u, v]


def _joined(one: Shape, other: Shape) -> Shape:
    return (
        np.concatenate([one[0], other[0]]),
        np.concatenate([one[1], other[1] + len(one[0])]),
        np.concatenate([one[2], other[2]]),
    )


def _with_holes(shape: Shape, share: float) -> Shape:
    """Faces taken out, the same ones and more as the share grows."""
    kept = np.random.default_rng(2).random(len(shape[1])) >= share
    return shape[0], shape[1][kept], shape[2]


def _with_flat(faces: Faces, count: int) -> Faces:
    return np.concatenate([faces, np.repeat(faces[:1, [0, 0, 1]], count, axis=0)])
