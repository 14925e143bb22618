"""One training loop for every reader: a time or step budget, one-cycle rate, checkpoints that resume.

Randomness is derived from (seed, step), so a resumed run draws the same batches as an undisturbed one.
"""

import ctypes
import functools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import nn

from idto3d.errors import UserError

Batch = TypeVar("Batch")

WARMUP = 0.1  # share of the run in which the rate rises to its peak (one-cycle, Smith & Topin 2018)
FLOOR_RATE = 0.01  # final rate over peak rate
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class Budget:
    """How long to train: `steps` optimiser steps, or else `minutes` of training time over all resumes."""

    minutes: float
    steps: int | None = None

    def progress(self, step: int, seconds: float) -> float:
        """Share of the run that is done, in [0, 1]."""
        if self.steps is not None:
            return min(1.0, step / max(1, self.steps))
        return min(1.0, seconds / max(1e-6, 60.0 * self.minutes))


@dataclass
class Fitted:
    """What a run did: optimiser steps, training seconds over all resumes, and its measured log."""

    steps: int = 0
    seconds: float = 0.0
    log: list[dict[str, float]] = field(default_factory=list)


def one_cycle(progress: float) -> float:
    """Rate over peak rate: linear rise over `WARMUP`, cosine fall to `FLOOR_RATE` (Smith & Topin 2018)."""
    if progress < WARMUP:
        return max(FLOOR_RATE, progress / WARMUP)
    fall = 0.5 * (1.0 + float(np.cos(np.pi * (progress - WARMUP) / (1.0 - WARMUP))))
    return FLOOR_RATE + (1.0 - FLOOR_RATE) * fall


def generator(seed: int, *key: int) -> np.random.Generator:
    """The random generator of one step, derived from (seed, key)."""
    return np.random.default_rng((seed, *key))


def epoch_batch(seed: int, step: int, count: int, batch: int) -> np.ndarray:
    """Sample indices of one step: a fresh permutation every epoch, the ragged end of it left out.

    Args:
        seed: of the run.
        step: optimiser step, from 0.
        count: samples in all.
        batch: samples a step, at most `count`.

    Returns:
        int64 [batch], sorted, so that a memory-mapped file is read forwards.
    """
    batches = max(1, count // batch)
    order = _permutation(seed, step // batches, count)
    at = (step % batches) * batch
    return np.sort(order[at : at + batch])


def fit(
    name: str,
    module: nn.Module,
    batch_of: Callable[[int], Batch],
    step_loss: Callable[[Batch, float], torch.Tensor],
    *,
    budget: Budget,
    peak_rate: float,
    weight_decay: float,
    checkpoint: Path,
    resume: bool,
    validate: Callable[[], Mapping[str, float]],
    validations: int = 8,
    clip: float = 5.0,
    settings: Mapping[str, str | int | float | bool] | None = None,
) -> Fitted:
    """Train `module` with AdamW (Loshchilov & Hutter 2019) until the budget is spent.

    Args:
        name: shown beside the progress bar.
        module: everything that trains, in one module; left in evaluation mode.
        batch_of: step -> batch, drawn one step ahead in a thread of its own.
        step_loss: (batch, progress in [0, 1]) -> scalar loss; called in mixed precision.
        budget: steps or minutes.
        peak_rate: highest learning rate of the cycle.
        weight_decay: of matrices and convolutions; none for biases, norms and scales.
        checkpoint: file to write to every minute and to resume from.
        resume: go on from the checkpoint where there is one.
        validate: measured `validations` times over the run, logged and printed.
        validations: how often.
        clip: largest gradient norm.
        settings: what must not change between a checkpoint and its resume.

    Returns:
        Steps, seconds and log; a finished run that is resumed trains no further.

    Raises:
        UserError: the checkpoint is of another model or other settings, or the loss is no longer finite.
    """
    keep_freed_memory()
    optimiser = torch.optim.AdamW(_parameter_groups(module, weight_decay), lr=peak_rate, betas=(0.9, 0.99))
    fitted = Fitted()
    said = json.dumps(dict(settings or {}), sort_keys=True)
    if resume and checkpoint.exists():
        fitted = _restore(checkpoint, module, optimiser, said)
    module.train()
    started, before = time.perf_counter(), fitted.seconds
    saved = logged = before
    share = budget.progress(fitted.steps, before)
    next_validation = (np.floor(share * validations) + 1) / validations
    running = 0.0
    with ThreadPoolExecutor(1) as ahead, _progress() as bar:
        coming = ahead.submit(batch_of, fitted.steps)
        task = bar.add_task(name, total=1.0, detail="")
        while share < 1.0:
            for group in optimiser.param_groups:
                group["lr"] = peak_rate * one_cycle(share)
            batch = coming.result()
            coming = ahead.submit(batch_of, fitted.steps + 1)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_pays()):
                loss = step_loss(batch, share)
            value = float(loss.detach())
            if not np.isfinite(value):
                raise UserError(
                    f"Found a loss of {value} at step {fitted.steps} of {name}, expected a finite number; "
                    "resume from the last checkpoint with a lower rate."
                )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), clip)
            optimiser.step()
            fitted.steps += 1
            running = value if running == 0.0 else 0.98 * running + 0.02 * value
            now = time.perf_counter()
            fitted.seconds = before + now - started
            share = budget.progress(fitted.steps, fitted.seconds)
            bar.update(task, completed=share, detail=f"step {fitted.steps} loss {running:.3f}")
            if share >= next_validation or share >= 1.0:
                measured = {"step": float(fitted.steps), "seconds": fitted.seconds, "loss": running}
                module.eval()
                measured |= {key: float(number) for key, number in validate().items()}
                module.train()
                fitted.log.append({key: round(number, 5) for key, number in measured.items()})
                next_validation = (np.floor(share * validations) + 1) / validations
                bar.console.print(f"{name}: " + " ".join(f"{k} {v:.4g}" for k, v in measured.items()))
                started += time.perf_counter() - now  # measuring is not training time
            elif not bar.console.is_terminal and fitted.seconds - logged > 20.0:
                logged = fitted.seconds
                rate = fitted.steps / max(1e-6, fitted.seconds)
                bar.console.print(
                    f"{name}: {100 * share:.0f} % step {fitted.steps} loss {running:.3f} {rate:.2f} steps/s"
                )
            if fitted.seconds - saved > CHECKPOINT_SECONDS or share >= 1.0:
                _save(checkpoint, module, optimiser, fitted, said)
                saved = fitted.seconds
    module.eval()
    return fitted


@functools.cache
def bfloat16_pays() -> bool:
    """Whether this processor multiplies bfloat16 (AVX-512, AMX): twice as fast then; emulated on AVX2, a step
    of a network as large as recogniser A took 17 s in place of 2."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


_PERMUTATIONS: dict[tuple[int, int, int], np.ndarray] = {}


def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    key = (seed, epoch, count)
    if key not in _PERMUTATIONS:
        _PERMUTATIONS.clear()
        _PERMUTATIONS[key] = generator(seed, 1, epoch).permutation(count)
    return _PERMUTATIONS[key]


def _parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    decayed = [p for p in module.parameters() if p.requires_grad and p.ndim > 1]
    free = [p for p in module.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def _save(
    path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, fitted: Fitted, settings: str
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as stream:
        torch.save(
            {
                "module": module.state_dict(),
                "optimiser": optimiser.state_dict(),
                "steps": fitted.steps,
                "seconds": fitted.seconds,
                "log": fitted.log,
                "settings": settings,
            },
            stream,
        )
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def _restore(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, settings: str) -> Fitted:
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["settings"] != settings:
        raise UserError(
            f"Found a checkpoint of settings {state['settings']} in {path.name}, expected {settings}; "
            "delete it or train into another folder."
        )
    module.load_state_dict(state["module"])
    optimiser.load_state_dict(state["optimiser"])
    return Fitted(state["steps"], state["seconds"], list(state["log"]))


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
    )


def keep_freed_memory() -> None:
    """Let glibc keep freed activations: mapped anew, a rectifier of 3 M numbers took 7.4 ms, not 1.6."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(-4, 0)  # M_MMAP_MAX: no separate mappings
            libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: never trim
