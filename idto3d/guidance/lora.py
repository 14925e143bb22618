"""Low-rank adapters (Hu et al. 2021) that turn the base model into a prior: added, counted, saved, fused."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import load_file
from torch import nn

from idto3d.errors import UserError

WEIGHTS = "pytorch_lora_weights.safetensors"  # diffusers' name
PRIORS = ("geometry", "texture")
# Attention alone, as is usual for a base of 860 M parameters.
ATTENTION_LAYERS = ("to_q", "to_k", "to_v", "to_out.0")
# A base of a few million parameters that never saw a normal map needs more of its layers turned.
ALL_LAYERS = (
    *ATTENTION_LAYERS,
    *("ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"),
    *("conv1", "conv2", "conv_shortcut", "conv_in", "conv_out", "conv"),
    *("time_emb_proj", "linear_1", "linear_2"),
)
# Where few parameters may be tuned: what makes the picture and what hears the condition comes first, the wide
# convolutions last. The order is ours; no source gives one for shares below that of rank 1 over all layers.
FIRST_TUNED = (
    *("conv_out", "to_v", "to_k", "to_out.0", "to_q"),
    *("conv_in", "linear_1", "linear_2", "proj_out", "proj_in", "ff.net.2", "ff.net.0.proj"),
    *("time_emb_proj", "conv_shortcut", "conv", "conv2", "conv1"),
)
# The most that the sum of a share's parameters may be over it, for floating point alone.
SHARE_SLACK = 1e-9


def layers_of_share(unet: UNet2DConditionModel, share: float) -> tuple[int, tuple[str, ...]]:
    """Rank and layers of an adapter that holds at most this share of the denoiser's parameters.

    Layers join in the order of `FIRST_TUNED`, with rank 1, those that no longer fit being left out; where all
    of them fit, the rank is the highest that does.

    Args:
        unet: the base denoiser, without an adapter.
        share: of its parameters, above 0.

    Raises:
        UserError: not even the first layer fits.
    """
    room = share * sum(parameter.numel() for parameter in unet.parameters()) * (1.0 + SHARE_SLACK)
    costs = {name: _rank_one(unet, name) for name in FIRST_TUNED}
    chosen: tuple[str, ...] = ()
    spent = 0
    for name, cost in costs.items():
        if 0 < cost <= room - spent:
            chosen, spent = (*chosen, name), spent + cost
    if not chosen:
        raise UserError(
            f"Found a tuned share of {share:.4%}, expected room for one layer of rank 1, "
            f"{min(filter(None, costs.values())):,} parameters; give a larger --share."
        )
    return (int(room // spent) if spent == sum(costs.values()) else 1), chosen


def _rank_one(unet: UNet2DConditionModel, name: str) -> int:
    """Parameters of an adapter of rank 1 over all layers of a name."""
    layers = [module for path, module in unet.named_modules() if path == name or path.endswith(f".{name}")]
    weights = [layer.weight for layer in layers if isinstance(layer, nn.Linear | nn.Conv2d)]
    return sum(weight.shape[0] + weight[0].numel() for weight in weights)


def add_lora(
    unet: UNet2DConditionModel, *, rank: int, targets: tuple[str, ...] = ALL_LAYERS
) -> list[nn.Parameter]:
    """Freeze the denoiser, add one adapter of this rank to the named layers, and return its parameters."""
    unet.requires_grad_(False)
    unet.add_adapter(
        LoraConfig(r=rank, lora_alpha=rank, target_modules=list(targets), init_lora_weights="gaussian")
    )
    return [parameter for parameter in unet.parameters() if parameter.requires_grad]


def trainable_share(unet: nn.Module, *others: nn.Module) -> float:
    """Everything with `requires_grad` over the base denoiser's parameters (adapters are not of the base)."""
    foreign = ("lora_", "to_k_ip.", "to_v_ip.", "encoder_hid_proj.")  # a LoRA's, a face adapter's
    base = sum(p.numel() for name, p in unet.named_parameters() if not any(part in name for part in foreign))
    trainable = sum(p.numel() for module in (unet, *others) for p in module.parameters() if p.requires_grad)
    return trainable / base


def lora_folder(folder: Path, prior: str) -> Path:
    """Where a model folder keeps the adapter of a prior."""
    if prior not in PRIORS:
        raise UserError(f"Found prior '{prior}', expected one of {', '.join(PRIORS)}; choose one of these.")
    return folder / f"lora_{prior}"


def save_lora(unet: UNet2DConditionModel, folder: Path, prior: str) -> None:
    """Write the active adapter in diffusers' layout, in half precision."""
    adapter = [parameter for name, parameter in unet.named_parameters() if "lora_" in name]
    full = [parameter.data for parameter in adapter]
    for parameter in adapter:
        parameter.data = parameter.data.half().contiguous()
    unet.save_lora_adapter(lora_folder(folder, prior), weight_name=WEIGHTS)
    for parameter, data in zip(adapter, full, strict=True):
        parameter.data = data


def copy_lora(unet: UNet2DConditionModel, folder: Path, prior: str) -> None:
    """Fill the active adapter with the weights of another model folder's adapter of the same rank."""
    stored = load_file(lora_folder(folder, prior) / WEIGHTS)
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if "lora_" in name:
                parameter.copy_(stored[name.replace(".default", "")])


def fuse_lora(unet: UNet2DConditionModel, folder: Path, prior: str) -> None:
    """Load the adapter of a prior and add it into the weights, so that it costs nothing at inference."""
    source = lora_folder(folder, prior)
    if not source.is_dir():
        raise UserError(
            f"Found no adapter for the prior '{prior}' in '{folder}', expected a folder '{source.name}'; "
            "train one with `idto3d-eval train`."
        )
    unet.load_lora_adapter(
        str(source), prefix=None, weight_name=WEIGHTS, use_safetensors=True, local_files_only=True
    )
    unet.fuse_lora()
    unet.unload_lora()
