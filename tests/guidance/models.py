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


def face_adapter_weights(
    unet: UNet2DConditionModel, *, dimension: int = 16, tokens: int = 4, lora_rank: int = 0, seed: int = 3
) -> dict[str, dict[str, Tensor]]:
    """Random weights under the names of IP-Adapter-FaceID's file, as large as a denoiser asks for.

    Layers are numbered as diffusers lists attention processors: self-attention even, cross-attention odd.
    With a LoRA they are those of `ip-adapter-faceid_sd15.bin`, without those of the portrait file.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.2

    width = int(unet.config["cross_attention_dim"])
    projection = {
        "proj.0.weight": draw(2 * dimension, dimension),
        "proj.0.bias": draw(2 * dimension),
        "proj.2.weight": draw(tokens * width, 2 * dimension),
        "proj.2.bias": draw(tokens * width),
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
    }
    layers: dict[str, Tensor] = {}
    for index, name in enumerate(unet.attn_processors):
        attention = unet.get_submodule(name.removesuffix(".processor"))
        for key, layer in {"q": attention.to_q, "k": attention.to_k, "v": attention.to_v}.items():
            if lora_rank:
                layers[f"{index}.to_{key}_lora.down.weight"] = draw(lora_rank, layer.in_features)
                layers[f"{index}.to_{key}_lora.up.weight"] = draw(layer.out_features, lora_rank)
        if lora_rank:
            hidden = attention.to_out[0].out_features
            layers[f"{index}.to_out_lora.down.weight"] = draw(lora_rank, hidden)
            layers[f"{index}.to_out_lora.up.weight"] = draw(hidden, lora_rank)
        if name.endswith("attn2.processor"):
            layers[f"{index}.to_k_ip.weight"] = draw(attention.to_k.out_features, width)
            layers[f"{index}.to_v_ip.weight"] = draw(attention.to_v.out_features, width)
    return {"image_proj": projection, "ip_adapter": layers}
