"""What `bench generator` runs: the shipped networks on the CPU, or random ones of SD 1.5's size on CUDA."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from idto3d.attributes import Attributes
from idto3d.generate import GeneratorSettings, Subject, start_grid
from idto3d.geometry.mean_head import MeanHead, load_mean_head
from idto3d.geometry.tet_grid import TetGrid
from idto3d.guidance.codec import AutoencoderCodec
from idto3d.guidance.condition import Condition
from idto3d.guidance.condition_encoder import Encoded
from idto3d.guidance.control import ControlView
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.sd15 import SD15_UNET
from idto3d_eval.single import shipped_weights
from idto3d_protocols.loader import load_protocol

# Sizes from the configuration files of Stable Diffusion 1.5's repository.
SD15: Mapping[str, dict[str, Any]] = {
    "unet": SD15_UNET,
    "vae": {
        "sample_size": 512,
        "latent_channels": 4,
        "layers_per_block": 2,
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "scaling_factor": 0.18215,
    },
    "text_encoder": {
        "vocab_size": 49_408,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "max_position_embeddings": 77,
    },
}
PAPER_GRID = 128  # cells: DMTet's resolution in Fantasia3D as threestudio has it


@dataclass(frozen=True)
class Setup:
    """What a head is made of.

    Attributes:
        name: "embedded" or "paper".
        guidance: a prior's name to its model; called once a stage.
        weights: the folder that a whole head is made from; None where networks are random.
        step_bound: the most that a step may take over its parts; `parts` names those parts.
        seconds_bound, memory_bound: of a head, seconds and GB (None: not bounded).
    """

    name: str
    subject: Subject
    mean_head: MeanHead
    control: ControlView
    grid: Callable[[], TetGrid]
    settings: GeneratorSettings
    guidance: Callable[[str], Guidance]
    device: torch.device
    weights: Path | None
    parts: tuple[str, ...]
    step_bound: float
    seconds_bound: float
    memory_bound: float | None = None


def embedded_setup(protocol: str) -> Setup:
    """The shipped networks with a protocol's budget; issue bars: 1.15 of the parts, four minutes."""
    weights = shipped_weights()
    mean_head = load_mean_head(weights / "mean_head.npz")
    settings = _settings(protocol)
    return Setup(
        name="embedded",
        subject=_somebody(_identity_dimension(weights / "guidance")),
        mean_head=mean_head,
        control=ControlView(mean_head),
        grid=lambda: start_grid(mean_head, settings.grid_resolution),
        settings=settings,
        guidance=lambda prior: Guidance.from_folder(weights / "guidance", prior),
        device=torch.device("cpu"),
        weights=weights,
        parts=("denoiser", "ray caster", "marching tetrahedra", "encoder"),
        step_bound=1.15,
        seconds_bound=4 * 60.0,
    )


def paper_setup(protocol: str) -> Setup | str:
    """Random networks of Stable Diffusion 1.5's size on CUDA, or why not; bars: 1.1, 15 minutes, 24 GB."""
    if not torch.cuda.is_available():
        return (
            "Found no CUDA device, expected one for networks of Stable Diffusion 1.5's size; where there is "
            "one, the command is idto3d-eval bench generator --profile paper --whole."
        )
    return random_setup(protocol, SD15, torch.device("cuda"), torch.float16, PAPER_GRID)


def random_setup(
    protocol: str,
    sizes: Mapping[str, dict[str, Any]],
    device: torch.device,
    dtype: torch.dtype,
    grid_resolution: int,
) -> Setup:
    """Networks of Stable Diffusion's kind with random weights: they cost what trained ones cost."""
    mean_head = load_mean_head(shipped_weights() / "mean_head.npz")
    settings = replace(_settings(protocol), grid_resolution=grid_resolution, texture_size=2048, faces=100_000)
    return Setup(
        name="paper",
        subject=_somebody(512),
        mean_head=mean_head,
        control=ControlView(mean_head),
        grid=lambda: start_grid(mean_head, grid_resolution).to(device),
        settings=settings,
        guidance=lambda _: random_guidance(sizes, device, dtype),
        device=device,
        weights=None,
        parts=("denoiser",),
        step_bound=1.1,
        seconds_bound=15 * 60.0,
        memory_bound=24.0,
    )


SETUPS: dict[str, Callable[[str], Setup | str]] = {"embedded": embedded_setup, "paper": paper_setup}


def random_guidance(
    sizes: Mapping[str, dict[str, Any]], device: torch.device, dtype: torch.dtype
) -> Guidance:
    """A latent diffusion model with random weights; `sizes` holds `unet`, `vae` and `text_encoder`."""
    with torch.device(device):
        unet = UNet2DConditionModel(**sizes["unet"]).to(dtype).eval().requires_grad_(False)
        vae = AutoencoderKL(**sizes["vae"]).to(dtype).eval().requires_grad_(False)
        text = CLIPTextModel(CLIPTextConfig(**sizes["text_encoder"])).to(dtype).eval().requires_grad_(False)
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="epsilon"
    )
    return Guidance(unet, scheduler, AutoencoderCodec(vae), _AnyWords(text))


class _AnyWords(nn.Module):
    """A text encoder on words of no meaning: one row of as many tokens for every condition."""

    def __init__(self, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.text_encoder = text_encoder

    def forward(self, condition: Condition) -> Encoded:
        """Tokens [B, T, W]."""
        config = self.text_encoder.config
        length, device = int(config.max_position_embeddings), self.text_encoder.device
        ids = torch.arange(length, device=device) % int(config.vocab_size)
        return Encoded(self.text_encoder(ids.expand(len(condition), -1)).last_hidden_state, None)


def _settings(protocol: str) -> GeneratorSettings:
    budget = load_protocol(protocol).budget
    return GeneratorSettings(
        geometry_steps=budget.geometry_steps,
        texture_steps=budget.texture_steps,
        geometry_batch=budget.geometry_batch,
        texture_batch=budget.texture_batch,
    )


def _identity_dimension(model: Path) -> int:
    """How many numbers of an identity a tiny base reads."""
    config = json.loads((model / "condition_encoder" / "config.json").read_text(encoding="utf-8"))
    return int(config["identity_dimension"])


def _somebody(dimension: int) -> Subject:
    """A person of no photos: what is measured does not depend on who it is."""
    direction = np.random.default_rng(0).normal(size=dimension)
    words = Attributes.from_indices(np.zeros(len(Attributes.GROUPS), np.int64))
    return Subject((direction / np.linalg.norm(direction)).astype(np.float32), words)
