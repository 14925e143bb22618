"""Stable Diffusion 1.5's denoiser by its public configuration, and how small a prior's LoRA is beside it.

Built on torch's meta device it has every shape and no numbers, so its 860 M parameters cost nothing to count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from idto3d.guidance.lora import ATTENTION_LAYERS, add_lora, trainable_share

# `unet/config.json` of the hub's stable-diffusion-v1-5/stable-diffusion-v1-5 (runwayml's, before).
SD15_UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "center_input_sample": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "down_block_types": (
        "CrossAttnDownBlock2D",
        "CrossAttnDownBlock2D",
        "CrossAttnDownBlock2D",
        "DownBlock2D",
    ),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "act_fn": "silu",
    "norm_num_groups": 32,
    "norm_eps": 1e-05,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,  # diffusers reads it as the number of heads
}
# "Tuning 0.2 % of the parameters": ID-to-3D's abstract.
PAPER_SHARE = 0.002
# ID-to-3D's rank and layers are not known to us. Layers and scaling (alpha = rank) are those of diffusers'
# LoRA example for this model (examples/text_to_image/train_text_to_image_lora.py, whose default rank is 4);
# the rank is the largest that stays at or below `PAPER_SHARE` (`lora_shares`: 8 gives 0.185 %, 9 0.209 %).
PAPER_RANK = 8


@dataclass(frozen=True)
class LoraShare:
    """How much of the denoiser one prior's LoRA tunes."""

    rank: int
    trainable: int  # parameters
    base: int  # parameters
    share: float


def make_sd15_unet(device: torch.device | str = "meta") -> UNet2DConditionModel:
    """Stable Diffusion 1.5's denoiser without its weights; on "meta" without any numbers."""
    with torch.device(device):
        return UNet2DConditionModel(**SD15_UNET)


def lora_share(rank: int, targets: tuple[str, ...] = ATTENTION_LAYERS) -> LoraShare:
    """What a LoRA of this rank on the named layers of Stable Diffusion 1.5 tunes."""
    unet = make_sd15_unet()
    base = sum(parameter.numel() for parameter in unet.parameters())
    trainable = sum(parameter.numel() for parameter in add_lora(unet, rank=rank, targets=targets))
    return LoraShare(rank, trainable, base, trainable_share(unet))


def lora_shares(ranks: range, targets: tuple[str, ...] = ATTENTION_LAYERS) -> list[LoraShare]:
    """`lora_share` of each rank; a LoRA's size is in proportion to its rank, so one is built."""
    one = lora_share(1, targets)
    return [LoraShare(rank, rank * one.trainable, one.base, rank * one.share) for rank in ranks]
