"""A prior that has seen the person: a small adapter tuned on crops of the conditioning photos.

DreamBooth (Ruiz et al. 2023, arXiv 2208.12242) in its low-rank form, as public text-to-3D code has it. The
denoising loss is that of this project's training (`idto3d.train.guidance_loop`), and every picture that the
denoiser looks at is a guidance call. There is no prior-preservation set: it would cost as many calls again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from idto3d.generate import learning_rate
from idto3d.guidance.asking import random_of
from idto3d.guidance.condition import Condition
from idto3d.guidance.condition_encoder import ConditionEncoder
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.lora import ALL_LAYERS, ATTENTION_LAYERS, add_lora
from idto3d.guidance.sds import draw_timesteps
from idto3d.train.guidance_loop import head_weight, loss_weight
from idto3d_baselines.photo_crops import PhotoCrops
from idto3d_baselines.plain_sds import Bounds

RANK, BATCH = 8, 4
RATE, ATTENTION_RATE = 1e-3, 1e-4  # of a network of a few million parameters, and of Stable Diffusion


def personalise(
    guidance: Guidance,
    crops: PhotoCrops,
    calls: int,
    noise: Bounds,
    seed: list[int],
    report: Callable[[int], None] | None = None,
) -> None:
    """Tune a denoiser on pictures until the calls are spent, and fuse what was learned into it.

    Args:
        guidance: in single precision; its denoiser changes.
        crops: what it learns.
        calls: pictures to look at.
        noise: the range of t / T that will be asked about.
        seed: key of all that is drawn.
        report: called with the calls of each step.
    """
    if calls <= 0:
        return
    own = isinstance(guidance.encoder, ConditionEncoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.default_rng([*seed, 0]).integers(2**62)))
        parameters = add_lora(guidance.unet, rank=RANK, targets=ALL_LAYERS if own else ATTENTION_LAYERS)
    learn(guidance, parameters, crops, calls, noise, RATE if own else ATTENTION_RATE, seed, report)
    guidance.unet.fuse_lora()
    guidance.unet.unload_lora()
    guidance.unet.requires_grad_(False)


def learn(
    guidance: Guidance,
    parameters: list[nn.Parameter],
    crops: PhotoCrops,
    calls: int,
    noise: Bounds,
    rate: float,
    seed: list[int],
    report: Callable[[int], None] | None = None,
    told: Callable[[Condition], Condition] = lambda condition: condition,
) -> None:
    """Fit parameters that the denoiser hears of to pictures, by exactly so many looks at them.

    Args:
        guidance, crops, calls, noise, seed, report: as in `personalise`.
        parameters: what learns.
        rate: of Adam, following `learning_rate`.
        told: changes the condition of a batch.
    """
    optimiser = torch.optim.Adam(parameters, lr=rate, betas=(0.9, 0.99))
    numbers, random = np.random.default_rng([*seed, 1]), random_of(*seed, 2)
    left = calls
    while left > 0:
        count = min(BATCH, left)
        rows = torch.from_numpy(numbers.integers(0, len(crops), count))
        condition = told(crops.condition.rows(rows)).to(guidance.device)
        z0 = guidance.encode(crops.images[rows].to(guidance.device))
        t = draw_timesteps(guidance, noise, count, random)
        eps = torch.randn(z0.shape, generator=random).to(z0)
        loss = denoising_loss(guidance, z0, condition, t, eps)
        for group in optimiser.param_groups:
            group["lr"] = rate * learning_rate(1.0 - left / calls)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        left -= count
        if report is not None:
            report(count)


def denoising_loss(guidance: Guidance, z0: Tensor, condition: Condition, t: Tensor, eps: Tensor) -> Tensor:
    """Mean square error of x0_hat of latents [B, C, h, w] under noise of the same shape, weighted by timestep
    and place as in training; with what the condition alone expects of them, where the model says."""
    encoded = guidance.encoder(condition)
    x0_hat = guidance.denoise_encoded(guidance.add_noise(z0, eps, t), t, encoded)
    floor = 1.0 if guidance.prediction == "sample" else 0.0
    weight = head_weight(condition, z0.shape[-1])
    error = ((x0_hat - z0).square().mean(1) * weight).mean((1, 2))
    loss: Tensor = (loss_weight(guidance, t, floor=floor).to(error) * error).mean()
    if encoded.expected is not None and encoded.expected.requires_grad:
        loss = loss + ((encoded.expected - z0).square().mean(1) * weight).mean()
    return loss
