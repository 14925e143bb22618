"""The first guess of an adapter, fitted by plain regression before its denoiser is turned."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch

from idto3d.guidance.codec import Codec
from idto3d.guidance.first_guess import FirstGuess
from idto3d.train.guidance_data import GuidanceData, drop_conditions


def fit_guess(
    guess: FirstGuess,
    codec: Codec,
    data: GuidanceData,
    *,
    minutes: float,
    seed: int,
    batch: int = 48,
    learning_rate: float = 2e-3,
    steps: int | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Least squares from condition to latents, parts of the condition dropped as the denoiser will see it.

    The learning rate falls to nothing over the minutes; the guess is left frozen.
    """
    optimiser = torch.optim.AdamW(guess.parameters(), lr=learning_rate, weight_decay=0.01)
    started, step, progress, losses = time.monotonic(), 0, 0.0, [0.0]
    while progress < 1.0 and (steps is None or step < steps):
        random = np.random.default_rng([seed, 1, step])
        rows = data.train[random.integers(0, len(data.train), batch)]
        images, condition = data.batch(rows, random)
        rate = (
            learning_rate
            * min(1.0, (step + 1) / 50)
            * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = (guess(drop_conditions(condition, random)) - codec.encode(images)).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(guess.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        step += 1
        progress = (time.monotonic() - started) / (60 * minutes)
        if step % 100 == 0:
            say(f"guess: step {step}, loss {np.mean(losses[-100:]):.5f}{_held_out(guess, codec, data)}")
    guess.eval().requires_grad_(False)
    say(f"guess: step {step}, loss {np.mean(losses[-100:]):.5f}{_held_out(guess, codec, data)}")


@torch.no_grad()
def _held_out(guess: FirstGuess, codec: Codec, data: GuidanceData, count: int = 96) -> str:
    """The error on held-out people, told right, another's identity, another camera, another expression."""
    rows = np.random.default_rng(0).choice(data.heldout, count)
    images, told = data.batch(rows, None)
    _, other = data.batch(np.roll(rows, 1), None)
    truth = codec.encode(images)
    errors = {"right": float((guess(told) - truth).square().mean())}
    for part in ("identity", "camera", "expression"):
        wrong = told.replacing(part, other)
        errors[f"wrong {part}"] = float((guess(wrong) - truth).square().mean())
    return "".join(f", {name} {error:.5f}" for name, error in errors.items())
