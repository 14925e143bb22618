"""Pictures drawn from a guidance model: classifier-free guidance, DDIM sampling and contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from idto3d.guidance.condition import Condition
from idto3d.guidance.guidance import Guidance


@dataclass(frozen=True)
class Scales:
    """How far to push along what identity says, and along what words say; 1 is the plain conditional
    model."""

    identity: float = 1.0
    text: float = 1.0


def guided_denoise(guidance: Guidance, z: Tensor, t: Tensor, condition: Condition, scales: Scales) -> Tensor:
    """x0_hat under classifier-free guidance with one scale for identity and one for text.

    f(0, 0) + s_i (f(i, 0) - f(0, 0)) + s_t (f(i, t) - f(i, 0)): InstructPix2Pix (Brooks et al. 2023, eq. 3).
    Equal scales need two evaluations (Ho & Salimans 2022), unit scales one; all go through the network as
    one batch. The camera is told in every term.
    """
    full, identity, none = condition, condition.without_text(), condition.without_text().without_identity()
    weighted = [(full, scales.text), (identity, scales.identity - scales.text), (none, 1.0 - scales.identity)]
    terms = [(part, weight) for part, weight in weighted if weight != 0.0]
    if not terms:
        raise ValueError("Found guidance scales that leave no term, expected finite scales.")
    count = len(terms)
    x0_hats = guidance.denoise(
        z.repeat(count, 1, 1, 1), t.repeat(count), Condition.concatenate([part for part, _ in terms])
    )
    chunks = zip(x0_hats.chunk(count), terms, strict=True)
    total = torch.zeros_like(z)
    for x0_hat, (_, weight) in chunks:
        total = total + weight * x0_hat
    return total


@torch.no_grad()
def sample_ddim(
    guidance: Guidance,
    condition: Condition,
    *,
    generator: torch.Generator,
    steps: int = 20,
    scales: Scales | None = None,
) -> Tensor:
    """Images [B, 3, R, R] in [-1, 1] for each row: deterministic DDIM (Song et al. 2021, eq. 12, eta = 0)."""
    side = guidance.resolution // guidance.codec.factor
    channels = int(guidance.unet.config["out_channels"])
    z = torch.randn(len(condition), channels, side, side, generator=generator).to(guidance.device)
    grid = torch.linspace(guidance.timesteps - 1, 0, steps + 1).round().long()
    for now, following in pairwise(grid.tolist()):
        t = torch.full((len(z),), now, device=z.device)
        x0_hat = guided_denoise(guidance, z, t, condition, scales or Scales())
        # Pixels are known to lie in [-1, 1]; latents of an autoencoder are not.
        x0_hat = x0_hat.clamp(-1, 1) if guidance.prediction == "sample" else x0_hat
        alpha, sigma = guidance.alpha_sigma(t)
        eps_hat = (z - alpha * x0_hat) / sigma
        alpha_next, sigma_next = guidance.alpha_sigma(torch.full_like(t, following))
        z = alpha_next * x0_hat + sigma_next * eps_hat
    return guidance.decode(x0_hat).clamp(-1, 1)


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """[B, 3, R, R] in [-1, 1] to [B, R, R, 3] uint8."""
    scaled = (images.detach().cpu().clamp(-1, 1) + 1) * 127.5
    pixels: NDArray[np.uint8] = scaled.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return pixels


def write_contact_sheet(path: Path, rows: Sequence[Sequence[NDArray[np.uint8]]], zoom: int = 2) -> None:
    """One PNG of rows of equally large images [R, R, 3] uint8, each enlarged `zoom` times."""
    sheet = np.concatenate([np.concatenate(list(row), 1) for row in rows])
    picture = Image.fromarray(sheet).resize(
        (sheet.shape[1] * zoom, sheet.shape[0] * zoom), Image.Resampling.BICUBIC
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
