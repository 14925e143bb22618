"""A learned word: what it is learned with is counted, nothing else of the model changes, and it is heard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.asset import read_manifest
from idto3d.errors import UserError
from idto3d.generate import Subject, without_identity
from idto3d.geometry.mean_head import load_mean_head
from idto3d.guidance import meter
from idto3d.guidance.condition_encoder import ConditionEncoder
from idto3d.guidance.control import ControlView
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.priors import open_prior
from idto3d_baselines import fantasia3d_token
from idto3d_baselines.personal_prior import denoising_loss, personalise
from idto3d_baselines.photo_crops import PhotoCrops, photo_crops
from idto3d_baselines.photographs import Photograph, photographs_of
from idto3d_baselines.subject import read_photos, subject_of
from idto3d_baselines.textual_inversion import GROUP, learned_token, told_token
from tests.baselines.photo_people import make_small, photo_request
from tests.guidance.conftest import sd_folder  # noqa: F401

NOISE = (0.5, 0.98)


@pytest.fixture(scope="module")
def weights(repository: Path) -> Path:
    return repository / "idto3d" / "weights"


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> tuple[list[Photograph], Subject]:
    """Photos and what they say in words."""
    request = photo_request(tmp_path_factory.mktemp("looked") / "head", weights, 0)
    found = read_photos(request)
    landmarks = load_mean_head(weights / "mean_head.npz").landmarks
    return photographs_of(request, found, landmarks), without_identity(subject_of(found))


@pytest.fixture(scope="module")
def crops(looked_at: tuple[list[Photograph], Subject], weights: Path) -> PhotoCrops:
    mean_head = load_mean_head(weights / "mean_head.npz")
    return photo_crops(*looked_at, mean_head, ControlView(mean_head), 64, 0)


@torch.no_grad()
def misses(guidance: Guidance, crops: PhotoCrops) -> float:
    """The denoising loss on all crops, under noise that is always the same."""
    z0 = guidance.encode(crops.images)
    noise = torch.randn(z0.shape, generator=torch.Generator().manual_seed(1))
    t = torch.full((len(crops),), 700)
    return float(denoising_loss(guidance, z0, crops.condition, t, noise))


def test_crops_are_people_on_grey(crops: PhotoCrops) -> None:
    """Whole heads have grey around them, and the controls show a head where the picture does."""
    whole, control = crops.images[0], crops.condition.control
    assert control is not None
    assert torch.equal(whole[:, 0, 0], torch.zeros(3))
    shown, expected = whole.abs().sum(0) > 0.05, control[0, :3].abs().sum(0) > 0
    assert float((shown & expected).sum() / (shown | expected).sum()) > 0.7
    assert not crops.condition.identity.any()


def test_a_token_is_learned_with_what_is_declared_and_helps(crops: PhotoCrops, weights: Path) -> None:
    """Photos are denoised better with it, no weight moved, and without it all is as before."""
    guidance = open_prior(weights, "texture")
    encoder = guidance.encoder
    assert isinstance(encoder, ConditionEncoder)
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    plain = misses(guidance, crops)
    before, guidance.calls = meter.spent(), 0
    tokens = [learned_token(guidance, crops, 41, NOISE, [3]) for _ in range(2)]
    assert guidance.calls == 2 * 41 == meter.spent() - before
    assert torch.equal(tokens[0].vector, tokens[1].vector)
    assert torch.equal(tokens[0].start, state[f"attributes.{GROUP}.weight"][tokens[0].word])
    with told_token(guidance, tokens[0]):
        assert misses(guidance, crops) < 0.99 * plain
        untold = crops.condition.without_words()
        silent = guidance.encoder(untold).tokens
    assert guidance.encoder is encoder
    assert torch.equal(silent, encoder(untold).tokens)
    assert misses(guidance, crops) == plain
    assert all(torch.equal(value, state[name]) for name, value in encoder.state_dict().items())


def test_a_tuned_prior_knows_the_photos_and_is_the_same_again(crops: PhotoCrops, weights: Path) -> None:
    """By exactly its looks, whatever the process drew before."""
    losses, plain = [], 0.0
    for number in range(2):
        guidance = open_prior(weights, "texture")
        plain = misses(guidance, crops)
        torch.rand(number + 1)
        before = meter.spent()
        personalise(guidance, crops, 18, NOISE, [3])
        assert meter.spent() - before == 18
        assert not any(parameter.requires_grad for parameter in guidance.unet.parameters())
        losses.append(misses(guidance, crops))
    assert losses[0] == losses[1] < plain


def test_a_word_of_a_text_encoder_is_learned_in_its_place(
    crops: PhotoCrops,
    sd_folder: Path,  # noqa: F811
) -> None:
    """The placeholder's embedding is where it starts; a prompt that says nothing stays empty."""
    guidance = Guidance.from_folder(sd_folder)
    told = replace(crops.condition, control=None, identity=torch.zeros(len(crops), 32))
    small = PhotoCrops(crops.images, told)
    token = learned_token(guidance, small, 5, NOISE, [3])
    assert guidance.calls == 5
    assert token.word == -1
    assert not torch.equal(token.vector, token.start)
    with told_token(guidance, token):
        named, nothing = guidance.encoder(told).tokens, guidance.encoder(told.without_text()).tokens
    assert not torch.equal(named, guidance.encoder(told).tokens)
    assert torch.equal(nothing, guidance.encoder(told.without_text()).tokens)


def test_fantasia3d_hears_of_the_token_within_its_budget(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_small(monkeypatch)
    before = meter.spent()
    fantasia3d_token.generate(photo_request(tmp_path / "head", weights, 39, ("neutral", "smile")))
    assert read_manifest(tmp_path / "head").guidance_calls == meter.spent() - before == 39


def test_landmarks_that_are_no_face_tell_no_camera(
    looked_at: tuple[list[Photograph], Subject], weights: Path
) -> None:
    photographs, subject = looked_at
    scattered = np.random.default_rng(0).uniform(0, 200, (68, 2)).astype(np.float32)
    wrong = [replace(one, reading=replace(one.reading, landmarks=scattered)) for one in photographs]
    mean_head = load_mean_head(weights / "mean_head.npz")
    with pytest.raises(UserError, match=r"in the best of 2 photos, expected at most 10%.*from the front"):
        photo_crops(wrong, subject, mean_head, ControlView(mean_head), 64, 0)
