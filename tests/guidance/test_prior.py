"""Priors of one's own: both kinds of base, the best adapter kept, resume, refusals, the card, the table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from idto3d.errors import UserError
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.lora import WEIGHTS, add_lora, save_lora
from idto3d.train import guidance as recipe
from idto3d.train import prior as module
from idto3d.train.denoising import denoising_errors, heldout_loss, spread_rows
from idto3d.train.guidance_data import GuidanceData
from idto3d.train.prior import PriorOptions, base_sha256, train_prior
from idto3d_eval.guidance_table import RESULT, loss_table, measure_guidance

FEW = PriorOptions(minutes=10.0, steps=2, batch=2, rank=2, device="cpu")


@pytest.fixture
def narrow_data(data_folder: Path, tmp_path: Path) -> Path:
    """The made people with embeddings of 16 numbers, which a text encoder of width 32 can carry."""
    folder = tmp_path / "narrow"
    shutil.copytree(data_folder, folder)
    short = np.load(folder / "embeddings.npy")[..., :16]
    np.save(folder / "embeddings.npy", short / np.linalg.norm(short, axis=-1, keepdims=True))
    return folder


@pytest.fixture(autouse=True)
def short_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """No samples, few pictures to read a held-out loss on, and half precision on any processor."""
    monkeypatch.setattr(module, "_draw", lambda *_: None)
    monkeypatch.setattr(module, "HELD_OUT_ROWS", 4)
    monkeypatch.setattr(recipe, "identity_gain", lambda *_, **__: {})
    monkeypatch.setattr("idto3d.train.guidance_loop.bfloat16_pays", lambda: True)


def test_the_tiny_base_becomes_a_prior_in_a_folder_of_its_own(
    tiny_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    """The base is only read; the new folder is a whole model; the card says what was done."""
    before = base_sha256(tiny_folder)
    out = tmp_path / "mine"
    card = train_prior(tiny_folder, data_folder, "texture", out, FEW, say=lambda _: None)
    assert not (tiny_folder / "lora_texture").exists()
    assert base_sha256(tiny_folder) == before == card["base_sha256"]
    assert card == json.loads((out / "lora_texture" / "card.json").read_text())
    assert card["people"] == {"train": 19, "heldout": 1}
    assert card["steps"] == 2
    assert card["best_heldout_loss"] == card["log"][-1]["heldout"]
    assert card["precision"] == "mixed, bfloat16"
    assert card["licences"][0].startswith("base: this project's own")
    data = GuidanceData.open(data_folder, "shaded")
    prior = Guidance.from_folder(out, "texture")
    loss = heldout_loss(prior, data, spread_rows(data, 4), floor=1.0)
    assert loss == pytest.approx(card["best_heldout_loss"], rel=2e-2)  # what was saved is what was measured


def test_of_stable_diffusion_attention_alone_learns(
    sd_folder: Path, narrow_data: Path, tmp_path: Path
) -> None:
    """No condition encoder, adapters in attention only; the result is read as a prior."""
    out = tmp_path / "sd_prior"
    card = train_prior(sd_folder, narrow_data, "geometry", out, FEW, say=lambda _: None)
    names = load_file(out / "lora_geometry" / WEIGHTS)
    assert names
    assert all("attn" in name for name in names)
    assert not (out / "lora_geometry" / "condition_encoder").exists()
    assert card["layers"] == "attention"
    assert Guidance.from_folder(out, "geometry").resolution == 64


def test_a_small_share_leaves_the_encoder_and_tunes_no_more_than_it_says(
    tiny_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "small"
    options = PriorOptions(**{**vars(FEW), "rank": None, "share": 0.002})
    card = train_prior(tiny_folder, data_folder, "geometry", out, options, say=lambda _: None)
    assert 0.001 < card["trainable_share"] <= 0.002
    assert card["rank"] == 1
    assert card["layers"][0] == "conv_out"
    assert not (out / "lora_geometry" / "condition_encoder").exists()
    assert {
        name.split(".lora_")[0].split(".")[-1] for name in load_file(out / "lora_geometry" / WEIGHTS)
    } <= {layer.split(".")[-1] for layer in card["layers"]}
    Guidance.from_folder(out, "geometry")
    with pytest.raises(UserError, match="Found --rank beside --share"):
        train_prior(tiny_folder, data_folder, "geometry", out, PriorOptions(rank=2, share=0.002))


def test_training_goes_on_and_a_finished_one_is_left_alone(
    sd_folder: Path, narrow_data: Path, tmp_path: Path
) -> None:
    out, lines = tmp_path / "mine", list[str]()
    train_prior(sd_folder, narrow_data, "texture", out, FEW, say=lambda _: None)
    train_prior(sd_folder, narrow_data, "texture", out, FEW, say=lines.append)
    assert lines == [
        f"Finished already: {out / 'lora_texture' / 'card.json'}; "
        "ask for more --minutes or --patience to go on."
    ]
    longer = PriorOptions(**{**vars(FEW), "minutes": 20.0, "steps": 3})
    card = train_prior(sd_folder, narrow_data, "texture", out, longer, say=lines.append)
    assert card["steps"] == 3
    assert any("resumed at step 2" in line for line in lines)
    other = PriorOptions(**{**vars(longer), "minutes": 30.0, "rank": 4})
    with pytest.raises(UserError, match=r"training with rank 2 .* expected 4.*--fresh"):
        train_prior(sd_folder, narrow_data, "texture", out, other, say=lambda _: None)
    started_over = train_prior(sd_folder, narrow_data, "texture", out, other, fresh=True, say=lambda _: None)
    assert started_over["steps"] == 3
    assert started_over["rank"] == 4


def test_it_ends_when_the_held_out_loss_gets_no_better_and_keeps_the_best(
    sd_folder: Path, narrow_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses 3, 1, 2, 2 with a patience of two: the second report's adapter stays."""
    losses, saved = iter([3.0, 1.0, 2.0, 2.0, 0.5]), list[int]()
    monkeypatch.setattr(module, "heldout_loss", lambda *_: next(losses))
    plain = module.save_lora
    monkeypatch.setattr(module, "save_lora", lambda *a: (saved.append(len(saved)), plain(*a)))
    options = PriorOptions(**{**vars(FEW), "patience": 2, "report_minutes": 0.0, "steps": 50})
    card = train_prior(sd_folder, narrow_data, "texture", tmp_path / "out", options, say=lambda _: None)
    assert card["stopped_early"]
    assert card["steps"] == 4
    assert (card["best_step"], card["best_heldout_loss"]) == (2, 1.0)
    assert len(saved) == 2
    again = train_prior(sd_folder, narrow_data, "texture", tmp_path / "out", options, say=lambda _: None)
    assert again == card


def test_what_does_not_fit_is_refused_in_one_sentence(
    tiny_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    (prepared / "data.json").write_text("{}")
    with pytest.raises(UserError, match=r"Found no normal maps.*--normals-model"):
        train_prior(tiny_folder, prepared, "geometry", tmp_path / "out", FEW)
    with pytest.raises(UserError, match="Found prior 'hair'"):
        train_prior(tiny_folder, data_folder, "hair", tmp_path / "out", FEW)
    large = tmp_path / "large"
    shutil.copytree(data_folder, large)
    np.save(large / "shaded.npy", np.zeros((120, 32, 32, 3), np.uint8))
    with pytest.raises(UserError, match=r"pictures of 32 pixels, expected 64.*--resolution 64"):
        train_prior(tiny_folder, large, "texture", tmp_path / "out", FEW)
    (tmp_path / "out" / "lora_texture").mkdir(parents=True)
    with pytest.raises(UserError, match="Found an adapter of another training"):
        train_prior(tiny_folder, data_folder, "texture", tmp_path / "out", FEW)


def test_samples_are_drawn_from_both_kinds_of_base(
    sd_folder: Path, narrow_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    guidance = Guidance.from_folder(sd_folder)
    module._draw(guidance, GuidanceData.open(narrow_data, "shaded"), tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 0


def test_errors_hang_on_the_row_and_not_on_the_batch(tiny_folder: Path, data_folder: Path) -> None:
    data, guidance = GuidanceData.open(data_folder, "shaded"), Guidance.from_folder(tiny_folder)
    rows = spread_rows(data, 6)
    together = denoising_errors(guidance, data, rows)
    np.testing.assert_allclose(denoising_errors(guidance, data, rows[[4]]), together[[4]], rtol=1e-4)
    assert together.shape == (6, 4, 2)


def test_rows_are_spread_over_the_held_out_people(data_folder: Path, tmp_path: Path) -> None:
    """A folder may say who is held out, and which rows have a picture of a kind."""
    folder = tmp_path / "data"
    shutil.copytree(data_folder, folder)
    np.save(folder / "heldout.npy", np.arange(20) % 4 == 0)
    np.save(folder / "has_normals.npy", np.arange(120) != 0)
    data = GuidanceData.open(folder, "normals")
    assert set(data.person[data.heldout]) == {0, 4, 8, 12, 16}
    assert 0 not in data.heldout
    assert 0 in GuidanceData.open(folder, "shaded").heldout
    assert sorted(data.person[spread_rows(data, 5)]) == [0, 4, 8, 12, 16]
    np.save(folder / "heldout.npy", np.ones(3, bool))
    with pytest.raises(UserError, match="Found 3 flags"):
        GuidanceData.open(folder, "normals")


def test_the_table_compares_each_adapter_with_the_base_on_every_kind(
    tiny_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    """An adapter that changes nothing differs by nothing; the table and the file say the same."""
    folder, data = tmp_path / "model", tmp_path / "data"
    shutil.copytree(tiny_folder, folder)
    shutil.copytree(data_folder, data)
    np.save(data / "heldout.npy", np.arange(20) >= 15)
    with pytest.raises(UserError, match="Found no adapter"):
        measure_guidance(folder, data)
    guidance = Guidance.from_folder(folder)
    with torch.no_grad():
        for parameter in add_lora(guidance.unet, rank=2):
            parameter.zero_()
    save_lora(guidance.unet, folder, "geometry")
    found = measure_guidance(folder, data, rows=5)
    assert found == json.loads((folder / RESULT).read_text())
    assert found["people"] == {"photograph": 5, "normals": 5, "shaded": 5}
    own = found["models"]["geometry"]["normals"]
    assert own["difference"]["value"] == pytest.approx(0.0, abs=1e-6)
    assert not found["each_wins_on_its_own"]
    assert own["mean"] == pytest.approx(np.mean(own["by_timestep"]))
    assert loss_table(found).row_count == 6
