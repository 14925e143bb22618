"""Recipes of the shipped networks, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d_eval import training
from idto3d_eval.share_training import SHARES
from idto3d_eval.training import HELD_OUT, TRAININGS, measure_network, train_network
from idto3d_protocols.loader import load_protocol


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


def test_people_are_embedded_again_for_another_recogniser_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views, faces, weights = tmp_path / "views", tmp_path / "faces", tmp_path / "weights"
    for folder in (views, faces, weights):
        folder.mkdir()
    np.save(faces / "person.npy", np.repeat([3, 5], 2))
    (weights / "recogniser_a.onnx").write_bytes(b"one")
    asked: list[Path] = []

    def embedded(_: Path, weights: Path) -> np.ndarray:
        asked.append(weights)
        return np.full((4, 8), len(asked), np.float32)

    monkeypatch.setattr(training, "draw_data", lambda *_: faces)
    monkeypatch.setattr(training, "_embedded", embedded)
    for _ in range(2):
        training._embed_people(views, weights, 1, None)
    assert len(asked) == 1
    assert np.load(views / "embeddings.npy").shape == (2, 2, 8)
    (weights / "recogniser_a.onnx").write_bytes(b"another")
    training._embed_people(views, weights, 1, None)
    assert np.load(views / "embeddings.npy").max() == 2.0


def test_the_shares_that_efficiency_compares_have_recipes() -> None:
    rows = [row for row in load_protocol("efficiency").methods if row.weights is not None]
    assert [row.label for row in rows] == list(SHARES)
    assert [str(row.weights) for row in rows] == [f"weights/{name}" for name in SHARES]
    assert {name for name, recipe in TRAININGS.items() if recipe.module == "shares"} == SHARES.keys()
