"""One contract over every model: prediction types, folders of both formats, adapters, batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from idto3d.errors import UserError
from idto3d.guidance import base
from idto3d.guidance.codec import PatchCodec
from idto3d.guidance.condition import Condition
from idto3d.guidance.condition_encoder import Encoded
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.lora import ATTENTION_LAYERS, add_lora, save_lora, trainable_share
from tests.guidance.models import conditions, small_unet


class Answering(torch.nn.Module):
    """In a denoiser's place: predicts what a scheduler's prediction type asks for, given the true x0."""

    def __init__(self, guidance: Guidance, x0: Tensor) -> None:
        super().__init__()
        self.guidance, self.x0, self.dtype = guidance, x0, torch.float32

    def forward(self, z: Tensor, t: Tensor, tokens: Tensor, class_labels: Tensor | None) -> Answering:
        del tokens, class_labels
        alpha, sigma = self.guidance.alpha_sigma(t)
        z = z[:, : self.x0.shape[1]]  # what stands beside the latents is no noise
        eps = (z - alpha * self.x0) / sigma
        forms = {"sample": self.x0, "epsilon": eps, "v_prediction": alpha * eps - sigma * self.x0}
        self.sample = forms[self.guidance.prediction]
        return self


@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
def test_denoise_returns_the_clean_latent_whatever_the_network_predicts(prediction: str) -> None:
    scheduler = base.make_scheduler()
    scheduler.register_to_config(prediction_type=prediction)
    guidance = Guidance(small_unet(), scheduler, PatchCodec(4), base.make_encoder())
    x0 = torch.randn(3, 48, 16, 16)
    guidance.unet = Answering(guidance, x0)
    t = torch.tensor([50, 400, 800])
    guidance.__class__ = type("OnCpu", (Guidance,), {"device": torch.device("cpu")})
    z = guidance.add_noise(x0, torch.randn_like(x0), t)
    told = conditions(3)
    answered = guidance.denoise(z, t, told)
    if prediction == "sample":  # the network answers with what corrects the condition's expectation
        answered = answered - guidance.encoder(told).expected
    torch.testing.assert_close(answered, x0, rtol=1e-3, atol=1e-3)
    assert guidance.calls == 3


def test_an_unknown_prediction_type_is_refused() -> None:
    scheduler = base.make_scheduler()
    scheduler.register_to_config(prediction_type="score")
    with pytest.raises(UserError, match="Found prediction type 'score'"):
        Guidance(small_unet(), scheduler, PatchCodec(4), lambda condition: Encoded(condition.identity, None))


def test_patches_are_exact_both_ways() -> None:
    images = torch.rand(2, 3, 64, 64)
    codec = PatchCodec(4)
    assert codec.encode(images).shape == (2, 48, 16, 16)
    torch.testing.assert_close(codec.decode(codec.encode(images)), images, rtol=0, atol=0)


@pytest.mark.parametrize(("folder", "side", "dimension"), [("tiny_folder", 64, 128), ("sd_folder", 64, 16)])
def test_both_formats_are_read_into_one_class(
    folder: str, side: int, dimension: int, request: pytest.FixtureRequest
) -> None:
    """The same calls serve the tiny base and a Stable Diffusion folder, batch by batch or row by row."""
    guidance = Guidance.from_folder(request.getfixturevalue(folder))
    assert guidance.resolution == side
    assert guidance.timesteps == 1000
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, side, side, generator=generator) * 2 - 1
    z0 = guidance.encode(images)
    assert guidance.decode(z0).shape == images.shape
    t = torch.tensor([100, 500, 900])
    z = guidance.add_noise(z0, torch.randn(z0.shape, generator=generator), t)
    told = conditions(3, dimension)
    together = guidance.denoise(z, t, told)
    assert together.shape == z.shape
    alone = torch.cat(
        [guidance.denoise(z[i : i + 1], t[i : i + 1], told.rows(slice(i, i + 1))) for i in range(3)]
    )
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)
    assert guidance.calls == 6
    # The condition is heard.
    assert not torch.allclose(together, guidance.denoise(z, t, told.without_identity()), atol=1e-6)


def test_images_of_another_size_are_refused(tiny_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"expected \[B, 3, 64, 64\]"):
        Guidance.from_folder(tiny_folder).encode(torch.zeros(1, 3, 32, 32))


def test_a_folder_that_is_no_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Found no model_index.json"):
        Guidance.from_folder(tmp_path)


@pytest.mark.parametrize("folder", ["tiny_folder", "sd_folder"])
def test_an_adapter_is_saved_in_diffusers_format_and_fused_into_the_same_answer(
    folder: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source: Path = request.getfixturevalue(folder)
    for part in source.iterdir():
        (tmp_path / part.name).symlink_to(part)
    guidance = Guidance.from_folder(tmp_path)
    parameters = add_lora(guidance.unet, rank=2)
    with torch.no_grad():
        for parameter in parameters:
            parameter.copy_((parameter + 0.05).half())  # what the file holds
    save_lora(guidance.unet, tmp_path, "geometry")
    assert (tmp_path / "lora_geometry" / "pytorch_lora_weights.safetensors").is_file()
    fused = Guidance.from_folder(tmp_path, "geometry")
    assert not any("lora_" in name for name, _ in fused.unet.named_parameters())
    z, t, told = (
        torch.randn(1, *_latent(guidance)),
        torch.tensor([600]),
        conditions(1, 16 if "sd" in folder else 128),
    )
    with torch.no_grad():
        adapted, plain = guidance.denoise(z, t, told), Guidance.from_folder(tmp_path).denoise(z, t, told)
    torch.testing.assert_close(fused.denoise(z, t, told), adapted, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(adapted, plain, atol=1e-3)
    with pytest.raises(UserError, match="Found no adapter for the prior 'texture'"):
        Guidance.from_folder(tmp_path, "texture")
    with pytest.raises(UserError, match="Found prior 'hair', expected one of geometry, texture"):
        Guidance.from_folder(tmp_path, "hair")


def test_trainable_share_counts_everything_that_learns_over_the_base() -> None:
    unet, encoder = small_unet(), base.make_encoder().requires_grad_(False)
    parameters = sum(p.numel() for p in unet.parameters())
    assert trainable_share(unet) == 1.0
    lora = add_lora(unet, rank=2, targets=ATTENTION_LAYERS)
    expected = sum(p.numel() for p in lora) / parameters
    assert trainable_share(unet, encoder) == pytest.approx(expected)
    encoder.identity_null.requires_grad_(True)
    assert trainable_share(unet, encoder) == pytest.approx(
        expected + encoder.identity_null.numel() / parameters
    )


def test_the_base_model_stays_below_its_shipped_size(tmp_path: Path) -> None:
    unet = base.make_unet(base.make_encoder().config)
    assert 2 * sum(p.numel() for p in unet.parameters()) < 15 * 2**20
    base.write(tmp_path, small_unet(), base.make_scheduler(), base.make_codec(), base.make_encoder())
    assert set(json.loads((tmp_path / "model_index.json").read_text())) == set(base.model_index())


def test_rows_of_a_condition_follow_a_permutation(tiny_folder: Path) -> None:
    """Batch order changes nothing but the order."""
    guidance, told = Guidance.from_folder(tiny_folder), conditions(4)
    z, t, order = torch.randn(4, 48, 16, 16), torch.tensor([10, 300, 600, 990]), torch.tensor([2, 0, 3, 1])
    plain = guidance.denoise(z, t, told)
    mixed = guidance.denoise(z[order], t[order], told.rows(order))
    torch.testing.assert_close(mixed, plain[order], rtol=1e-3, atol=1e-4)
    assert len(Condition.concatenate([told, told])) == 8


def _latent(guidance: Guidance) -> tuple[int, int, int]:
    side = int(guidance.unet.config["sample_size"])
    return int(guidance.unet.config["out_channels"]), side, side
