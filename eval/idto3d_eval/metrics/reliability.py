"""Intra-class correlations: which share of a measurement's variance is the people's, and not what is
repeated.

Shrout & Fleiss, "Intraclass Correlations: Uses in Assessing Rater Reliability", Psychological Bulletin 86,
1979: ICC(1) where repetitions have nothing in common across people (seeds), ICC(2,1) where they do (sessions,
environments). Intervals of ICC(1) are exact for normal values, those of ICC(2,1) are theirs, approximate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95
LEAST_PEOPLE = 3


@dataclass(frozen=True)
class Reliability:
    """An intra-class correlation with its interval over people."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MeanSquares:
    """The two-way analysis of variance of [I, K] values, one each cell.

    Attributes:
        people: between people (Shrout & Fleiss' BMS).
        within: within people (WMS).
        repeats: between repetitions (JMS).
        rest: what neither explains (EMS).
    """

    people: float
    within: float
    repeats: float
    rest: float


def mean_squares(values: Floats) -> MeanSquares:
    """Mean squares of [I, K] values, I, K ≥ 2."""
    count, times = values.shape
    grand, person, repeat = values.mean(), values.mean(axis=1), values.mean(axis=0)
    between = times * float(((person - grand) ** 2).sum())
    columns = count * float(((repeat - grand) ** 2).sum())
    within = float(((values - person[:, None]) ** 2).sum())
    # Rounding may leave less than nothing where the columns explain all.
    rest = max(within - columns, 0.0)
    return MeanSquares(
        between / (count - 1),
        within / (count * (times - 1)),
        columns / (times - 1),
        rest / ((count - 1) * (times - 1)),
    )


def icc_one_way(values: Floats, level: float = LEVEL) -> Reliability | str:
    """ICC(1) of people against repetitions of their own.

    Args:
        values: [I, K], people by repetitions; people with NaN are left out.
        level: of the interval.

    Returns:
        The correlation, or why there is none.
    """
    whole = _complete(values)
    if isinstance(whole, str):
        return whole
    from scipy.stats import f

    count, times = whole.shape
    squares = mean_squares(whole)
    if squares.within <= 0.0:
        return Reliability(1.0, 1.0, 1.0)  # people differ, their repetitions do not at all
    ratio, tail = squares.people / squares.within, 0.5 + level / 2.0
    low = ratio / float(f.ppf(tail, count - 1, count * (times - 1)))
    high = ratio * float(f.ppf(tail, count * (times - 1), count - 1))
    value, low, high = ((part - 1.0) / (part + times - 1.0) for part in (ratio, low, high))
    return Reliability(value, low, high)


def icc_two_way(values: Floats, level: float = LEVEL) -> Reliability | str:
    """ICC(2,1), absolute agreement, of people against repetitions that all share.

    Args:
        values: [I, K], people by repetitions; people with NaN are left out.
        level: of the interval.

    Returns:
        The correlation, or why there is none.
    """
    whole = _complete(values)
    if isinstance(whole, str):
        return whole
    from scipy.stats import f

    n, k = whole.shape
    squares = mean_squares(whole)
    between, columns, rest = squares.people, squares.repeats, squares.rest
    value = (between - rest) / (between + (k - 1) * rest + k * (columns - rest) / n)
    if rest <= 1e-12 * max(between, columns):
        return Reliability(value, value, value)  # nothing random is left to draw an interval from
    ratio = columns / rest
    lean = n * (1.0 + (k - 1) * value) - k * value
    freedom = (
        (k - 1) * (n - 1) * (k * value * ratio + lean) ** 2
        / ((n - 1) * (k * value * ratio) ** 2 + lean**2)
    )  # fmt: skip
    tail = 0.5 + level / 2.0
    above, below = float(f.ppf(tail, n - 1, freedom)), float(f.ppf(tail, freedom, n - 1))
    spread = k * columns + (k * n - k - n) * rest
    low = n * (between - above * rest) / (above * spread + n * between)
    high = n * (below * between - rest) / (spread + n * below * between)
    if not np.isfinite([value, low, high]).all():
        return "people differ too little for an interval"
    return Reliability(value, low, high)


def _complete(values: Floats) -> Floats | str:
    """The people [I, K] without NaN, or why there is no correlation."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        return "there is one repetition, expected 2 or more"
    whole: Floats = table[np.isfinite(table).all(axis=1)]
    if len(whole) < LEAST_PEOPLE:
        return f"{len(whole)} people have all repetitions, expected {LEAST_PEOPLE} or more"
    spread = float(whole.max() - whole.min())
    if spread <= 1e-12 * max(float(np.abs(whole).max()), 1e-300):
        return "all values are the same, so that no variance can be shared"
    return whole
