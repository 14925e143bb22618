"""Views of a head that stays, whose own error is known: what distillation compares a changing one with.

What a denoiser would change of a picture that fits its condition is its error (blur, above all), and Delta
Denoising Score (Hertz et al. 2023, eq. 3) takes it off. A person's neutral head never changes while its
expressions are made: over a fixed set of cameras, lights, timesteps and noises its pictures and errors are
computed once, and all that is asked from one of them is spared a rendering and an evaluation.
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
from idto3d.guidance.shown import Shown
from idto3d.render.camera import Camera

ROWS_AT_ONCE = 16  # of the denoiser


@dataclass(frozen=True)
class StillViews:
    """A head that stays from N cameras, with the condition that its pictures fit; None for no reference.

    control [N, 6, R, R] of `ControlView`; known [N, C, h, w] latents of the pictures, of any values where
    there is no reference.
    """

    cameras: Sequence[Camera]
    drawn: Sequence[Drawn]
    control: Tensor
    known: Tensor
    fitting: Condition | None

    @torch.no_grad()
    def noised(
        self,
        guidance: Guidance,
        bounds: tuple[float, float],
        generator: torch.Generator,
    ) -> ReferenceViews:
        """The views with one timestep, one noise and so one error each, which is zero without a reference.

        Args:
            guidance: the prior.
            bounds: of the timesteps, as shares of the schedule.
            generator: of timesteps and noise.
        """
        t = draw_timesteps(guidance, bounds, len(self.cameras), generator)
        noise = torch.randn(self.known.shape, generator=generator).to(self.known)
        fitting = self.fitting
        if fitting is None:
            nothing = torch.zeros_like(self.known)
            return ReferenceViews(self.cameras, self.drawn, self.control, t, noise, nothing)
        noisy = guidance.add_noise(self.known, noise, t)
        answers = [
            guidance.denoise(noisy[rows], t[rows], fitting.rows(rows))
            for rows in row_blocks(len(self.cameras))
        ]
        error = self.known - torch.cat(answers)
        return ReferenceViews(self.cameras, self.drawn, self.control, t, noise, error)


@dataclass(frozen=True)
class ReferenceViews:
    """Views of one range of noise; everything that a step needs of them.

    control [N, 6, R, R]; t [N] int64; noise and error [N, C, h, w], in latents: what the denoiser takes off
    the head that stays.
    """

    cameras: Sequence[Camera]
    drawn: Sequence[Drawn]
    control: Tensor
    t: Tensor
    noise: Tensor
    error: Tensor

    def pick(self, rows: Sequence[int]) -> ReferenceViews:
        """Some of the views."""
        index = torch.as_tensor(list(rows), device=self.t.device)
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
def still_views(
    guidance: Guidance,
    control: ControlView,
    cameras: Sequence[Camera],
    drawn: Sequence[Drawn],
    pictures: Callable[[Sequence[Camera], Sequence[Drawn]], Shown],
    fitting: Callable[[Sequence[Camera], Tensor, Shown], Condition],
) -> StillViews:
    """A head that stays, seen and drawn as given.

    Args:
        guidance: the prior, whose latents are wanted.
        control: the mean head, as the denoiser is shown it.
        cameras, drawn: N views, and how each is drawn.
        pictures: renders the head.
        fitting: the condition that it fits, from cameras, their controls, and the head in them.
    """
    controls = control.looks(cameras, drawn).to(guidance.device)
    parts = [pictures(cameras[rows], drawn[rows]) for rows in row_blocks(len(cameras))]
    head = Shown(*(torch.cat(images) for images in zip(*parts, strict=True)))
    known = [guidance.encode(part.pictures) for part in parts]
    return StillViews(cameras, drawn, controls, torch.cat(known), fitting(cameras, controls, head))


@torch.no_grad()
def plain_views(
    guidance: Guidance, control: ControlView, cameras: Sequence[Camera], drawn: Sequence[Drawn]
) -> StillViews:
    """Views without a reference: nothing is rendered, and nothing asked. Arguments as in `still_views`."""
    side = guidance.resolution
    known = torch.zeros_like(guidance.encode(torch.zeros(1, 3, side, side, device=guidance.device)))
    shown = control.looks(cameras, drawn).to(guidance.device)
    return StillViews(cameras, drawn, shown, known.repeat(len(cameras), 1, 1, 1), None)


def row_blocks(count: int) -> list[slice]:
    """Rows 0 to `count` in blocks that a denoiser takes at once."""
    return [slice(start, min(start + ROWS_AT_ONCE, count)) for start in range(0, count, ROWS_AT_ONCE)]


class ViewOrder:
    """Rows in random order, each once before any comes again; `taken` of them are gone already."""

    def __init__(self, count: int, random: np.random.Generator, taken: int = 0) -> None:
        self._count, self._random = count, random
        self._left: list[int] = []
        self.take(taken)

    def take(self, count: int) -> list[int]:
        """The next `count` rows."""
        while len(self._left) < count:
            self._left.extend(self._random.permutation(self._count).tolist())
        taken, self._left = self._left[:count], self._left[count:]
        return taken
