"""The mean head as a control: where it is seen, what it says of place and light, how a denoiser reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import idto3d
from idto3d.geometry.mesh import load_mesh
from idto3d.guidance import base
from idto3d.guidance.control import PAPER, UNIT, ControlView
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight
from tests.guidance.models import conditions

MEAN_HEAD = Path(idto3d.__file__).parent / "weights" / "mean_head.npz"
FRONT = Camera(resolution=64)


@pytest.fixture(scope="module")
def view() -> ControlView:
    return ControlView(load_mesh(MEAN_HEAD))


def test_positions_project_back_to_their_own_pixels(view: ControlView) -> None:
    camera = replace(FRONT, yaw=0.5, pitch=0.2)
    control = view.look(camera)
    seen = np.abs(control[:3]).sum(0) > 0
    rows, columns = np.nonzero(seen)
    pixels = camera.project(control[:3, seen].T.astype(np.float64) * UNIT)
    assert seen.mean() > 0.1
    np.testing.assert_allclose(pixels, np.stack([columns + 0.5, rows + 0.5], 1), atol=0.01)


def test_light_is_zero_untold_and_the_colour_of_paper_where_it_is_even(view: ControlView) -> None:
    assert not view.look(FRONT)[3:].any()
    lit = view.look(FRONT, EnvironmentLight.uniform(1.0))
    seen = np.abs(lit[:3]).sum(0) > 0
    expected = 1.055 * PAPER ** (1 / 2.4) - 0.055  # sRGB
    np.testing.assert_allclose(lit[3:, seen], expected, atol=1e-4)
    assert not lit[3:, ~seen].any()


def test_a_batch_is_its_views_one_by_one(view: ControlView) -> None:
    cameras = [FRONT, replace(FRONT, yaw=1.0)]
    lights = [EnvironmentLight.random(np.random.default_rng(i)) for i in range(2)]
    together = view.looks(cameras, lights)
    assert together.shape == (2, 6, 64, 64)
    np.testing.assert_array_equal(together[1], view.look(cameras[1], lights[1]))


def test_the_encoder_puts_the_control_beside_the_latents_and_asks_for_it() -> None:
    encoder, told = base.make_encoder().eval(), conditions(2)
    beside = encoder(told).beside
    assert beside.shape == (2, encoder.config.beside, 16, 16)
    moved = replace(told, control=told.control.roll(4, dims=3))
    torch.testing.assert_close(encoder(moved).beside, beside.roll(1, dims=3))
    with pytest.raises(ValueError, match="condition without a control"):
        encoder(replace(told, control=None))
