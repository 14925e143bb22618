"""What tables ask of the statistics for one column: interval, bounds under missing values, ranks, effects."""

from __future__ import annotations

import math
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


def gap(first: Floats, second: Floats, resamples: int, level: float) -> Gap:
    """The difference of two methods.

    Args:
        first, second: [I], the same identities in the same order, NaN where there is none.
        resamples: bootstrap draws and sign flips.
        level: of the interval, in (0, 1).
    """
    found = statistics.paired_difference(first, second, resamples, level)
    return _gap(found, first - second)


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
        return _gap(found, a - b)
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
    least, most = (_coverage_bounds(own, card.low, card.high) for own in filled)
    return least[0], most[1]


def rank_intervals(
    values: Floats, better: str, resamples: int, level: float, seed: int = 0
) -> list[tuple[int, int]]:
    """The ranks that each method holds over resampled identities, 1 the best.

    Args:
        values: [M, I], NaN where a method has no value for an identity.
        better: "higher" or "lower".
        resamples, level, seed: of the bootstrap.

    Returns:
        Bounds of each method's central interval of ranks.
    """
    shipped = getattr(statistics, "rank_intervals", None)
    if shipped is not None:
        found: list[tuple[int, int]] = shipped(values, better, resamples, level, seed)
        return found
    known = np.isfinite(values)
    both = np.concatenate([np.where(known, values, 0.0), known.astype(np.float64)]).T
    even = np.full(len(both), 1.0 / len(both))
    drawn = np.random.default_rng(seed).multinomial(len(both), even, size=resamples) @ both
    sums, weights = np.split(drawn, 2, axis=1)
    means = np.where(weights > 0, sums / np.where(weights > 0, weights, 1.0), -math.inf)
    signed = means if better == "higher" else np.where(weights > 0, -means, -math.inf)
    ranks = 1 + (signed[:, None, :] > signed[:, :, None]).sum(axis=2)  # [B, M]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(ranks, [tail, 1.0 - tail], axis=0, method="inverted_cdf")
    return [(int(a), int(b)) for a, b in zip(low, high, strict=True)]


def interval_method(estimate: object) -> str:
    """Which interval an estimate has, in words."""
    return str(getattr(estimate, "method", "percentile bootstrap over identities"))


def _coverage_bounds(values: Floats, low: float, high: float) -> tuple[float, float]:
    shipped = getattr(statistics, "coverage_bounds", None)
    if shipped is not None:
        found: tuple[float, float] = shipped(values, low, high)
        return found
    if values.size == 0:
        return low, high
    ends = [float(np.where(np.isfinite(values), values, end).mean()) for end in (low, high)]
    return ends[0], ends[1]


def _gap(found: statistics.Difference, gaps: Floats) -> Gap:
    own = gaps[np.isfinite(gaps)]
    spread = float(own.std(ddof=1)) if own.size > 1 else math.nan
    effect = float(own.mean()) / spread if spread > 0 else math.nan
    return Gap(
        found.value,
        found.low,
        found.high,
        found.p,
        found.identities,
        float(getattr(found, "effect", effect)),
        str(getattr(found, "test", "sign flips, two-sided")),
    )
