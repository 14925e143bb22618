"""Training the recognisers: losses, resuming, what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.errors import UserError
from idto3d.identity.recogniser import load_recogniser
from idto3d.train.augmentation import augment, to_input
from idto3d.train.loops import Budget, epoch_batch, one_cycle
from idto3d.train.recognisers import (
    RECIPES,
    MarginClassifier,
    arcface,
    embed,
    train_recogniser,
)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 people of 8 noisy photos each: one colour pattern a person."""
    import cv2

    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("faces")
    patterns = [cv2.resize(random.normal(0, 40, (5, 5, 3)), (112, 112)) for _ in range(30)]
    photos = [128 + p + random.normal(0, 20, (112, 112, 3)) for p in patterns for _ in range(8)]
    np.save(folder / "aligned.npy", np.clip(photos, 0, 255).astype(np.uint8))
    np.save(folder / "person.npy", np.repeat(np.arange(30), 8).astype(np.int32))
    return folder


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, recipe in list(RECIPES.items()):
        monkeypatch.setitem(RECIPES, name, replace(recipe, batch=16))


def test_arcface_turns_the_angle() -> None:
    """cos(theta) becomes cos(theta + m), and goes on falling where theta + m would pass pi."""
    theta = torch.linspace(0.05, 3.1, 50, dtype=torch.float64)
    turned = arcface(torch.cos(theta), 0.4)
    inside = theta < torch.pi - 0.4
    torch.testing.assert_close(turned[inside], torch.cos(theta + 0.4)[inside], rtol=0, atol=1e-5)
    assert (turned.diff() < 1e-3).all()


@pytest.mark.parametrize("name", list(RECIPES))
def test_margin_makes_the_task_harder(name: str) -> None:
    """The loss grows with the margin, and only the right class is touched by it."""
    torch.manual_seed(0)
    classifier = MarginClassifier(7, RECIPES[name])
    embedding, person = torch.randn(5, RECIPES[name].network.dimension), torch.arange(5)
    losses = [float(classifier(embedding, person, margin)) for margin in (0.0, 0.2, 0.4)]
    assert losses == sorted(losses)
    plain = torch.nn.functional.normalize(embedding) @ torch.nn.functional.normalize(classifier.weight).T
    expected = torch.nn.functional.cross_entropy(plain * RECIPES[name].scale, person)
    assert losses[0] == pytest.approx(float(expected), rel=1e-4)


def test_augmentation_is_the_generators_alone() -> None:
    """The same generator gives the same faces, another gives others; the originals stay as they are."""
    faces = np.random.default_rng(0).integers(0, 256, (6, 112, 112, 3), dtype=np.uint8)
    before = faces.copy()
    first, again, other = (augment(faces, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(faces, before)


def test_every_sample_once_an_epoch() -> None:
    """An epoch's batches are disjoint, and the next epoch's order differs."""
    first = np.concatenate([epoch_batch(3, step, 100, 10) for step in range(10)])
    second = epoch_batch(3, 10, 100, 10)
    assert sorted(first) == list(range(100))
    assert not np.array_equal(second, epoch_batch(3, 0, 100, 10))


def test_the_rate_rises_and_falls() -> None:
    """One cycle: from low to one, and down again."""
    rates = [one_cycle(p) for p in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(rates[-1]) == pytest.approx(0.01)
    assert max(rates) == pytest.approx(1.0)
    assert Budget(2.0).progress(5, 60.0) == 0.5
    assert Budget(2.0, steps=10).progress(5, 1e9) == 0.5


@pytest.mark.parametrize("name", list(RECIPES))
def test_training_writes_what_insightface_reads(faces: Path, tmp_path: Path, name: str) -> None:
    """A few steps give an ONNX that embeds as the network did, with a card of its hash; again is a no-op."""
    path = train_recogniser(name, faces, tmp_path, minutes=1, steps=4, threads=1)
    recogniser = load_recogniser(path)
    assert recogniser.embed(np.load(faces / "aligned.npy")[:3]).shape == (3, RECIPES[name].network.dimension)
    card = json.loads((tmp_path / f"{name}.card.json").read_text())
    assert card["training"]["people"] == 27
    assert card["training"]["steps"] == 4
    assert card["measured"]["validation"]["people"] == 3
    before = path.read_bytes()
    assert train_recogniser(name, faces, tmp_path, minutes=1, steps=4, threads=1).read_bytes() == before


def test_resumed_run_equals_an_undisturbed_one(faces: Path, tmp_path: Path) -> None:
    """Stopped at a checkpoint and run on, the weights are those of one run, given the same schedule."""
    from idto3d.train import recognisers

    class Stopped(Exception):
        pass

    whole = train_recogniser("recogniser_b", faces, tmp_path / "whole", minutes=1, steps=6, threads=1)
    calls, real = [], recognisers.augment

    def stop_later(some: np.ndarray, random: np.random.Generator, whole: bool) -> np.ndarray:
        calls.append(1)
        if len(calls) > 4:
            raise Stopped
        return real(some, random, whole)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("idto3d.train.loops.CHECKPOINT_SECONDS", 0.0)
        patch.setattr(recognisers, "augment", stop_later)
        with pytest.raises(Stopped):
            train_recogniser("recogniser_b", faces, tmp_path / "parts", minutes=1, steps=6, threads=1)
    assert (tmp_path / "parts" / "recogniser_b.checkpoint").exists()
    parts = train_recogniser("recogniser_b", faces, tmp_path / "parts", minutes=1, steps=6, threads=1)
    some = np.load(faces / "aligned.npy")[:4]
    assert np.array_equal(load_recogniser(whole).embed(some), load_recogniser(parts).embed(some))


def test_onnx_embeds_as_the_network_does(tmp_path: Path) -> None:
    """torch and onnxruntime agree to a thousandth of a cosine."""
    from idto3d.train.networks import ResidualRecogniser, export_onnx

    torch.manual_seed(0)
    network = ResidualRecogniser().eval()
    export_onnx(network, tmp_path / "r.onnx", ["embedding"])
    some = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    np.testing.assert_allclose(
        load_recogniser(tmp_path / "r.onnx").embed(some), embed(network, some), atol=1e-4
    )
    assert to_input(some).shape == (3, 3, 112, 112)


def test_wrong_input_gets_a_sentence(faces: Path, tmp_path: Path) -> None:
    """Unknown name, no data, wrong arrays, and a checkpoint of other settings."""
    with pytest.raises(UserError, match="expected one of recogniser_a, recogniser_b"):
        train_recogniser("recogniser_c", faces, tmp_path, minutes=1)
    with pytest.raises(UserError, match="neither aligned"):
        train_recogniser("recogniser_a", tmp_path, tmp_path, minutes=1)
    np.save(tmp_path / "aligned.npy", np.zeros((4, 64, 64, 3), np.uint8))
    np.save(tmp_path / "person.npy", np.zeros(4, np.int32))
    with pytest.raises(UserError, match="expected uint8"):
        train_recogniser("recogniser_a", tmp_path, tmp_path, minutes=1)
    train_recogniser("recogniser_a", faces, tmp_path, minutes=1, steps=1, threads=1)
    with pytest.raises(UserError, match="checkpoint of settings"):
        train_recogniser("recogniser_a", faces, tmp_path, minutes=1, steps=1, seed=5, threads=1)
