"""IP-Adapter-FaceID (Ye et al. 2023; hub h94/IP-Adapter-FaceID) in any Stable-Diffusion-shaped denoiser.

The identity embedding becomes image tokens that every cross-attention layer reads beside the prompt's
tokens, through keys and values of their own (decoupled cross-attention), and in some of the
files a LoRA of all attention layers goes with them. diffusers' loaders build the layers; here files are read
without pickle's code and checked against the denoiser first, so that a wrong file is one sentence.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from idto3d.errors import UserError
from idto3d.guidance.condition import Condition
from idto3d.guidance.condition_encoder import Encoded
from idto3d.guidance.text_encoder import TextConditionEncoder

PARTS = ("image_proj", "ip_adapter")  # the file's two dictionaries
PROJECTION = ("proj.0.weight", "proj.0.bias", "proj.2.weight", "proj.2.bias", "norm.weight", "norm.bias")
LORA = tuple(f"to_{layer}_lora.{side}.weight" for layer in ("q", "k", "v", "out") for side in ("down", "up"))

AdapterWeights = Mapping[str, Mapping[str, Tensor]]


def read_face_adapter(path: Path) -> AdapterWeights:
    """The two dictionaries of an IP-Adapter-FaceID file, `image_proj` and `ip_adapter`.

    Args:
        path: torch's `.bin` as the hub has it (unpickled with `weights_only`), or the same as safetensors
            with the dictionary's name before each key.

    Raises:
        UserError: no such file, an unreadable one, or one without the two dictionaries.
    """
    if not path.is_file():
        raise UserError(
            f"Found no face adapter at '{path}', expected an IP-Adapter-FaceID file; "
            "get it with `idto3d-eval models pull`."
        )
    try:
        if path.suffix == ".safetensors":
            flat = load_file(path)
            read = {
                part: {
                    key.removeprefix(f"{part}."): value
                    for key, value in flat.items()
                    if key.startswith(f"{part}.")
                }
                for part in PARTS
            }
        else:
            read = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(
            f"Found a file that holds more or less than weights at '{path.name}' "
            f"({str(error).splitlines()[0][:100]}), expected IP-Adapter-FaceID's; pull it again."
        ) from error
    if not isinstance(read, dict) or not all(
        isinstance(read.get(part), dict) and read[part] for part in PARTS
    ):
        found = ", ".join(map(str, list(read)[:4])) if isinstance(read, dict) else type(read).__name__
        raise UserError(
            f"Found {found or 'nothing'} in '{path.name}', expected the dictionaries image_proj and "
            "ip_adapter; name an IP-Adapter-FaceID file."
        )
    return {part: read[part] for part in PARTS}


def add_face_adapter(unet: UNet2DConditionModel, weights: AdapterWeights, scale: float = 1.0) -> int:
    """Put the adapter into a denoiser, which then reads `Encoded.face`; returns the embedding's length.

    Args:
        unet: as it was loaded; its attention layers change.
        weights: from `read_face_adapter`.
        scale: of the image tokens' attention and of the LoRA alike, so that 0 leaves the plain denoiser.

    Raises:
        UserError: keys or shapes that are not those of this denoiser.
    """
    _require_keys(unet, weights)
    lora = unet._load_ip_adapter_loras([weights]).get(0, {})
    if lora:
        unet.load_lora_adapter(
            {key: value.to(unet.dtype) for key, value in lora.items()}, prefix="unet", adapter_name="faceid"
        )
        unet.fuse_lora(lora_scale=scale)
        unet.unload_lora()
    unet._load_ip_adapter_weights([weights], low_cpu_mem_usage=False)
    for processor in unet.attn_processors.values():
        if hasattr(processor, "to_k_ip"):
            processor.scale = [scale]
    return int(weights["image_proj"]["proj.0.weight"].shape[1])


class FaceConditionEncoder(nn.Module):
    """Prompts through CLIP, and beside them the embedding for the face adapter; a zero row is nobody.

    As the adapter was trained (and `IPAdapterFaceID.get_image_embeds` of its repository does), nobody is the
    projection of zeros, not the absence of image tokens.
    """

    def __init__(self, text: TextConditionEncoder, dimension: int) -> None:
        super().__init__()
        self.text = text
        self.dimension = dimension

    def forward(self, condition: Condition) -> Encoded:
        """Tokens [B, T, W] of the prompts and the face [B, 1, D]."""
        identity = condition.identity
        if identity.shape[1] != self.dimension:
            if bool(identity.abs().sum() > 0):
                raise UserError(
                    f"Found an identity embedding of {identity.shape[1]} numbers, expected {self.dimension}; "
                    "use the recogniser that this face adapter was trained with."
                )
            identity = identity.new_zeros(len(condition), self.dimension)
        tokens = self.text.read(self.text.prompts(condition))
        return Encoded(tokens, None, face=identity[:, None].to(tokens.device))


def _require_keys(unet: UNet2DConditionModel, weights: AdapterWeights) -> None:
    """Refuse a file whose names or shapes are not those that this denoiser's layers ask for."""
    width = int(unet.config["cross_attention_dim"])
    projection, layers = weights["image_proj"], weights["ip_adapter"]
    expected = {f"image_proj.{key}" for key in PROJECTION}
    has_lora = any("_lora." in key for key in layers)
    cross = []
    for index, name in enumerate(unet.attn_processors):
        if has_lora:
            expected |= {f"ip_adapter.{index}.{key}" for key in LORA}
        if name.endswith("attn2.processor"):
            cross.append((index, name))
            expected |= {f"ip_adapter.{index}.to_{kind}_ip.weight" for kind in "kv"}
    found = {f"{part}.{key}" for part in PARTS for key in weights[part]}
    if found != expected:
        missing, unknown = sorted(expected - found), sorted(found - expected)
        told = [f"no {missing[0]} ({len(missing)} missing)"] if missing else []
        told += [f"{unknown[0]} ({len(unknown)} unknown)"] if unknown else []
        raise UserError(
            f"Found {' and '.join(told)} in the face adapter, expected IP-Adapter-FaceID's for "
            f"{len(unet.attn_processors)} attention layers; use the file made for this base model."
        )
    shapes: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        "image_proj.norm.weight": (projection["norm.weight"], (width,))
    }
    for index, name in cross:
        layer = unet.get_submodule(name.removesuffix(".processor"))
        shapes |= {
            f"ip_adapter.{index}.to_{kind}_ip.weight": (
                layers[f"{index}.to_{kind}_ip.weight"],
                (layer.to_k.out_features, width),
            )
            for kind in "kv"
        }
    for key, (tensor, shape) in shapes.items():
        if tuple(tensor.shape) != shape:
            raise UserError(
                f"Found {key} of shape {tuple(tensor.shape)} in the face adapter, expected {shape}; "
                "use the file made for this base model."
            )
