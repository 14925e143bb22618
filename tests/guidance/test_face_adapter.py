"""IP-Adapter-FaceID under its real names: read without pickle's code, checked, and heard by the denoiser."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from idto3d.errors import UserError
from idto3d.guidance.condition import Condition
from idto3d.guidance.face_adapter import FaceConditionEncoder, add_face_adapter, read_face_adapter
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.lora import ATTENTION_LAYERS, add_lora, trainable_share
from idto3d.guidance.sd15 import make_sd15_unet
from tests.guidance.models import conditions, face_adapter_weights

Z, T = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([300, 800])


def with_adapter(folder: Path, scale: float, lora_rank: int) -> Guidance:
    """The small Stable Diffusion with a random adapter in it."""
    guidance = Guidance.from_folder(folder)
    weights = face_adapter_weights(guidance.unet, lora_rank=lora_rank)
    dimension = add_face_adapter(guidance.unet, weights, scale)
    guidance.encoder = FaceConditionEncoder(guidance.encoder, dimension)  # type: ignore[arg-type]
    return guidance


@torch.no_grad()
def answer(guidance: Guidance, condition: Condition) -> Tensor:
    return guidance.denoise(Z, T, condition)


def plain(folder: Path, condition: Condition) -> Tensor:
    """What the denoiser says to the same prompts without any adapter."""
    guidance = Guidance.from_folder(folder)
    text = guidance.encoder
    guidance.encoder = lambda told: replace(text(told), tokens=text.read(text.prompts(told)))  # type: ignore[attr-defined]
    return answer(guidance, condition)


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_identity_moves_the_answer_and_scale_zero_is_the_plain_denoiser(
    sd_folder: Path, lora_rank: int
) -> None:
    """With and without the LoRA that some of the files carry."""
    told = conditions(2, 16)
    other = replace(told, identity=told.identity.flip(0))
    guidance = with_adapter(sd_folder, 1.0, lora_rank)
    assert not torch.allclose(answer(guidance, told), answer(guidance, other), atol=1e-4)
    assert not torch.allclose(answer(guidance, told), plain(sd_folder, told), atol=1e-4)
    silent = with_adapter(sd_folder, 0.0, lora_rank)
    torch.testing.assert_close(answer(silent, told), plain(sd_folder, told), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(answer(silent, told), answer(silent, other), rtol=1e-4, atol=1e-5)
    assert not any("lora_" in name for name, _ in guidance.unet.named_parameters())


def test_the_scale_is_how_far_the_identity_moves_the_answer(sd_folder: Path) -> None:
    told = conditions(2, 16)
    without = plain(sd_folder, told)
    moved = [float((answer(with_adapter(sd_folder, s, 0), told) - without).norm()) for s in (0.1, 0.5, 1.0)]
    assert moved == sorted(moved)


def test_rows_do_not_hear_each_others_identity(sd_folder: Path) -> None:
    guidance, told = with_adapter(sd_folder, 1.0, 0), conditions(2, 16)
    alone = torch.cat(
        [guidance.denoise(Z[i : i + 1], T[i : i + 1], told.rows(slice(i, i + 1))) for i in range(2)]
    )
    torch.testing.assert_close(answer(guidance, told), alone, rtol=1e-3, atol=1e-4)


def test_nobody_is_zeros_of_any_length_and_another_recogniser_is_refused(sd_folder: Path) -> None:
    guidance, told = with_adapter(sd_folder, 1.0, 0), conditions(2, 16)
    nobody = told.without_identity()
    longer = replace(nobody, identity=torch.zeros(2, 128))
    torch.testing.assert_close(answer(guidance, nobody), answer(guidance, longer))
    with pytest.raises(UserError, match="Found an identity embedding of 128 numbers, expected 16"):
        answer(guidance, conditions(2, 128))


def test_a_face_adapter_is_not_of_the_base_whose_share_is_tuned(sd_folder: Path) -> None:
    plain, adapted = Guidance.from_folder(sd_folder).unet, with_adapter(sd_folder, 1.0, 0).unet
    for unet in (plain, adapted):
        add_lora(unet, rank=2, targets=ATTENTION_LAYERS)
    assert trainable_share(adapted) == trainable_share(plain) > 0


def test_both_file_formats_hold_the_same_weights(sd_folder: Path, tmp_path: Path) -> None:
    """torch's `.bin` as the hub has it, and safetensors with the dictionary's name before each key."""
    weights = face_adapter_weights(Guidance.from_folder(sd_folder).unet, lora_rank=2)
    torch.save(weights, tmp_path / "adapter.bin")
    flat = {f"{part}.{key}": value for part, keys in weights.items() for key, value in keys.items()}
    save_file(flat, tmp_path / "adapter.safetensors")
    for name in ("adapter.bin", "adapter.safetensors"):
        read = read_face_adapter(tmp_path / name)
        assert {part: set(keys) for part, keys in read.items()} == {k: set(v) for k, v in weights.items()}
        assert torch.equal(read["image_proj"]["proj.0.weight"], weights["image_proj"]["proj.0.weight"])


def test_layers_of_the_real_base_have_the_public_files_names() -> None:
    """In Stable Diffusion 1.5 cross-attention has the odd numbers 1 to 31, the first of width 320."""
    layers = face_adapter_weights(make_sd15_unet(), dimension=512, tokens=16)["ip_adapter"]
    assert {key.split(".")[0] for key in layers} == {str(number) for number in range(1, 32, 2)}
    assert layers["1.to_k_ip.weight"].shape == (320, 768)
    assert layers["31.to_v_ip.weight"].shape == (1280, 768)  # the middle block comes last


def _lose(weights: dict[str, dict[str, Tensor]]) -> None:
    del weights["ip_adapter"]["1.to_k_ip.weight"]


def _add(weights: dict[str, dict[str, Tensor]]) -> None:
    weights["image_proj"]["perceiver_resampler.proj_in.weight"] = torch.zeros(2, 2)  # FaceID Plus


def _widen(weights: dict[str, dict[str, Tensor]]) -> None:
    weights["ip_adapter"]["1.to_v_ip.weight"] = torch.zeros(16, 2048)  # made for SDXL


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_lose, r"Found no ip_adapter\.1\.to_k_ip\.weight \(1 missing\).*expected IP-Adapter-FaceID"),
        (_add, r"image_proj\.perceiver_resampler\.proj_in\.weight \(1 unknown\)"),
        (_widen, r"Found ip_adapter\.1\.to_v_ip\.weight of shape \(16, 2048\).*expected \(16, 32\)"),
    ],
)
def test_weights_of_another_model_are_refused_in_one_sentence(
    sd_folder: Path, spoil: Callable[[dict[str, dict[str, Tensor]]], None], said: str
) -> None:
    unet = Guidance.from_folder(sd_folder).unet
    weights = face_adapter_weights(unet)
    spoil(weights)
    with pytest.raises(UserError, match=said):
        add_face_adapter(unet, weights)


class _Code:
    """Something that would run when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("unpickled",)


def test_files_that_are_no_adapter_are_refused_and_run_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="Found no face adapter at"):
        read_face_adapter(tmp_path / "none.bin")
    (tmp_path / "code.bin").write_bytes(pickle.dumps(_Code()))
    (tmp_path / "text.safetensors").write_text("hello")
    for name in ("code.bin", "text.safetensors"):
        with pytest.raises(UserError, match="holds more or less than weights"):
            read_face_adapter(tmp_path / name)
    assert capsys.readouterr().out == ""
    torch.save({"state_dict": {}}, tmp_path / "other.bin")
    with pytest.raises(UserError, match=r"Found state_dict in 'other\.bin'"):
        read_face_adapter(tmp_path / "other.bin")
