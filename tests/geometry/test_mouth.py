"""The mean head's mouth: it is cut, a dropping jaw opens it, and what is above the lips stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import idto3d
from idto3d.geometry.mean_head import MeanHead, load_mean_head
from idto3d.geometry.mouth import jaw_dropped, unfolded
from idto3d.geometry.spline_motion import SplineBasis, SplineLattice


@pytest.fixture(scope="module")
def head() -> MeanHead:
    return load_mean_head(Path(idto3d.__file__).parent / "weights" / "mean_head.npz")


def test_a_dropping_jaw_takes_lip_and_chin_along_and_nothing_above(head: MeanHead) -> None:
    moved = jaw_dropped(unfolded(head.landmarks, head.landmarks), head.landmarks)
    assert moved[66, 1] == pytest.approx(-1.0, abs=0.25)  # the lower lip's middle, down by one
    assert moved[8, 1] < -0.6  # the chin
    assert moved[8, 2] < 0.0  # and back
    assert np.abs(moved[27:36]).max() == 0.0  # the nose
    assert np.abs(moved[61:64]).max() == 0.0  # the upper lip


def test_a_lattice_draws_the_field_that_its_points_are_given(head: MeanHead) -> None:
    places = unfolded(head.mesh.vertices, head.landmarks)
    lattice = SplineLattice(places, 6.0, 6.0)
    wave = np.sin(lattice.places() / 40.0).astype(np.float32)
    drawn = SplineBasis([lattice], places)([torch.from_numpy(wave)]).numpy()
    assert np.abs(drawn - np.sin(places / 40.0)).max() < 0.02
