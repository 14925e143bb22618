"""How many identities a claim needs: the power of the paired test that the tables use, for normal gaps.

Below 20 identities, exact sign flips are simulated, since their few attainable levels have no closed form.
Above, the simulation takes the flips' p by its saddlepoint approximation (Lugannani & Rice 1980), and from
100 on the power is that of Student's t, which sign flips approach.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtr, ndtr, stdtrit

from idto3d_eval.statistics.paired_tests import EXACT_BELOW, attainable_level, least_drawn_p, sign_flip_p

Floats = NDArray[np.float64]

MOST = 1_000_000  # identities; a claim that needs more is not one for this kind of test
STUDENT_FROM = 100
_RUNS = 2000  # of a simulation: its standard error is 1.1 points at most
_SEED = 0
_NEAR = (
    0.1  # exact flips were at most 0.02 above Student's t, at 8 to 19 identities and levels 0.05 to 0.0001
)
_STEPS, _SETTLED = 30, 1e-6  # of Newton's method, which here goes up to the root and never past it


@dataclass(frozen=True)
class Need:
    """What a claim needs.

    Attributes:
        identities: the least number that reaches the asked power; None where no number up to `MOST` does.
        power: what that number reaches, or the most that was reached.
        level: of one test: alpha over the number of tests, Holm's worst case.
    """

    identities: int | None
    power: float
    level: float


@lru_cache(1024)  # a search and the table beside it ask for the same numbers
def power_at(
    identities: int,
    effect: float,
    sd: float,
    alpha: float = 0.05,
    tests: int = 1,
    resamples: int = 10_000,
) -> float:
    """Probability that the paired test finds an effect.

    Args:
        identities: I ≥ 2.
        effect: true mean gap between the methods, in the metric's unit.
        sd: standard deviation of the gaps between identities, same unit, above 0.
        alpha: error rate over all tests together.
        tests: how many are corrected together; alpha / tests is the worst step of Holm.
        resamples: of the table, which bound the least p from 20 identities on.

    Returns:
        In [0, 1]; 0 where no outcome could have so small a p.
    """
    level, size = alpha / tests, abs(effect) / sd
    if attainable_level(identities, level) <= 0:
        return 0.0
    if identities >= EXACT_BELOW and level < least_drawn_p(resamples):
        return 0.0
    if identities >= STUDENT_FROM:
        return _student_power(identities, size, level)
    gaps = np.random.default_rng(_SEED).normal(size, 1.0, size=(_RUNS, identities))
    if identities >= EXACT_BELOW:
        return float(np.mean(_saddlepoint_p(gaps) <= level))
    return float(np.mean([sign_flip_p(row, resamples) <= level for row in gaps]))


def identities_needed(
    effect: float,
    sd: float,
    power: float = 0.8,
    alpha: float = 0.05,
    tests: int = 1,
    resamples: int = 10_000,
) -> Need:
    """The least number of identities whose paired test finds an effect with the asked power.

    Args:
        effect: true mean gap, not 0.
        sd: of the gaps between identities, above 0.
        power: asked for, in (0, 1).
        alpha, tests, resamples: as of `power_at`.
    """
    level, size = alpha / tests, abs(effect) / sd

    def reached(count: int) -> float:
        return power_at(count, effect, sd, alpha, tests, resamples)

    # One by one while flips are exact, since their attainable levels go up and down with the number.
    for count in range(2, EXACT_BELOW):
        if _student_power(count, size, level) >= power - _NEAR and reached(count) >= power:
            return Need(count, reached(count), level)
    few, many = EXACT_BELOW - 1, EXACT_BELOW
    while reached(many) < power:
        few, many = many, many * 2
        if many > MOST:
            return Need(None, reached(MOST), level)
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if reached(middle) >= power else (middle, many)
    return Need(many, reached(many), level)


def _student_power(identities: int, size: float, level: float) -> float:
    """Of the two-sided paired t test, by the noncentral t distribution (the far tail is left out)."""
    freedom = identities - 1
    reach = float(stdtrit(freedom, 1.0 - level / 2.0))
    return float(1.0 - nctdtr(freedom, size * np.sqrt(identities), reach))


def _saddlepoint_p(gaps: Floats) -> Floats:
    """Two-sided p of sign flips for each row of [R, I] gaps; within some per cent of the exact one."""
    size = np.abs(gaps)
    scale = np.sqrt((size**2).sum(1, keepdims=True))
    size = size / scale
    observed = np.abs(gaps.sum(1)) / scale[:, 0]
    # At the ends the saddlepoint is at 0 or infinite; there p is near 1 or 2 / 2^I.
    inside = np.clip(observed, 1e-3, size.sum(1) * (1.0 - 1e-4))
    tilt = inside.copy()
    squares = size**2
    for _ in range(_STEPS):
        tanh = np.tanh(tilt[:, None] * size)
        curve = (squares * (1.0 - tanh**2)).sum(1)
        step = (inside - (size * tanh).sum(1)) / np.maximum(curve, 1e-12)
        tilt = tilt + step
        if (np.abs(step) <= _SETTLED * tilt).all():
            break
    lifted = tilt[:, None] * size
    cumulant = (lifted + np.log1p(np.exp(-2.0 * lifted)) - np.log(2.0)).sum(1)
    curve = (squares / np.cosh(np.minimum(lifted, 300.0)) ** 2).sum(1)
    root = np.sqrt(np.maximum(2.0 * (tilt * inside - cumulant), 1e-12))
    density = np.exp(-0.5 * root**2) / np.sqrt(2.0 * np.pi)
    tail = ndtr(-root) + density * (1.0 / (tilt * np.sqrt(curve)) - 1.0 / root)
    p: Floats = np.clip(2.0 * tail, 2.0 ** (1 - gaps.shape[1]), 1.0)
    return p
