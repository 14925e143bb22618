"""How well a denoiser cleans pictures of held-out people: the error of each row at stated noise levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from idto3d.guidance.guidance import Guidance
from idto3d.train.guidance_data import GuidanceData
from idto3d.train.guidance_loop import REPORTED_T, head_weight, loss_weight

BATCH = 16  # rows at once; changes no figure beyond rounding


@torch.no_grad()
def denoising_errors(
    guidance: Guidance,
    data: GuidanceData,
    rows: NDArray[np.int64],
    levels: Sequence[int] = REPORTED_T,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Mean square errors of x0_hat, everything told, with noise that hangs on the seed and the row alone.

    Args:
        guidance: the denoiser; two that share their latents meet the same noise.
        data: of the kind of picture that is asked about, with that kind's control.
        rows: [N] of `data`.
        levels: timesteps.
        seed: of the noise.

    Returns:
        [N, len(levels), 2]: weighted as training weighs places (`head_weight`), and on the head alone.
    """
    parts = [
        _batch_errors(guidance, data, rows[start : start + BATCH], levels, seed)
        for start in range(0, len(rows), BATCH)
    ]
    return np.concatenate(parts)


def heldout_loss(
    guidance: Guidance, data: GuidanceData, rows: NDArray[np.int64], floor: float, seed: int = 0
) -> float:
    """The training's loss on rows of held-out people: `denoising_errors` under `loss_weight`."""
    weight = loss_weight(guidance, torch.tensor(REPORTED_T), floor=floor).cpu().numpy()  # [L]
    return float((denoising_errors(guidance, data, rows, REPORTED_T, seed)[..., 0] * weight).mean())


def spread_rows(data: GuidanceData, count: int) -> NDArray[np.int64]:
    """At most `count` rows of held-out people, from as many people as there are, sorted; always the same."""
    random = np.random.default_rng(0)
    shuffled = random.permutation(data.heldout)
    person = data.person[shuffled]
    turn = np.zeros(len(shuffled), np.int64)  # how many rows of the same person came before
    for one in np.unique(person):
        own = np.flatnonzero(person == one)
        turn[own] = np.arange(len(own))
    return np.sort(shuffled[np.argsort(turn, kind="stable")][:count])


def _batch_errors(
    guidance: Guidance, data: GuidanceData, rows: NDArray[np.int64], levels: Sequence[int], seed: int
) -> NDArray[np.float64]:
    images, condition = data.batch(rows, None)
    z0 = guidance.encode(images.to(guidance.device))
    told = condition.to(guidance.device)
    noise = torch.from_numpy(
        np.stack(
            [
                np.random.default_rng([seed, int(row)]).standard_normal(z0.shape[1:], np.float32)
                for row in rows
            ]
        )
    ).to(z0)
    weight = torch.as_tensor(head_weight(told, z0.shape[-1]), device=z0.device).expand(
        len(z0), *z0.shape[-2:]
    )
    head = (weight >= 1.0).float()
    columns = []
    for level in levels:
        t = torch.full((len(rows),), level, device=guidance.device)
        answer = guidance.denoise(guidance.add_noise(z0, noise, t), t, told)
        error = (answer - z0).square().mean(1)  # [B, h, w]
        on_head = (error * head).sum((1, 2)) / head.sum((1, 2)).clamp(min=1.0)
        columns.append(torch.stack([(error * weight).mean((1, 2)), on_head], 1))
    return torch.stack(columns, 1).double().cpu().numpy()
