"""Pictures that a prior draws in full, kept, and a head that follows them.

The other road from a diffusion model to a head: not one look a step, but whole pictures by DDIM (Song et al.
2021, eq. 12, eta = 0), from nothing or from the head as it is now (SDEdit, Meng et al. 2022), to which the
head is then fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from idto3d.generate import learning_rate
from idto3d.guidance.asking import random_of
from idto3d.guidance.condition import Condition
from idto3d.guidance.control import Drawn
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.reference_views import ViewOrder, row_blocks
from idto3d.guidance.sample import Scales, evaluations, guided_denoise
from idto3d.guidance.sds import pull_loss
from idto3d.render.camera import Camera
from idto3d_baselines.plain_sds import WEIGHT, shares_of


@dataclass(frozen=True)
class SampledViews:
    """Pictures of N views as latents [N, C, h, w], and how each was seen."""

    cameras: Sequence[Camera]
    drawn: Sequence[Drawn]
    latents: Tensor


@torch.no_grad()
def sampled(
    guidance: Guidance,
    condition: Condition,
    calls: int,
    scales: Scales,
    seed: Sequence[int],
    start: float = 1.0,
    shown: Tensor | None = None,
) -> Tensor:
    """Latents [N, C, h, w] of one picture for each row of a condition, for exactly `calls` guidance calls.

    Args:
        guidance: the prior.
        condition: N rows.
        calls: to spend; a row has as many steps as they allow, some rows one more.
        scales: of classifier-free guidance; where the calls do not divide, the last step of a row goes
            without.
        seed: key of the noise.
        start: share of the noise schedule to begin at.
        shown: latents [N, C, h, w] to begin from, noised; pure noise where None.

    Raises:
        ValueError: fewer calls than rows.
    """
    count = len(condition)
    if calls < count:
        raise ValueError(f"Found {calls} calls for {count} pictures, expected one each at least.")
    each = evaluations(condition, scales)
    side = guidance.resolution // guidance.codec.factor
    channels = int(guidance.unet.config["out_channels"])
    noise = torch.randn(count, channels, side, side, generator=random_of(*seed)).to(guidance.device)
    spend = torch.tensor(shares_of(calls, [1.0] * count))
    answers = torch.empty_like(noise)
    for number in spend.unique().tolist():
        chosen = torch.nonzero(spend == number)[:, 0]
        for rows in row_blocks(len(chosen)):
            index = chosen[rows]
            steps = [scales] * (number // each) + [Scales()] * (number % each)
            begins = None if shown is None else shown[index]
            answers[index] = _drawn(guidance, condition.rows(index), noise[index], steps, start, begins)
    return answers


def _drawn(
    guidance: Guidance,
    condition: Condition,
    noise: Tensor,
    steps: Sequence[Scales],
    start: float,
    shown: Tensor | None,
) -> Tensor:
    """DDIM from `start` of the schedule, one step for each of the scales."""
    first = round(start * (guidance.timesteps - 1))
    grid = torch.linspace(first, 0, len(steps) + 1).round().long()
    t = torch.full((len(noise),), first, device=noise.device)
    z = noise if shown is None else guidance.add_noise(shown, noise, t)
    x0_hat = z
    for (now, following), scales in zip(pairwise(grid.tolist()), steps, strict=True):
        t = torch.full((len(z),), now, device=z.device)
        x0_hat = guided_denoise(guidance, z, t, condition, scales)
        alpha, sigma = guidance.alpha_sigma(t)
        alpha_next, sigma_next = guidance.alpha_sigma(torch.full_like(t, following))
        z = alpha_next * x0_hat + sigma_next * (z - alpha * x0_hat) / sigma
    return x0_hat


def follow(
    guidance: Guidance,
    views: SampledViews,
    pictures: Callable[[Sequence[Camera], Sequence[Drawn]], Tensor],
    groups: Sequence[dict[str, Any]],
    steps: int,
    batch: int,
    seed: Sequence[int],
    *,
    besides: Callable[[float], Tensor] | None = None,
    before_step: Callable[[], None] | None = None,
) -> None:
    """Fit what is learned to kept pictures; costs no guidance calls.

    Args:
        guidance: whose latents they are compared in.
        views: the pictures.
        pictures: [B, 3, R, R] in [-1, 1] of the head from B views; differentiable.
        groups: of Adam, each with its own "rate", which follows `learning_rate`.
        steps: of Adam, `batch` views each.
        batch: views a step.
        seed: key of their order.
        besides: further losses at a share of the steps.
        before_step: called between backward and step.
    """
    optimiser = torch.optim.Adam([{**group, "lr": group["rate"]} for group in groups], betas=(0.9, 0.99))
    order = ViewOrder(len(views.cameras), np.random.default_rng(list(seed)))
    for step in range(steps):
        rows = order.take(batch)
        shown = pictures([views.cameras[row] for row in rows], [views.drawn[row] for row in rows])
        loss = WEIGHT * pull_loss(guidance.encode(shown), views.latents[rows])
        if besides is not None:
            loss = loss + besides(step / steps)
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * learning_rate(step / steps)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if before_step is not None:
            before_step()
        optimiser.step()
