"""Asking a denoiser about several views at once, and following its answers for some steps.

At high noise the answer says what fits the condition and hardly changes with the picture, while a network
costs several times what a rendering does: a kept answer is a cheap one. Instruct-NeRF2NeRF (Haque et al.
2023) keeps edited pictures for the same reason; here they are the targets of score distillation, asked for
again and again as the head comes closer. With one step a block this is score distillation as published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from idto3d.guidance.condition import Condition
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.reference_views import ReferenceViews, StillViews, row_blocks
from idto3d.guidance.sample import Scales
from idto3d.guidance.sds import blurred, sds_target
from idto3d.guidance.shown import Shown


@dataclass(frozen=True)
class Block:
    """Steps `first` to `last` of a stage, which follow one asking about one expression.

    share: how far its part (all of neutral, or all of one expression) is when it begins, and when it ends.
    """

    number: int
    expression: int
    phase: int
    first: int
    last: int
    share: tuple[float, float]

    def share_at(self, step: int) -> float:
        """How far the part is before a step, in [0, 1)."""
        begins, ends = self.share
        return begins + (ends - begins) * (step - self.first) / (self.last - self.first)


def split_steps(
    steps: int, neutral_share: float, expressions: int, askings: tuple[int, int], phases: int
) -> list[Block]:
    """A stage's steps in blocks: the neutral head's (expression 0), then the other expressions' in turn.

    Args:
        steps: in all.
        neutral_share: of the steps, for the neutral head.
        expressions: their number, neutral included.
        askings: blocks of the neutral head, and of each other expression; fewer where steps are.
        phases: into which an expression's askings fall, from high noise to low.
    """
    neutral_steps = round(steps * neutral_share)
    others = list(range(1, expressions))
    parts = (0, neutral_steps, askings[0], [0]), (neutral_steps, steps, askings[1], others)
    blocks: list[Block] = []
    for begins, ends, wanted, of in parts:
        if not of:
            continue
        turns = max(1, min(wanted, (ends - begins) // len(of)))
        edges = np.linspace(begins, ends, turns * len(of) + 1).round().astype(int).tolist()
        for index, (first, last) in enumerate(pairwise(edges)):
            if first < last:
                turn = index // len(of)
                share = turn / turns, (turn + 1) / turns
                phase = phases * turn // turns
                blocks.append(Block(len(blocks), of[index % len(of)], phase, first, last, share))
    return blocks


class BlockViews:
    """The views of a part, by block: which ones are asked about, under which noise.

    Args:
        pool: all of them, of a head that stays.
        guidance: the prior.
        key: of the part's randomness.
        bounds: the range of noise of a phase, as shares of the schedule.
        phases: their number.
        looks: how often a block's steps look at a view.
    """

    def __init__(
        self,
        pool: StillViews,
        guidance: Guidance,
        key: Sequence[int],
        bounds: Callable[[int], tuple[float, float]],
        phases: int,
        looks: int,
    ) -> None:
        self._pool, self._guidance, self._key = pool, guidance, key
        self._bounds, self._phases = bounds, phases
        self._looks = looks
        self._noised: tuple[int, ReferenceViews] | None = None  # of a phase

    def every(self, phase: int) -> ReferenceViews:
        """All views, under a phase's noise."""
        if self._noised is None or self._noised[0] != phase:
            noise, bounds = random_of(*self._key, phase), self._bounds(phase)
            self._noised = phase, self._pool.noised(self._guidance, bounds, noise)
        return self._noised[1]

    def of(self, block: Block, batch: int) -> ReferenceViews:
        """As many views as the block's steps, of `batch` views each, look at."""
        views = self.every(block.phase)
        wanted = -(-(block.last - block.first) * batch // self._looks)
        order = np.random.default_rng([*self._key, self._phases + block.number]).permutation(len(views))
        return views.pick(order[: min(max(wanted, batch), len(views))].tolist())


@torch.no_grad()
def asked(
    guidance: Guidance,
    views: ReferenceViews,
    pictures: Callable[[ReferenceViews], Shown],
    told: Callable[[ReferenceViews, Shown], Condition],
    scales: Scales,
    weight: str = "clean_sample",
) -> Tensor:
    """Where the denoiser would have the pictures of some views.

    Args:
        guidance: the prior.
        views: N of them.
        pictures: renders the head as it is now from some views.
        told: the condition of some views in which that is seen.
        scales: of classifier-free guidance.
        weight: of `WEIGHTS`.

    Returns:
        latents [N, C, h, w].
    """
    targets = []
    for rows in row_blocks(len(views)):
        some = views.pick(range(rows.start, rows.stop))
        shown = pictures(some)
        z0, condition = guidance.encode(shown.pictures), told(some, shown)
        targets.append(
            sds_target(guidance, z0, condition, some.t, scales, some.noise, weight=weight, error=some.error)
        )
    return torch.cat(targets)


@torch.no_grad()
def softened(guidance: Guidance, latents: Tensor, sigma: float) -> Tensor:
    """Latents of the pictures that `latents` [N, C, h, w] stand for, through a Gaussian of `sigma` pixels."""
    return guidance.encode(blurred(guidance.decode(latents), sigma)) if sigma > 0.0 else latents


def random_of(*key: int) -> torch.Generator:
    """The randomness of one purpose, from the seed and what it is for."""
    return torch.Generator().manual_seed(int(np.random.default_rng(key).integers(2**62)))
