"""What tables ask of the statistics for one column: interval, bounds under missing values, ranks, effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d_eval import statistics
from idto3d_eval.identity_table import Column
from idto3d_eval.metrics import MetricCard

Floats = NDArray[np.float64]
_SAME = 1e-9  # denominators nearer than this are one scale


@dataclass(frozen=True)
class Gap:
    """First minus second, paired on identity; NaN where fewer than two identities have both."""

    value: float
    low: float
    high: float
    p: float
    identities: int
    effect: float  # mean of the gaps in their standard deviations
    test: str


def gap(
    first: Floats,
    second: Floats,
    resamples: int,
    level: float,
    bounds: tuple[float, float] | None = None,
) -> Gap:
    """The difference of two methods.

    Args:
        first, second: [I], the same identities in the same order, NaN where there is none.
        resamples: bootstrap draws and sign flips.
        level: of the interval, in (0, 1).
        bounds: the metric's range, where it has one.
    """
    found = statistics.paired_difference(first, second, resamples, level, bounds=bounds)
    return _gap(found)


def ratio_gap(
    first: tuple[Floats, Floats], second: tuple[Floats, Floats], resamples: int, level: float
) -> Gap:
    """The difference of two ratios of sums.

    Where the denominators are not the same (two runs whose scales differ), the ratios are linearised: each
    identity's influence on either ratio stands for its value (infinitesimal jackknife, Efron 1982, ch. 6).

    Args:
        first, second: numerators and denominators, [I] each.
        resamples, level: as of `gap`.
    """
    (a, c), (b, d) = first, second
    known = np.isfinite(a) & np.isfinite(b) & np.isfinite(c) & np.isfinite(d)
    a, b, c, d = a[known], b[known], c[known], d[known]
    if np.allclose(c, d, rtol=0.0, atol=_SAME) or len(a) < 2 or c.sum() <= 0 or d.sum() <= 0:
        found = statistics.ratio_difference(a, b, c, resamples, level)
        return _gap(found)
    mine, other = a.sum() / c.sum(), b.sum() / d.sum()
    influence = mine + (a - mine * c) / c.mean(), other + (b - other * d) / d.mean()
    return gap(*influence, resamples, level)


def bounds(column: Column, card: MetricCard) -> tuple[float, float]:
    """The figure if every missing measurement were the least, or the most, that the metric can be."""
    missing = column.total - column.valid
    filled = []
    for end in (card.low, card.high):
        known = np.where(column.valid > 0, column.means, 0.0) * column.valid
        with np.errstate(invalid="ignore"):
            lacking = np.where(missing > 0, missing * end, 0.0)
        own = (known + lacking) / column.total
        filled.append(np.where(column.valid > 0, own, np.nan))
    least, most = (statistics.coverage_bounds(own, card.low, card.high) for own in filled)
    return least[0], most[1]


def _gap(found: statistics.Difference) -> Gap:
    return Gap(found.value, found.low, found.high, found.p, found.identities, found.effect, found.test)
