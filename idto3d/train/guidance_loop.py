"""The loop that fits a denoiser to pictures: noise, loss, optimiser, moving average, checkpoint and log."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from idto3d.expressions import EXPRESSIONS
from idto3d.guidance.condition import Condition
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.places import FEATURES, at_features, place_loss
from idto3d.train.guidance_data import GuidanceData, drop_conditions
from idto3d.train.loops import bfloat16_pays, keep_freed_memory

REPORTED_T = (300, 500, 700, 900)
BACKDROP = 0.1  # what an error off the head counts; one at eyes, nose and mouth counts `FEATURES`
PLACE_TOLD = 0.6  # share of rows whose places are told
PLACE_WEIGHT = 1.0  # of `place_loss` beside the pictures' errors


@dataclass(frozen=True)
class LoopOptions:
    """How long and how fast; `minutes` counts this loop's own time, resumed runs included."""

    minutes: float
    seed: int
    learning_rate: float
    batch: int = 16
    warm_up: int = 200  # steps
    ema_decay: float = 0.998
    weight_decay: float = 0.01
    quiet_share: float = 0.2  # of the timesteps drawn, those below `quiet`
    quiet: float = 0.3  # as a share of the schedule
    gamma: float = 5.0  # the largest weight of `loss_weight`
    floor: float = 1.0  # its smallest
    report_every: float = 200.0  # s
    half: bool = True  # mixed precision
    expectation: bool = False  # fit `Encoded.expected` alone, which costs a tenth of the denoiser
    steps: int | None = None  # an upper bound, for tests


@dataclass
class LoopState:
    """What a checkpoint holds besides tensors."""

    step: int = 0
    seconds: float = 0.0
    log: list[dict[str, Any]] = field(default_factory=list)


def loss_weight(guidance: Guidance, t: Tensor, gamma: float = 5.0, floor: float = 1.0) -> Tensor:
    """[B]: SNR clipped to [floor, gamma], for a loss on x0.

    From below as in the truncated-SNR weighting of Salimans & Ho (2022, section 4), so that high noise,
    where the condition speaks, counts fully; from above as in Min-SNR, gamma = 5 (Hang et al. 2023, eq. 8).
    A network that predicts the noise takes floor 0, which is Min-SNR as published: its x0 has an error of
    1 / SNR.
    """
    squared = guidance.alphas_cumprod[t.to(guidance.alphas_cumprod.device)]
    return (squared / (1 - squared)).clamp(floor, gamma)


def half_type(device: torch.device) -> torch.dtype:
    """The 16 bits of mixed precision on a device: bfloat16, or float16 on GPUs that lack it."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        return torch.float16
    return torch.bfloat16


def halves(device: torch.device, wanted: bool) -> bool:
    """Whether mixed precision is used where it is wanted: on CPUs only where it pays."""
    return wanted and (device.type != "cpu" or bfloat16_pays())


def draw_timesteps(
    count: int,
    random: np.random.Generator,
    total: int = 1000,
    quiet_share: float = 0.25,
    quiet: float = 0.3,
) -> Tensor:
    """[B] int64: `quiet_share` of them uniform below the share `quiet` of the schedule, the others above."""
    low = int(quiet * total)
    noisy = random.random(count) >= quiet_share
    t = np.where(noisy, random.integers(low, total, count), random.integers(0, low, count))
    return torch.from_numpy(t)


def denoising_loss(
    guidance: Guidance,
    images: Tensor,
    condition: Condition,
    random: np.random.Generator,
    options: LoopOptions,
    own_place: Tensor | None = None,
) -> Tensor:
    """Weighted mean square error of x0_hat on one batch, with everything random drawn from `random`, and of
    what the condition expects of the latents without the noisy picture; of that alone where it is asked for.

    own_place: [B, 3, 64, 64] as `GuidanceData.own_places`; the encoder's places are then held to it,
        and it is told in a share `PLACE_TOLD` of the rows.
    """
    device = guidance.device
    half = halves(device, options.half)
    if own_place is not None:
        told = torch.from_numpy(random.random(len(images)) < PLACE_TOLD)
        condition = replace(condition, place=own_place * told.view(-1, 1, 1, 1))
    images, condition = images.to(device), condition.to(device)
    z0 = guidance.encode(images)
    weight = head_weight(condition, z0.shape[-1])
    loss = z0.new_zeros(())
    if options.expectation:
        with torch.autocast(device.type, half_type(device), enabled=half):
            encoded = guidance.encoder(drop_conditions(condition, random))
    else:
        t = draw_timesteps(len(z0), random, guidance.timesteps, options.quiet_share, options.quiet).to(device)
        noise = torch.from_numpy(random.standard_normal(z0.shape, np.float32)).to(device)
        with torch.autocast(device.type, half_type(device), enabled=half):
            encoded = guidance.encoder(drop_conditions(condition, random))
            x0_hat = guidance.denoise_encoded(guidance.add_noise(z0, noise, t), t, encoded)
        error = (x0_hat.float() - z0).square().mean(1) * weight
        loss = (loss_weight(guidance, t, options.gamma, options.floor) * error.mean((1, 2))).mean()
    if encoded.expected is not None:
        # Left to the denoiser, what is expected drifts into whatever is easy to correct.
        loss = loss + ((encoded.expected.float() - z0).square().mean(1) * weight).mean()
    if encoded.place is not None and own_place is not None:
        loss = loss + PLACE_WEIGHT * place_loss(encoded.place, own_place.to(device))
    return loss


def head_weight(condition: Condition, side: int) -> Tensor | float:
    """[B, side, side]: 1 at the head and one latent position around it, `FEATURES` at eyes, nose and mouth,
    `BACKDROP` elsewhere.

    A backdrop is nobody's: its error is large, cannot be learned, and drowns the gradient of the face; and
    the face's own drowns that of the mouth, which an expression moves.
    """
    if condition.control is None:
        return 1.0
    place = condition.control[:, :3]
    head = (place.abs().sum(1, keepdim=True) > 0).float()
    features = head * at_features(place)[:, None].float()
    near = functional.max_pool2d(functional.adaptive_max_pool2d(head, side), 3, 1, 1)[:, 0]
    inside = functional.adaptive_avg_pool2d(features, side)[:, 0]
    return BACKDROP + (1.0 - BACKDROP) * near + (FEATURES - 1.0) * inside


def fit(
    guidance: Guidance,
    parameters: list[nn.Parameter],
    data: GuidanceData,
    checkpoint: Path,
    options: LoopOptions,
    *,
    resume: bool,
    report: Callable[[LoopState], dict[str, Any]],
    say: Callable[[str], None] = print,
    stop: Callable[[LoopState], bool] = lambda _: False,
    watch: Callable[[LoopState], None] = lambda _: None,
) -> LoopState:
    """Train `parameters` for the given minutes; they end as their moving average.

    `report` is called now and then with the averaged weights in place; what it returns goes to the log. Every
    report is also a checkpoint, from which `resume` continues with the same batches; `stop` is asked after
    each whether the run ends there. `watch` is called after every step.
    """
    optimiser = torch.optim.AdamW(
        parameters, lr=options.learning_rate, betas=(0.9, 0.99), weight_decay=options.weight_decay
    )
    average = [parameter.detach().clone() for parameter in parameters]
    state = LoopState()
    if resume and checkpoint.is_file():
        state = _load(checkpoint, parameters, average, optimiser)
        say(f"resumed at step {state.step}, {state.seconds / 60:.1f} minutes")
    budget, started, reported = 60 * options.minutes, time.monotonic() - state.seconds, state.seconds
    losses: list[float] = []
    keep_freed_memory()
    guidance.unet.to(memory_format=torch.channels_last)
    # Gradients in float16 underflow unless the loss is scaled up (Micikevicius et al. 2018); no-op otherwise.
    halved = options.half and half_type(guidance.device) == torch.float16
    scaler = torch.amp.GradScaler(guidance.device.type, enabled=halved)
    stopped = bool(state.log) and stop(state)
    while not stopped and state.seconds < budget and (options.steps is None or state.step < options.steps):
        # One generator a step, so that a resumed run draws what an undisturbed one would.
        random = np.random.default_rng([options.seed, state.step])
        rows = data.train[random.integers(0, len(data.train), options.batch)]
        images, condition = data.batch(rows, random)
        rate = _rate(state, options, budget)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = denoising_loss(guidance, images, condition, random, options, data.own_places(rows))
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        scaler.step(optimiser)
        scaler.update()
        decay = min(options.ema_decay, (1 + state.step) / (10 + state.step))
        with torch.no_grad():
            torch._foreach_lerp_(average, [p.data for p in parameters], 1 - decay)
        state.step += 1
        state.seconds = time.monotonic() - started
        losses.append(float(loss.detach()))
        watch(state)
        if state.seconds - reported > options.report_every:
            # The clock stops while we report.
            before = time.monotonic()
            _report(state, parameters, average, losses, report, say)
            _save(checkpoint, parameters, average, optimiser, state)
            started += time.monotonic() - before
            reported, losses = state.seconds, []
            stopped = stop(state)
    if not stopped:
        _report(state, parameters, average, losses, report, say)
        _save(checkpoint, parameters, average, optimiser, state)
    with torch.no_grad():
        for parameter, mean in zip(parameters, average, strict=True):
            parameter.copy_(mean)
    return state


@torch.no_grad()
def identity_gain(
    guidance: Guidance, data: GuidanceData, count: int = 64, levels: Sequence[int] = REPORTED_T
) -> dict[str, float]:
    """x0 error on held-out people at several t, told what is right, another's identity ("wrong"), or another
    expression ("unlike"); no attributes. "expected": of what the condition says without the noisy picture;
    "place": `place_loss` of its places, "placed": what it expects told the true ones."""
    random = np.random.default_rng(0)
    rows = random.choice(data.heldout, count, replace=len(data.heldout) < count)
    images, condition = data.batch(rows, None)
    images, condition = images.to(guidance.device), condition.to(guidance.device)
    untold = torch.full_like(condition.attributes, -1)
    right = replace(condition, attributes=untold)
    # The next row of another person lends its identity.
    person = data.person[rows]
    other = [
        next((j % count for j in range(i + 1, i + count) if person[j % count] != person[i]), i)
        for i in range(count)
    ]
    wrong = replace(right, identity=right.identity[other])
    unlike = replace(right, expression=(right.expression + 1) % len(EXPRESSIONS))
    z0 = guidance.encode(images)
    noise = torch.from_numpy(random.standard_normal(z0.shape, np.float32)).to(guidance.device)
    weight, result, own = head_weight(right, z0.shape[-1]), {}, data.own_places(rows)
    own = own if own is None else own.to(guidance.device)
    for name, told in (("right", right), ("wrong", wrong), ("unlike", unlike)):
        encoded = guidance.encoder(told)
        answers = {"expected": encoded.expected}
        if encoded.place is not None and own is not None:
            result[f"place_{name}"] = float(place_loss(encoded.place, own))
            answers["placed"] = guidance.encoder(replace(told, place=own)).expected
        for level in levels:
            t = torch.full((count,), level, device=guidance.device)
            answers[f"t{level}"] = guidance.denoise(guidance.add_noise(z0, noise, t), t, told)
        for key, answer in answers.items():
            if answer is not None:
                result[f"{key}_{name}"] = float(((answer - z0).square().mean(1) * weight).mean())
    return result


def _rate(state: LoopState, options: LoopOptions, budget: float) -> float:
    """Linear warm-up, then a cosine over the time budget down to a twentieth."""
    warm = min(1.0, (state.step + 1) / options.warm_up)
    progress = min(1.0, state.seconds / budget)
    return options.learning_rate * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def _report(
    state: LoopState,
    parameters: list[nn.Parameter],
    average: list[Tensor],
    losses: list[float],
    report: Callable[[LoopState], dict[str, Any]],
    say: Callable[[str], None],
) -> None:
    raw = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        for parameter, mean in zip(parameters, average, strict=True):
            parameter.copy_(mean)
        entry = report(state)
        for parameter, value in zip(parameters, raw, strict=True):
            parameter.copy_(value)
    per_step = state.seconds / max(1, state.step)
    loss = float(np.mean(losses)) if losses else float("nan")
    entry = {"step": state.step, "minutes": round(state.seconds / 60, 2), "loss": round(loss, 5), **entry}
    state.log.append(entry)
    say(f"{json.dumps(entry)}  ({per_step:.3f} s a step)")


def _save(
    path: Path,
    parameters: list[nn.Parameter],
    average: list[Tensor],
    optimiser: torch.optim.Optimizer,
    state: LoopState,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "parameters": [parameter.detach() for parameter in parameters],
        "average": average,
        "optimiser": optimiser.state_dict(),
        "step": state.step,
        "seconds": state.seconds,
        "log": state.log,
    }
    unfinished = path.with_suffix(".unfinished")
    torch.save(content, unfinished)
    unfinished.replace(path)


def _load(
    path: Path, parameters: list[nn.Parameter], average: list[Tensor], optimiser: torch.optim.Optimizer
) -> LoopState:
    content = torch.load(path, weights_only=True)
    with torch.no_grad():
        for parameter, value in zip(parameters, content["parameters"], strict=True):
            parameter.copy_(value)
        for mean, value in zip(average, content["average"], strict=True):
            mean.copy_(value)
    optimiser.load_state_dict(content["optimiser"])
    return LoopState(content["step"], content["seconds"], content["log"])
