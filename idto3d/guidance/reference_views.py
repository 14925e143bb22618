"""Views of the mean head whose own error is known: what distillation compares a person's head with.

What a denoiser would change of a picture that fits its condition is its error (blur, above all), and Delta
Denoising Score (Hertz et al. 2023, eq. 3) takes it off. The mean head never changes: over a fixed set of
cameras, lights, timesteps and noises its pictures and errors are computed once, and every step that looks
from one of them is spared a rendering and an evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from idto3d.guidance.condition import Condition
from idto3d.guidance.control import ControlView, Drawn
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.sds import draw_timesteps
from idto3d.render.camera import Camera

ROWS_AT_ONCE = 16  # of the denoiser


@dataclass(frozen=True)
class ReferenceViews:
    """N views; everything that a step needs of them.

    control [N, 6, R, R] of `ControlView`; t [N] int64; noise and error [N, C, h, w] in latents.
    """

    cameras: Sequence[Camera]
    drawn: Sequence[Drawn]
    control: Tensor
    t: Tensor
    noise: Tensor
    error: Tensor

    def pick(self, rows: Sequence[int]) -> ReferenceViews:
        """Some of the views."""
        index = torch.as_tensor(list(rows))
        return ReferenceViews(
            [self.cameras[row] for row in rows],
            [self.drawn[row] for row in rows],
            self.control[index],
            self.t[index],
            self.noise[index],
            self.error[index],
        )

    def __len__(self) -> int:
        return len(self.cameras)


@torch.no_grad()
def reference_views(
    guidance: Guidance,
    control: ControlView,
    cameras: Sequence[Camera],
    drawn: Sequence[Drawn],
    pictures: Callable[[Sequence[Camera], Sequence[Drawn]], Tensor],
    nobody: Callable[[Sequence[Camera], Tensor], Condition],
    bounds: tuple[float, float],
    generator: torch.Generator,
) -> ReferenceViews:
    """The views with one timestep and one noise each.

    Args:
        guidance: the prior.
        control: the mean head, as the denoiser is shown it.
        cameras, drawn: N views, and how each is drawn.
        pictures: renders the mean head, [B, 3, R, R] in [-1, 1].
        nobody: the condition that the mean head fits, from cameras and their controls.
        bounds: of the timesteps, as shares of the schedule.
        generator: of timesteps and noise.
    """
    t = draw_timesteps(guidance, bounds, len(cameras), generator)
    shown, noises, errors = [], [], []
    for start in range(0, len(cameras), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        seen = control.looks(cameras[rows], drawn[rows])
        known = guidance.encode(pictures(cameras[rows], drawn[rows]))
        noise = torch.randn(known.shape, generator=generator).to(known)
        noisy = guidance.add_noise(known, noise, t[rows])
        errors.append(known - guidance.denoise(noisy, t[rows], nobody(cameras[rows], seen)))
        shown.append(seen)
        noises.append(noise)
    return ReferenceViews(
        list(cameras), list(drawn), torch.cat(shown), t, torch.cat(noises), torch.cat(errors)
    )


class ViewOrder:
    """Rows in random order, each once before any comes again."""

    def __init__(self, count: int, random: np.random.Generator) -> None:
        self._count, self._random = count, random
        self._left: list[int] = []

    def take(self, count: int) -> list[int]:
        """The next `count` rows."""
        while len(self._left) < count:
            self._left.extend(self._random.permutation(self._count).tolist())
        taken, self._left = self._left[:count], self._left[count:]
        return taken
