"""Training the readers: labels that follow the augmentation, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.expressions import ARKIT_ACTIONS
from idto3d.identity.reader import load_reader
from idto3d.train import readers
from idto3d.train.reader_data import (
    MIRRORED_ACTIONS,
    MIRRORED_LANDMARKS,
    ReaderArrays,
    augment,
    load_arrays,
    to_tensors,
)
from idto3d.train.readers import RECIPES, reading_loss, train_reader


def dotted(count: int, side: int = 160) -> ReaderArrays:
    """Crops with one white dot, at which all 68 landmarks lie, amid a wide frame of them."""
    random = np.random.default_rng(0)
    crops = np.zeros((count, side, side, 3), np.uint8)
    landmarks = np.zeros((count, 68, 2), np.float32)
    for i in range(count):
        x, y = random.integers(60, 100, 2)
        crops[i, y - 2 : y + 3, x - 2 : x + 3] = 255
        landmarks[i] = (np.array([x, y]) + 0.5) / side
        landmarks[i, 0], landmarks[i, 16] = landmarks[i, 0] - 0.15, landmarks[i, 16] + 0.15
    attributes = random.integers(0, 2, (count, len(Attributes.GROUPS)))
    return ReaderArrays(
        crops, landmarks, np.arange(count) % 4 > 0, random.random((count, 52)).astype(np.float32), attributes
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rows = tmp_path_factory.mktemp("crops"), dotted(64)
    for name in ("crops", "landmarks", "present", "actions", "attributes"):
        np.save(folder / f"{name}.npy", getattr(rows, name))
    np.save(folder / "person.npy", np.arange(64) // 8)
    return folder


def test_landmarks_follow_the_image() -> None:
    """However a crop is moved, scaled, turned and mirrored, the landmarks stay on the dot."""
    rows = dotted(40)
    out = augment(rows, np.random.default_rng(1))
    misses = []
    for crop, landmarks in zip(out.crops, out.landmarks, strict=True):
        weight = (crop.astype(float).min(-1) - crop.min(-1).mean()).clip(min=0) ** 2
        x, y = landmarks[30] * 112
        window = weight[max(0, int(y) - 6) : int(y) + 7, max(0, int(x) - 6) : int(x) + 7]
        if not (8 < x < 104 and 8 < y < 104) or window.max() < 100**2:
            continue  # outside, or painted over
        ys, xs = np.mgrid[int(y) - 6 : int(y) + 7, int(x) - 6 : int(x) + 7] + 0.5
        misses.append(
            np.hypot((window * xs).sum() / window.sum() - x, (window * ys).sum() / window.sum() - y)
        )
    assert len(misses) > 20
    assert np.median(misses) < 0.3


def test_mirroring_twice_is_nothing() -> None:
    """Landmarks and actions have one mirror image each; the jaw's end becomes the other end."""
    assert np.array_equal(MIRRORED_LANDMARKS[MIRRORED_LANDMARKS], np.arange(68))
    assert np.array_equal(MIRRORED_ACTIONS[MIRRORED_ACTIONS], np.arange(52))
    assert MIRRORED_LANDMARKS[0] == 16
    left = ARKIT_ACTIONS.index("mouthSmileLeft")
    assert ARKIT_ACTIONS[MIRRORED_ACTIONS[left]] == "mouthSmileRight"


def test_labels_of_absent_faces_do_not_count() -> None:
    """Where no face is, landmarks, actions and attributes leave the loss alone."""
    rows = dotted(8)
    rows = ReaderArrays(
        rows.crops[:, :112, :112], rows.landmarks, np.zeros(8, bool), rows.actions, rows.attributes
    )
    tensors = to_tensors(rows)
    outputs = [
        torch.rand(8, 136),
        torch.full((8, 1), -20.0),
        torch.rand(8, 52),
        torch.rand(8, Attributes.dimension),
    ]
    assert float(reading_loss(tuple(outputs), tensors, 0.1)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", list(RECIPES))
def test_training_writes_what_the_reader_reads(
    data: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reader is trained on its own half of the people and reads crops afterwards."""
    monkeypatch.setattr(readers, "BATCH", 8)
    path = train_reader(name, data, tmp_path, minutes=1, steps=2, threads=1)
    reader = load_reader(path)
    landmarks, presence, actions, attributes = reader.read_crops(np.zeros((3, 112, 112, 3), np.uint8))
    assert landmarks.shape == (3, 68, 2)
    assert actions.shape == (3, 52)
    assert ((presence >= 0) & (presence <= 1)).all()
    np.testing.assert_allclose(attributes.sum(1), len(Attributes.GROUPS), rtol=1e-5)
    card = json.loads((tmp_path / f"{name}.card.json").read_text())
    assert card["training"]["crops"] == 31  # 4 of 8 people x 8 crops, less one held out
    assert path.stat().st_size < 15 * 2**20


def test_the_two_readers_share_no_person(data: Path) -> None:
    """Of one folder, the halves are disjoint and together all of it."""
    halves = [set(readers._own_rows(data, recipe, 64)) for recipe in RECIPES.values()]
    assert halves[0].isdisjoint(halves[1])
    assert len(halves[0] | halves[1]) == 64


def test_wrong_input_gets_a_sentence(data: Path, tmp_path: Path) -> None:
    """Unknown name, a missing array, an array of another shape."""
    with pytest.raises(UserError, match="expected one of reader_methods, reader_scoring"):
        train_reader("reader", data, tmp_path, minutes=1)
    with pytest.raises(UserError, match=r"Found no crops.npy"):
        load_arrays(tmp_path)
    for name in ("crops", "landmarks", "present", "actions"):
        np.save(tmp_path / f"{name}.npy", np.load(data / f"{name}.npy"))
    np.save(tmp_path / "attributes.npy", np.zeros((64, 2), np.int64))
    with pytest.raises(UserError, match=r"Found attributes of shape \(64, 2\)"):
        load_arrays(tmp_path)
