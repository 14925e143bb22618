"""The training loop: weights, dropped conditions, data of both halves, resume, and a base that becomes a
prior."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.errors import UserError
from idto3d.guidance import base
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.lora import add_lora, layers_of_share, trainable_share
from idto3d.train import guidance as training
from idto3d.train.guidance_data import GuidanceData, drop_conditions
from idto3d.train.guidance_loop import (
    BACKDROP,
    FEATURES,
    LoopOptions,
    draw_timesteps,
    fit,
    head_weight,
    identity_gain,
    loss_weight,
)
from idto3d_eval.single import shipped_weights
from tests.guidance.models import conditions, small_unet


def test_held_out_people_are_never_drawn(data_folder: Path) -> None:
    data = GuidanceData.open(data_folder, "photograph")
    assert not set(data.person[data.train]) & set(data.person[data.heldout])
    assert len(data.train) + len(data.heldout) == 120


def test_identity_is_the_mean_of_some_of_the_persons_own_photos(data_folder: Path) -> None:
    data, rows = GuidanceData.open(data_folder, "photograph"), np.array([0, 30, 60])
    images, all_photos = data.batch(rows, None)
    assert images.shape == (3, 3, 64, 64)
    assert images.abs().max() <= 1
    mean = data.embeddings[data.person[rows]].mean(1)
    np.testing.assert_allclose(
        all_photos.identity, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-6
    )
    _, some = data.batch(rows, np.random.default_rng(0))
    torch.testing.assert_close(some.identity.norm(dim=1), torch.ones(3))
    assert ((some.identity * all_photos.identity).sum(1) > 0.8).all()


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"normals.npy.*expected the training pictures"):
        GuidanceData.open(tmp_path, "normals")


def test_every_part_of_a_condition_is_dropped_sometimes_and_kept_mostly() -> None:
    told = conditions(2000)
    dropped = drop_conditions(told, np.random.default_rng(0))
    nobody = (dropped.identity.abs().sum(1) == 0).float().mean()
    silent = (dropped.expression == -1).float().mean()
    unplaced = (dropped.camera.abs().sum(1) == 0).float().mean()
    wordless = (dropped.attributes == -1).all(1).float().mean()
    assert 0.13 < nobody < 0.22
    assert 0.15 < silent < 0.25
    assert 0.03 < unplaced < 0.08
    assert 0.3 < wordless < 0.6
    torch.testing.assert_close(dropped.control, told.control, rtol=0, atol=0)
    kept = dropped.identity.abs().sum(1) > 0
    torch.testing.assert_close(dropped.identity[kept], told.identity[kept])


def test_timesteps_lean_to_high_noise_and_weights_are_clipped_snr() -> None:
    t = draw_timesteps(4000, np.random.default_rng(0))
    assert 0.72 < (t >= 300).float().mean() < 0.78
    assert t.min() >= 0
    assert t.max() <= 999
    guidance = Guidance(small_unet(), base.make_scheduler(), base.make_codec(), base.make_encoder())
    assert loss_weight(guidance, torch.tensor([10, 999])).tolist() == [5.0, 1.0]


def test_errors_weigh_most_at_the_features_and_least_off_the_head() -> None:
    told = conditions(1)
    place = torch.full((1, 6, 64, 64), 0.0)
    place[:, 1, 8:56, 8:56] = 1.0  # 100 mm up: on the head, above the face
    place[:, 1, 40:56, 24:40] = -0.7  # at the mouth
    weight = head_weight(replace(told, control=place), 16)
    assert weight.shape == (1, 16, 16)
    assert weight[0, 0, 0] == pytest.approx(BACKDROP)
    assert weight[0, 4, 8] == pytest.approx(1.0)
    assert weight[0, 12, 8] == pytest.approx(FEATURES)
    assert head_weight(replace(told, control=None), 16) == 1.0


def test_a_resumed_run_draws_the_same_batches_and_ends_at_the_same_weights(
    data_folder: Path, tmp_path: Path
) -> None:
    """Six steps at once, and four then two more, with the clock taken out of the learning rate."""
    data, results = GuidanceData.open(data_folder, "photograph"), []
    for name, stops in (("whole", (6,)), ("broken", (4, 6))):
        for stop in stops:
            torch.manual_seed(0)
            encoder = base.make_encoder()
            guidance = Guidance(small_unet(), base.make_scheduler(), base.make_codec(), encoder)
            parameters = [*guidance.unet.parameters(), *encoder.parameters()]
            options = LoopOptions(minutes=1e6, seed=3, learning_rate=1e-3, batch=2, warm_up=1, steps=stop)
            path = tmp_path / f"{name}.pt"
            fit(
                guidance,
                parameters,
                data,
                path,
                options,
                resume=True,
                report=lambda _: {},
                say=lambda _: None,
            )
        results.append(torch.cat([p.detach().flatten() for p in parameters]))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-6)


def test_a_base_is_trained_and_an_adapter_turns_it(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both commands leave a folder that `from_folder` reads; the share is printed and kept."""
    monkeypatch.setattr(base, "make_unet", lambda config: small_unet())  # noqa: ARG005
    monkeypatch.setattr(training, "_look", lambda *_: {})
    training.train_base(data_folder, tmp_path, minutes=1.0, batch=4, steps=2)
    summary = training.train_lora("geometry", data_folder, tmp_path, minutes=1.0, batch=4, steps=2, rank=2)
    assert summary["trainable_share"] > 0
    assert "trainable share" in capsys.readouterr().out
    assert (
        json.loads((tmp_path / "lora_geometry" / "trainable_share.json").read_text())["trainable_share"] > 0
    )
    prior = Guidance.from_folder(tmp_path, "geometry")
    gain = identity_gain(prior, GuidanceData.open(data_folder, "normals"), 4)
    assert all(np.isfinite(value) for value in gain.values())
    base_encoder = Guidance.from_folder(tmp_path).encoder.state_dict()  # type: ignore[attr-defined]
    turned = prior.encoder.state_dict()  # type: ignore[attr-defined]
    assert any(not torch.equal(base_encoder[name], value) for name, value in turned.items())


@pytest.mark.parametrize(("share", "rank"), [(0.0005, 1), (0.002, 1), (0.01, 1), (0.02, 2)])
def test_layers_of_a_share_fill_it_and_do_not_exceed_it(share: float, rank: int) -> None:
    """Of the shipped base, as the protocol `efficiency` asks."""
    unet = Guidance.from_folder(shipped_weights() / "guidance").unet
    found, layers = layers_of_share(unet, share)
    add_lora(unet, rank=found, targets=layers)
    assert found == rank
    assert 0.8 * share < trainable_share(unet) <= share


def test_a_share_that_holds_no_layer_is_refused() -> None:
    unet = Guidance.from_folder(shipped_weights() / "guidance").unet
    with pytest.raises(UserError, match=r"Found a tuned share of 0\.0010%.*larger --share"):
        layers_of_share(unet, 0.00001)
