"""Score distillation as published, in one loop that spends exactly the guidance calls it is given.

DreamFusion (arXiv 2209.14988, eq. 3 and algorithm 1): at every step new views, new timesteps, new noise, one
look of the denoiser. What `idto3d.generate` does besides (kept answers, references, places, a least-squares
start) is that generator's own, and no baseline has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from idto3d.generate import learning_rate
from idto3d.guidance.asking import random_of
from idto3d.guidance.condition import Condition
from idto3d.guidance.control import ControlView, Drawn
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.sample import Scales, evaluations
from idto3d.guidance.sds import draw_timesteps, pull_loss, sds_target
from idto3d.render.camera import Camera
from idto3d_baselines.specs import GenerateRequest

# What a head may spend where a protocol declares nothing: about what id_to_3d does in `unseen_ids`.
CALLS = 640
# `pull_loss` is a mean over a picture's 12,288 numbers; as a sum it outweighs the regularisers, as in
# `idto3d.generate`.
WEIGHT = 12_288.0
Views = tuple[Sequence[Camera], Sequence[Drawn]]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Distillation:
    """How a method asks: everything that papers differ in.

    Attributes:
        scales: of classifier-free guidance.
        noise: the range of t / T at a share of the part.
        weight: w(t), of `idto3d.guidance.sds.WEIGHTS`.
        batch: views a step.
    """

    scales: Scales
    noise: Callable[[float], Bounds]
    weight: str = "sigma_squared"
    batch: int = 2


def budget_of(request: GenerateRequest) -> int:
    """Guidance calls that the request allows, which a method by distillation spends to the last."""
    declared = request.budget.guidance_calls
    return CALLS if declared is None else declared


def shares_of(calls: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers that add up to `calls`, in proportion to weights."""
    edges = np.round(np.cumsum([0.0, *weights]) / sum(weights) * calls).astype(int)
    return [int(count) for count in np.diff(edges)]


def distil(
    guidance: Guidance,
    control: ControlView,
    draw: Callable[[np.random.Generator, int], Views],
    pictures: Callable[[Sequence[Camera], Sequence[Drawn]], Tensor],
    told: Callable[[Sequence[Camera], Tensor], Condition],
    groups: Sequence[dict[str, Any]],
    calls: int,
    how: Distillation,
    seed: Sequence[int],
    *,
    besides: Callable[[float], Tensor] | None = None,
    before_step: Callable[[], None] | None = None,
    report: Callable[[int], None] | None = None,
) -> None:
    """Pull what is learned to where the denoiser would have its pictures, until the calls are spent.

    Args:
        guidance: the prior.
        control: the mean head, as the denoiser is shown it.
        draw: cameras for the next step and how each is drawn, from a generator and their number.
        pictures: [B, 3, R, R] in [-1, 1] of the head from B views; differentiable.
        told: the condition of B cameras with their controls.
        groups: of Adam, each with its own "rate", which follows `learning_rate`.
        calls: images × network evaluations; the last step looks at fewer views where they do not divide.
        how: scales, noise, weight and batch.
        seed: key of all that is drawn.
        besides: further losses at a share of the part: regularisers, a photograph.
        before_step: called between backward and step.
        report: called with the calls of each step.
    """
    if calls <= 0:
        return
    optimiser = torch.optim.Adam([{**group, "lr": group["rate"]} for group in groups], betas=(0.9, 0.99))
    numbers, noise = np.random.default_rng([*seed, 1]), random_of(*seed, 2)
    left = calls
    while left > 0:
        share = 1.0 - left / calls
        cameras, drawn = draw(numbers, how.batch)
        shown = control.looks(cameras, drawn).to(guidance.device)
        condition, scales = told(cameras, shown), how.scales
        each = evaluations(condition, scales)
        count = min(how.batch, left // each)
        if count == 0:  # not enough is left for guidance: the plain conditional answer costs one
            scales, count, each = Scales(), 1, 1
        cameras, drawn, condition = cameras[:count], drawn[:count], condition.rows(slice(0, count))
        z0 = guidance.encode(pictures(cameras, drawn))
        t = draw_timesteps(guidance, how.noise(share), count, noise)
        eps = torch.randn(z0.shape, generator=noise).to(z0)
        target = sds_target(guidance, z0.detach(), condition, t, scales, eps, weight=how.weight)
        loss = WEIGHT * pull_loss(z0, target)
        if besides is not None:
            loss = loss + besides(share)
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * learning_rate(share)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if before_step is not None:
            before_step()
        optimiser.step()
        left -= count * each
        if report is not None:
            report(count * each)
