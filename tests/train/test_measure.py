"""Held-out figures, written into cards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.train import networks
from idto3d.train.cards import write_card
from idto3d.train.measure import measure_reader, measure_recogniser
from idto3d.train.reader_networks import OUTPUTS, ScoringReader

PLAIN = {"mean": [127.5] * 3, "std": [127.5] * 3, "colour": "RGB", "mirrored_sum": False}


def test_recogniser_figures_reach_the_card(tmp_path: Path) -> None:
    """Measured figures are added under their name; what the card said before stays."""
    weights = tmp_path / "r.onnx"
    networks.export_onnx(networks.SeparableRecogniser(), weights, ["embedding"])
    write_card(
        weights, task="recognition", preprocessing=PLAIN, training={"people": 7}, measured={"before": {}}
    )
    random = np.random.default_rng(0)
    faces = (
        random.integers(0, 256, (50, 1, 112, 112, 3), dtype=np.uint8).repeat(2, 1).reshape(100, 112, 112, 3)
    )
    np.save(tmp_path / "aligned.npy", faces)
    np.save(tmp_path / "person.npy", np.repeat(np.arange(50), 2))
    np.save(tmp_path / "attributes.npy", np.zeros((100, len(Attributes.GROUPS)), np.int64))
    found = measure_recogniser(weights, tmp_path)
    assert found["rank1"] == 1.0  # each person's two photos are the same
    assert found["impostor_pairs"] == found["impostor_pairs_matched"] == 100 * 99 // 2 - 50
    card = json.loads((tmp_path / "r.card.json").read_text())
    assert card["measured"] == {"before": {}, "heldout": found}
    assert card["training"] == {"people": 7}


def test_reader_figures_reach_the_card(tmp_path: Path) -> None:
    """Photos are read in all passes; coverage and the rest are written."""
    weights = tmp_path / "reader.onnx"
    network = ScoringReader(Attributes.dimension)
    network.presence.bias.data.fill_(20.0)  # sees a face everywhere
    networks.export_onnx(network, weights, OUTPUTS)
    write_card(weights, task="reading", preprocessing=PLAIN, training={}, measured={})
    random = np.random.default_rng(0)
    np.save(tmp_path / "photos.npy", random.integers(0, 256, (4, 128, 128, 3), dtype=np.uint8))
    np.save(tmp_path / "landmarks.npy", random.random((4, 68, 2)))
    np.save(tmp_path / "present.npy", np.array([True, True, True, False]))
    np.save(tmp_path / "actions.npy", np.zeros((4, 52), np.float32))
    np.save(tmp_path / "attributes.npy", np.zeros((4, len(Attributes.GROUPS)), np.int64))
    found = measure_reader(weights, tmp_path)
    assert found["faces"] == 3
    assert 0 <= float(str(found["coverage"])) <= 1
    assert json.loads((tmp_path / "reader.card.json").read_text())["measured"]["heldout"] == found


def test_missing_data_gets_a_sentence(tmp_path: Path) -> None:
    """The sentence names the array that is not there."""
    with pytest.raises(UserError, match=r"Found no photos.npy"):
        measure_reader(tmp_path / "reader.onnx", tmp_path)
