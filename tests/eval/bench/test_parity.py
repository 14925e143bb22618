"""Parity of rasterisers: the third opinion is right, a wrong one fails, an absent one is no failure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from idto3d.render import backend, embree
from idto3d.render.backend import Visibility, scene_of
from idto3d.render.camera import Camera
from idto3d_eval.bench import zbuffer
from idto3d_eval.bench.parity import agreement, bounds_of, compare_backends
from idto3d_eval.cli import Settings, app
from tests.reference import ray_triangle
from tests.reference.shapes import sphere

CAMERA = Camera(
    yaw=0.4, pitch=-0.2, roll=0.3, distance=500.0, fovy=0.5, target=(8.0, -5.0, 0.0), resolution=24
)


def bumpy() -> tuple[torch.Tensor, torch.Tensor]:
    vertices, faces = sphere(90.0, 7)
    vertices = vertices * (1.0 + 0.2 * np.random.default_rng(3).normal(size=(len(vertices), 1)))
    return torch.from_numpy(vertices), torch.from_numpy(faces)


def test_the_depth_buffer_sees_what_rays_see() -> None:
    """Every pixel against every triangle, by 3 by 3 systems, gives the same float64 numbers."""
    vertices, faces = bumpy()
    seen = zbuffer.Scene(vertices, faces).visibility(CAMERA)
    triangle, barycentric, depth = ray_triangle.first_hits(vertices.numpy(), faces.numpy(), CAMERA)
    assert np.array_equal(seen.triangle.numpy(), triangle)
    assert np.abs(seen.barycentric.numpy() - barycentric).max() < 1e-6
    assert np.array_equal(seen.depth.numpy(), depth.astype(np.float32))


def test_a_rasteriser_agrees_with_itself_and_a_wrong_one_does_not() -> None:
    vertices, faces = bumpy()
    seen = scene_of(vertices.float(), faces).visibility(CAMERA)
    bounds = bounds_of("embree", "z-buffer", CAMERA.resolution)
    same = agreement([(seen, seen)])
    assert all(bounds[name].holds(value) for name, value in same.items())
    wrong = {
        "differ": Visibility(seen.triangle.flip(0), seen.barycentric.flip(0), seen.depth.flip(0)),
        "iou": Visibility(seen.triangle.flip(1), seen.barycentric.flip(1), seen.depth.flip(1)),
        "barycentric": Visibility(seen.triangle, seen.barycentric.roll(1, -1), seen.depth),
        "depth": Visibility(seen.triangle, seen.barycentric, 1.001 * seen.depth),
    }
    for name, view in wrong.items():
        assert not bounds[name].holds(agreement([(seen, view)])[name]), name


def test_rounding_as_nvdiffrast_rounds_is_within_its_bound_and_beyond_the_others() -> None:
    """A coarser grid for corners moves edges: allowed to the one that does it, to no other."""
    exact, rounded = bounds_of("embree", "z-buffer", 512), bounds_of("embree", "nvdiffrast", 512)
    assert rounded["differ"].value > 0.0044 > exact["differ"].value
    assert bounds_of("nvdiffrast", "z-buffer", 128)["differ"].value > 0.018


def test_the_command_prints_each_bound_and_says_what_is_missing() -> None:
    result: Any = CliRunner().invoke(
        app, ["bench", "rasterisers", "--resolution", "64", "--json"], obj=Settings()
    )
    rows = json.loads(result.stdout)
    assert result.exit_code == 0, rows
    assert len(rows) == 3 * 4
    assert all(row["bound"] for row in rows)
    measured = [row for row in rows if row["rasterisers"] == "embree, z-buffer"]
    assert {row[""] for row in measured} == {"ok"}
    if not torch.cuda.is_available():
        others = [row for row in rows if row not in measured]
        assert {row["found"] for row in others} == {"not measured"}
        assert all("nvdiffrast" in row[""] for row in others)


def test_a_backend_that_disagrees_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shifted:
        def __init__(self, vertices: torch.Tensor, faces: torch.Tensor) -> None:
            self._scene = embree.Scene(vertices.numpy(), faces.numpy())

        def visibility(self, camera: Camera) -> Visibility:
            return self._scene.visibility(replace(camera, yaw=camera.yaw + 0.01))

    wrong = replace(backend.BACKENDS["cpu"], name="shifted", scene=Shifted)
    monkeypatch.setitem(backend.BACKENDS, "cpu", wrong)
    failed = {figure.bound.name for figure in compare_backends(48) if figure.failed}
    assert "pixels whose triangle differs" in failed
