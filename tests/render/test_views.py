"""Canonical views: the same bytes always, textures the right way up, seams and outlines unseen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.asset import TexturedMesh
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight
from idto3d.render.views import render_view, sample_texture
from tests.reference.shapes import quad, sphere

CAMERA = Camera(distance=1000.0, fovy=0.2, target=(0.0, 0.0, 0.0), resolution=64)
LIGHT = EnvironmentLight.random(np.random.default_rng(11))


def textured(vertices: np.ndarray, faces: np.ndarray, uvs: np.ndarray, albedo: np.ndarray) -> TexturedMesh:
    material = np.zeros_like(albedo)
    material[..., 1] = 180
    return TexturedMesh(vertices, faces, uvs, albedo, material)


def ball() -> TexturedMesh:
    vertices, faces = sphere(70.0, 30)
    uvs = np.stack([0.5 + vertices[:, 0] / 150.0, 0.5 + vertices[:, 1] / 150.0], -1)
    albedo = np.random.default_rng(7).integers(40, 220, size=(32, 32, 3)).astype(np.uint8)
    return textured(vertices, faces, uvs, albedo)


def test_the_same_bytes_whatever_the_threads() -> None:
    """One, two and seven threads, and a second run, give identical colours, normals and masks."""
    before = torch.get_num_threads()
    views = []
    try:
        for threads in (1, 2, 7, 1):
            torch.set_num_threads(threads)
            views.append(render_view(ball(), CAMERA, LIGHT))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for view in views[1:]:
        for name in ("colour", "normals", "mask"):
            assert getattr(view, name).tobytes() == getattr(views[0], name).tobytes()


@pytest.mark.slow
def test_the_same_bytes_in_another_process(repository: Path) -> None:
    """Fresh processes with other thread settings draw the same picture."""
    script = (
        "import hashlib; from tests.render.test_views import *;"
        "v = render_view(ball(), CAMERA, LIGHT);"
        "print(hashlib.sha256(v.colour.tobytes() + v.normals.tobytes() + v.mask.tobytes()).hexdigest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(repository)},
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(printed) == 1


def test_shapes_and_types() -> None:
    """uint8 colour, float32 normals of unit length inside the mask, a boolean mask, grey around it."""
    view = render_view(ball(), CAMERA, LIGHT)
    assert view.colour.shape == (64, 64, 3)
    assert view.colour.dtype == np.uint8
    assert view.normals.dtype == np.float32
    assert view.mask.dtype == np.bool_
    assert np.allclose(np.linalg.norm(view.normals[view.mask], axis=-1), 1.0, atol=1e-5)
    assert (view.normals[~view.mask] == 0).all()
    assert (view.colour[0, 0] == 128).all()
    assert view.normals[32, 32, 2] > 0.99


def test_textures_are_the_right_way_up() -> None:
    """v = 1 is the texture's first row and the top of the picture; u grows to the right."""
    vertices, faces = quad(-60.0, 60.0, -60.0, 60.0)
    albedo = np.zeros((16, 16, 3), dtype=np.uint8)
    albedo[:8, :8, 0] = 255  # the upper left quarter is red
    albedo[8:, 8:, 2] = 255  # the lower right one blue
    mesh = textured(vertices, faces, np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), albedo)
    colour = render_view(mesh, CAMERA, EnvironmentLight.uniform(1.0)).colour.astype(int)
    upper_left, lower_right, upper_right = colour[20, 20], colour[44, 44], colour[20, 44]
    assert upper_left[0] > 200 > upper_left[2] + 100
    assert lower_right[2] > 200 > lower_right[0] + 100
    assert upper_right.max() < 70


def test_seams_are_not_seen() -> None:
    """A mesh with every face cut apart draws as the whole one does."""
    whole = ball()
    corners = whole.faces.reshape(-1)
    apart = textured(
        whole.vertices[corners], np.arange(len(corners)).reshape(-1, 3), whole.uvs[corners], whole.albedo
    )
    first, second = render_view(whole, CAMERA, LIGHT), render_view(apart, CAMERA, LIGHT)
    assert np.abs(first.colour.astype(int) - second.colour.astype(int)).max() <= 1
    assert np.abs(first.normals - second.normals).max() < 1e-3


def test_a_face_from_behind_is_lit_as_from_the_front() -> None:
    """A sheet that shows its back has the colour and the normal of one that faces the camera."""
    vertices, faces = quad(-60.0, 60.0, -60.0, 60.0)
    uvs = np.full((4, 2), 0.5)
    albedo = np.full((4, 4, 3), 150, dtype=np.uint8)
    front = render_view(textured(vertices, faces, uvs, albedo), CAMERA, LIGHT)
    back = render_view(textured(vertices, faces[:, ::-1].copy(), uvs, albedo), CAMERA, LIGHT)
    assert np.array_equal(front.colour, back.colour)
    assert np.allclose(front.normals, back.normals, atol=1e-6)


def test_more_samples_converge() -> None:
    """Two samples a side are nearer to many samples than one is."""
    many = render_view(ball(), CAMERA, LIGHT, supersample=6).colour.astype(float)
    errors = [
        np.abs(render_view(ball(), CAMERA, LIGHT, supersample=count).colour - many).mean()
        for count in (1, 2, 3)
    ]
    assert errors[0] > errors[1] > errors[2]
    with pytest.raises(ValueError, match="supersample 0"):
        render_view(ball(), CAMERA, LIGHT, supersample=0)


def test_bilinear_lookup_hits_texel_centres() -> None:
    """At a texel's centre the lookup is the texel; between two of them their mean, in linear light."""
    texture = np.array([[[0], [255]], [[255], [0]]], dtype=np.uint8)
    uv = torch.tensor([[0.25, 0.75], [0.75, 0.75], [0.25, 0.25], [0.5, 0.75], [-3.0, 9.0]])
    assert sample_texture(texture, uv, srgb=False)[:, 0].tolist() == pytest.approx([0.0, 1.0, 1.0, 0.5, 0.0])
    grey = np.full((2, 2, 1), 128, dtype=np.uint8)
    assert sample_texture(grey, uv, srgb=True)[0, 0].item() == pytest.approx(0.2158605, abs=1e-6)
