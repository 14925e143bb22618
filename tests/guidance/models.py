"""Models whose answers are known, and random ones small enough for a test."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from idto3d.guidance import base
from idto3d.guidance.codec import PatchCodec
from idto3d.guidance.condition import Condition
from idto3d.guidance.guidance import Guidance


class KnownGuidance(Guidance):
    """A denoiser whose answer is given: x0_hat = answer(condition), whatever the noise; patches of one
    pixel."""

    def __init__(self, answer: Callable[[Condition], Tensor], side: int) -> None:
        self.answer = answer
        self.side = side
        self.codec = PatchCodec(1)
        self.scheduler = base.make_scheduler()
        self.prediction = "sample"
        self.alphas_cumprod = self.scheduler.alphas_cumprod
        self.calls = 0

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def resolution(self) -> int:
        return self.side

    def denoise(self, z: Tensor, t: Tensor, condition: Condition) -> Tensor:
        del t
        self.calls += len(z)
        return self.answer(condition)


def conditions(rows: int, dimension: int = 128, seed: int = 0) -> Condition:
    """Random conditions in which everything is told."""
    generator = torch.Generator().manual_seed(seed)
    identity = torch.randn(rows, dimension, generator=generator)
    sizes = [2, 3, 6, 4, 5, 3]
    return Condition(
        identity=torch.nn.functional.normalize(identity, dim=1),
        expression=torch.randint(0, 13, (rows,), generator=generator),
        camera=torch.randn(rows, 8, generator=generator),
        attributes=torch.stack([torch.randint(0, n, (rows,), generator=generator) for n in sizes], 1),
        control=torch.rand(rows, 6, 64, 64, generator=generator),
    )


def small_unet(**changes: object) -> UNet2DConditionModel:
    """A denoiser with the tiny base's blocks and a tenth of its width."""
    torch.manual_seed(0)
    settings = {
        **{"sample_size": 16, "in_channels": 112, "out_channels": 48, "block_out_channels": (16, 16, 16)},
        **{"layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 2, "cross_attention_dim": 128},
        "down_block_types": ("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": 256,
        **changes,
    }
    return UNet2DConditionModel(**settings)
