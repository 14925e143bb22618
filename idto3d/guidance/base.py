"""The tiny base model that the embedded profile trains: which network, which noise, which words.

A 4×4 patch is one position of 48 numbers. A first layer that is no wider cannot carry the noise through, so
the network predicts the clean picture (prediction type "sample"; Salimans & Ho 2022, section 4).
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from idto3d.attributes import Attributes
from idto3d.expressions import EXPRESSIONS
from idto3d.guidance.codec import PatchCodec
from idto3d.guidance.condition_encoder import ConditionEncoder, ConditionEncoderConfig

RESOLUTION = 64
PATCH = 4


def make_unet(encoder: ConditionEncoderConfig) -> UNet2DConditionModel:
    """An untrained denoiser of 16×16×48 latents; half-precision weights stay below 15 MiB."""
    return UNet2DConditionModel(
        sample_size=RESOLUTION // PATCH,
        in_channels=3 * PATCH**2 + encoder.beside,
        out_channels=3 * PATCH**2,
        # Widths at 16×16, 8×8, 4×4. On one core with bfloat16 22 ms a picture in training; at 32×32 (patches
        # of 2) narrower networks took two to three times as long.
        block_out_channels=(96, 112, 144),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=encoder.width,
        attention_head_dim=4,  # diffusers reads it as the number of heads
        norm_num_groups=16,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=encoder.pooled,
        resnet_time_scale_shift="scale_shift",
    )


def make_scheduler() -> DDIMScheduler:
    """The cosine schedule (Nichol & Dhariwal 2021) over 1,000 timesteps, predicting the clean sample."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="sample",
        clip_sample=True,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
    )


def make_encoder(identity_dimension: int = 128, maps: int = 0) -> ConditionEncoder:
    """An untrained condition encoder of our expressions and attributes; `maps` as in its config."""
    attributes = {group: len(words) for group, words in Attributes.GROUPS.items()}
    return ConditionEncoder(
        ConditionEncoderConfig(
            expressions=EXPRESSIONS,
            attributes=attributes,
            identity_dimension=identity_dimension,
            maps=maps,
        )
    )


def make_codec() -> PatchCodec:
    """The codec of the base model."""
    return PatchCodec(PATCH)


def model_index() -> dict[str, Any]:
    """The contents of `model_index.json`: which class reads which folder."""
    return {
        "_class_name": "IdentityDiffusion",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "codec": ["idto3d.guidance.codec", "PatchCodec"],
        "condition_encoder": ["idto3d.guidance.condition_encoder", "ConditionEncoder"],
    }


def write(
    folder: Path,
    unet: UNet2DConditionModel,
    scheduler: DDIMScheduler,
    codec: PatchCodec,
    encoder: ConditionEncoder,
) -> None:
    """Write the model in diffusers' folder format, weights in half precision."""
    half = copy.deepcopy(unet).half().to(memory_format=torch.contiguous_format)
    # Files that are kept in version control stay below 15 MiB, headers included.
    half.save_pretrained(folder / "unet", safe_serialization=True, max_shard_size="14MB")
    scheduler.save_pretrained(folder / "scheduler")
    codec.save_pretrained(folder / "codec")
    encoder.save_pretrained(folder / "condition_encoder")
    (folder / "model_index.json").write_text(json.dumps(model_index(), indent=2) + "\n")
