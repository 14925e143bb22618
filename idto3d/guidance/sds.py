"""Score distillation sampling: a rendered picture is pulled to where the denoiser thinks it should be.

DreamFusion (Poole et al. 2022, eq. 3): grad_theta L = E_t,eps [ w(t) (eps_hat(z_t; y, t) - eps) dz/dtheta ].
With z_t = alpha_t z + sigma_t eps, eps_hat - eps = (alpha_t / sigma_t) (z - x0_hat), so both forms below are
that equation with another w(t); the clean-sample form is the one a network that predicts x0 answers
directly.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from idto3d.guidance.condition import Condition
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.sample import Scales, guided_denoise

# w(t) from alpha_t and sigma_t, multiplying eps_hat - eps.
WEIGHTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sigma_squared": lambda _alpha, sigma: sigma**2,  # DreamFusion's choice
    "uniform": lambda _alpha, sigma: torch.ones_like(sigma),
    # Turns eps_hat - eps into z - x0_hat: every noise level pulls with the distance that it sees.
    "clean_sample": lambda alpha, sigma: sigma / alpha,
}


def sds_loss(
    guidance: Guidance,
    images: Tensor,
    condition: Condition,
    t: Tensor | tuple[float, float],
    scales: Scales | float,
    noise: torch.Generator | Tensor,
    *,
    weight: str = "clean_sample",
    error: Tensor | None = None,
) -> Tensor:
    """A scalar whose gradient with respect to `images` is the SDS gradient, averaged over views and latents.

    images [B, 3, R, R] in [-1, 1], one view a row; condition of B rows; t [B] int64, or a range of t / T to
    draw it from; one scale stands for identity and text alike (and spares an evaluation); noise [B, C, h, w],
    or what to draw it from (on the CPU, so that devices agree). The value itself is half the weighted mean
    square of the step asked for, and falls as the picture is accepted. `error` is as in `sds_target`.
    """
    z0 = guidance.encode(images)
    if isinstance(t, tuple):
        if isinstance(noise, Tensor):
            raise ValueError("Found a range of timesteps beside given noise, expected timesteps.")
        t = draw_timesteps(guidance, t, len(images), noise)
    if not isinstance(scales, Scales):
        scales = Scales(scales, scales)
    if not isinstance(noise, Tensor):
        noise = torch.randn(z0.shape, generator=noise).to(z0)
    target = sds_target(guidance, z0.detach(), condition, t, scales, noise, weight=weight, error=error)
    return pull_loss(z0, target)


@torch.no_grad()
def sds_target(
    guidance: Guidance,
    z0: Tensor,
    condition: Condition,
    t: Tensor,
    scales: Scales,
    noise: Tensor,
    *,
    weight: str = "clean_sample",
    error: Tensor | None = None,
) -> Tensor:
    """Where the denoiser would have pictures with latents `z0` [B, C, h, w]: z0 minus the SDS step.

    Kept, it can be followed for several steps (`pull_loss`): at high noise the answer says what fits the
    condition and hardly changes with the picture, while a network costs several times what a rendering does.
    All views and all terms of classifier-free guidance go through the denoiser as one batch.

    error: latents [B, C, h, w] that the denoiser takes off pictures that fit their condition, under the same
    noise (`ReferenceViews`). They are given back (Delta Denoising Score, Hertz et al. 2023, eq. 3): the
    picture then moves by what tells the two conditions apart, and keeps what the denoiser cannot draw.
    """
    alpha, sigma = guidance.alpha_sigma(t)
    x0_hat = guided_denoise(guidance, alpha * z0 + sigma * noise, t, condition, scales)
    if error is not None:
        x0_hat = x0_hat + error
    # w(t) (eps_hat - eps), written through x0_hat
    return z0 - WEIGHTS[weight](alpha, sigma) * (alpha / sigma) * (z0 - x0_hat)


def pull_loss(z0: Tensor, target: Tensor) -> Tensor:
    """Half the mean square distance of latents to where they are to be; its gradient is the distance over the
    number of elements."""
    return 0.5 * (z0 - target).square().mean()


def annealed_range(
    progress: float, start: tuple[float, float] = (0.6, 0.95), end: tuple[float, float] = (0.3, 0.6)
) -> tuple[float, float]:
    """The range of t / T at `progress` in [0, 1]: both ends move on a straight line from `start` to `end`.

    Coarse first: the annealing of HiFA (Zhu et al. 2024) and of HumanNorm's t max, with the ends that moved
    a head to the right person at 64².
    """
    share = min(1.0, max(0.0, progress))
    low = start[0] + share * (end[0] - start[0])
    high = start[1] + share * (end[1] - start[1])
    return low, high


def cosine_range(
    progress: float, start: tuple[float, float] = (0.6, 0.95), end: tuple[float, float] = (0.3, 0.6)
) -> tuple[float, float]:
    """As `annealed_range`, staying longer near both ends (half a cosine)."""
    share = 0.5 - 0.5 * math.cos(math.pi * min(1.0, max(0.0, progress)))
    return annealed_range(share, start, end)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Pictures [B, C, R, R] through a Gaussian of `sigma` pixels; as they are for 0.

    A denoiser's answer at high noise is a mean over what might be there, and so smooth. Compared through the
    same smoothness, a picture is moved where it differs and keeps the detail that the answer cannot hold.
    """
    if sigma <= 0.0:
        return images
    reach = math.ceil(3.0 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, -1)
    padded = torch.nn.functional.pad(images, (reach,) * 4, mode="replicate")
    rows = torch.nn.functional.conv2d(padded, kernel[:, :, None, :], groups=images.shape[1])
    return torch.nn.functional.conv2d(rows, kernel[:, :, :, None], groups=images.shape[1])


Bounds = tuple[float, float]
TIMESTEP_RANGES: dict[str, Callable[[float, Bounds, Bounds], Bounds]] = {
    "annealed": annealed_range,
    "cosine": cosine_range,
    # DreamFusion's: all of it at any progress.
    "constant": lambda _, start, end: (min(start[0], end[0]), max(start[1], end[1])),
}


def draw_timesteps(
    guidance: Guidance, bounds: tuple[float, float], count: int, generator: torch.Generator
) -> Tensor:
    """[count] int64, uniform between the bounds, which are shares of the schedule's length."""
    low, high = (round(bound * (guidance.timesteps - 1)) for bound in bounds)
    return torch.randint(low, high + 1, (count,), generator=generator).to(guidance.device)
