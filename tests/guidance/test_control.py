"""The mean head as a control: where it is seen, how it is drawn, how a denoiser reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import idto3d
from idto3d.errors import UserError
from idto3d.geometry.mean_head import MeanHead, load_mean_head
from idto3d.geometry.mesh import Mesh, save_mesh
from idto3d.guidance import base
from idto3d.guidance.control import UNIT, ControlView
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight
from idto3d.render.shading import linear_to_srgb
from tests.guidance.models import conditions

MEAN_HEAD = Path(idto3d.__file__).parent / "weights" / "mean_head.npz"
FRONT = Camera(resolution=64)


@pytest.fixture(scope="module")
def view() -> ControlView:
    return ControlView(load_mean_head(MEAN_HEAD))


def test_positions_project_back_to_their_own_pixels(view: ControlView) -> None:
    camera = replace(FRONT, yaw=0.5, pitch=0.2)
    control = view.look(camera)
    seen = np.abs(control[:3]).sum(0) > 0
    rows, columns = np.nonzero(seen)
    pixels = camera.project(control[:3, seen].T.astype(np.float64) * UNIT)
    assert seen.mean() > 0.1
    np.testing.assert_allclose(pixels, np.stack([columns + 0.5, rows + 0.5], 1), atol=0.01)


def test_the_mean_head_is_drawn_in_its_colour_and_as_normals(view: ControlView) -> None:
    control = view.look(FRONT, EnvironmentLight.uniform(1.0), "normals")
    assert control.shape == (9, 64, 64)
    seen = np.abs(control[:3]).sum(0) > 0
    assert not control[3:, ~seen].any()
    coloured = np.moveaxis(control[3:6], 0, 2)[seen]
    known = load_mean_head(MEAN_HEAD).albedo_at(np.moveaxis(control[:3], 0, 2)[seen] * UNIT)
    # In an even light of radiance 1 a surface shows its albedo.
    np.testing.assert_allclose(coloured, linear_to_srgb(torch.from_numpy(known)).numpy(), atol=1e-4)
    normal = 2.0 * control[6:, seen] - 1.0
    np.testing.assert_allclose(np.linalg.norm(normal, axis=0), 1.0, atol=1e-4)
    assert normal[2].mean() > 0.5  # towards the camera


def test_a_batch_is_its_views_one_by_one(view: ControlView) -> None:
    cameras = [FRONT, replace(FRONT, yaw=1.0)]
    light = EnvironmentLight.random(np.random.default_rng(1))
    together = view.looks(cameras, [light, "normals"])
    assert together.shape == (2, 6, 64, 64)
    np.testing.assert_array_equal(together[0], view.look(cameras[0], light))
    np.testing.assert_array_equal(together[1], view.look(cameras[1], "normals"))


def test_the_mean_colour_has_red_lips() -> None:
    head = load_mean_head(MEAN_HEAD)
    with np.load(MEAN_HEAD) as stored:
        landmarks = stored["landmarks"]
    cheek, lips = (
        head.albedo_at(np.array([[45.0, -45.0, -15.0]]))[0],
        head.albedo_at(landmarks[48:60]).mean(0),
    )

    assert lips[0] / lips[1] > 1.3 * cheek[0] / cheek[1]  # redder


def test_a_colour_is_mixed_from_its_nearest_points() -> None:
    corners = np.eye(3, dtype=np.float64)
    mesh = Mesh(corners, np.array([[0, 1, 2]]))
    head = MeanHead(
        mesh, corners.astype(np.float32), np.eye(3, dtype=np.float32), np.zeros((68, 3), np.float32)
    )
    middle, at = head.albedo_at(np.array([[1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(middle, 1 / 3, atol=1e-6)
    assert at[0] > 0.8


def test_a_mean_head_without_colours_is_refused(tmp_path: Path) -> None:
    save_mesh(tmp_path / "mean_head.npz", Mesh(np.eye(3), np.array([[0, 1, 2]])))
    with pytest.raises(UserError, match="bare mesh"):
        load_mean_head(tmp_path / "mean_head.npz")


def test_the_encoder_puts_the_control_beside_the_latents_and_asks_for_it() -> None:
    encoder, told = base.make_encoder().eval(), conditions(2)
    beside = encoder(told).beside
    assert beside.shape == (2, encoder.config.beside, 16, 16)
    moved = replace(told, control=told.control.roll(4, dims=3))
    torch.testing.assert_close(encoder(moved).beside, beside.roll(1, dims=3))
    with pytest.raises(ValueError, match="condition without a control"):
        encoder(replace(told, control=None))
