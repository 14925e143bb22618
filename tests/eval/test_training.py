"""Recipes of the shipped networks, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from idto3d.errors import UserError
from idto3d_eval.training import HELD_OUT, TRAININGS, measure_network, train_network


def test_no_training_takes_longer_than_75_minutes_and_none_sees_held_out_people() -> None:
    assert all(recipe.minutes <= 75 for recipe in TRAININGS.values())
    assert not {recipe.data.split for recipe in TRAININGS.values()} & {"heldout", "validation"}
    assert {recipe.split for recipe in HELD_OUT.values()} == {"heldout"}


def test_the_people_that_cards_are_measured_on_are_no_protocols_people() -> None:
    assert all(recipe.start >= 1000 for recipe in HELD_OUT.values())


def test_unknown_and_missing_networks_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Found no training called 'hair'"):
        train_network("hair", tmp_path)
    with pytest.raises(UserError, match="Found no recogniser or reader called 'base'"):
        measure_network("base", tmp_path)
    with pytest.raises(UserError, match=r"Found no recogniser_b\.onnx"):
        measure_network("recogniser_b", tmp_path)
    with pytest.raises(UserError, match="Found no base model"):
        train_network("geometry", tmp_path)
