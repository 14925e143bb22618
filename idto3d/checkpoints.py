"""What a generation leaves behind as it goes: checkpoints to go on from, and a picture to look at.

A folder holds `<stage>.checkpoint` and `preview.png`; both are written beside their place and renamed, so
that a process that dies leaves the last whole one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.optim import Optimizer

from idto3d.errors import UserError
from idto3d.guidance.guidance import Guidance

Draw = Callable[[], NDArray[np.uint8]]
PREVIEW = "preview.png"


class Checkpoints:
    """A folder of the states of one generation.

    Args:
        folder: made where it is missing.
        run: what tells this generation from another; a checkpoint of another is refused.
        seconds: between two checkpoints, and between two previews.
    """

    def __init__(self, folder: Path, run: str, seconds: float = 5.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._run, self._seconds = run, seconds
        self._last = time.monotonic()

    def restore(
        self, stage: str, module: nn.Module, optimisers: Sequence[Optimizer], guidance: Guidance
    ) -> int:
        """Put a stage's last state back; the steps that it had done, 0 where there is none."""
        state = self.load(stage)
        if state is None:
            return 0
        module.load_state_dict(state["module"])
        for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        guidance.calls += int(state["calls"])
        return int(state["step"])

    def load(self, stage: str) -> dict[str, Any] | None:
        """The last state of a stage, or None.

        Raises:
            UserError: it belongs to a generation from other photos or settings.
        """
        path = self._path(stage)
        if not path.is_file():
            return None
        state: dict[str, Any] = torch.load(path, weights_only=True)
        if state["run"] != self._run:
            raise UserError(
                f"Found a checkpoint of another generation in '{self.folder}', expected one of the same "
                "photos, weights and settings; remove the folder or name another --out."
            )
        return state

    def after_step(self, stage: str, done: bool, state: Callable[[], Mapping[str, Any]], draw: Draw) -> None:
        """Write a checkpoint and a preview where some seconds have passed, or the stage is done."""
        if not done and not self._due():
            return
        path = self._path(stage)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as stream:
            torch.save({**state(), "run": self._run}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
        picture = self.folder / PREVIEW
        beside = picture.with_suffix(".partial.png")
        Image.fromarray(draw()).save(beside)
        beside.replace(picture)
        self._last = time.monotonic()

    def _due(self) -> bool:
        return time.monotonic() - self._last >= self._seconds

    def _path(self, stage: str) -> Path:
        return self.folder / f"{stage}.checkpoint"


def state_of(
    step: int, module: nn.Module, optimisers: Sequence[Optimizer], guidance: Guidance
) -> dict[str, Any]:
    """What a stage goes on from after `step` steps, and the guidance calls that they took."""
    return {
        "step": step,
        "module": module.state_dict(),
        "optimisers": [optimiser.state_dict() for optimiser in optimisers],
        "calls": guidance.calls,
    }
