"""An interval for a ratio of sums over identities, of which a mean is the case with denominators of one.

Two intervals are formed and the wider end is taken on each side:

- Student's t on the linearised ratio (its standard error by the delta method), which covers for noise that
  is symmetric, heavy tails included, and falls short for skewed noise;
- bootstrap-t over identities (Efron & Tibshirani 1993, section 12.5; second-order correct: Hall 1988), which
  covers for skewed noise and falls short for symmetric heavy tails, as gaps of two skewed scores have them.

Each misses where the other does not. Since the wider of two ends is missed less often than either, both are
taken a little inside the stated level. `bench statistics` measures what they cover together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from idto3d_eval.statistics import resampling

Floats = NDArray[np.float64]

BOOTSTRAP_FROM = 8
"""Identities from which on the bootstrap joins in: resamples of fewer hold too few distinct identities."""
LEAST_SPREAD = 0.3
"""Of a resample, as a share of the sample's: one that drew a single value over and over would otherwise have
a t of infinity, which discrete scores meet often. Measured: it moves the coverage of continuous scores by at
most 0.002 from 8 identities on."""
NO_SPREAD = 1e-12
"""Residuals below this share of the largest numerator are rounding."""

BOTH, STUDENT, NONE = "wider of Student's t and bootstrap-t", "Student's t", "none: one identity"
ALIKE, ALIKE_BOUNDED = "none: no spread", "no spread: share of unlike identities, to the ends of the range"


def interval_method(identities: int) -> str:
    """Which interval a figure over so many identities has, where they are not all alike."""
    if identities < 2:
        return NONE
    return BOTH if identities >= BOOTSTRAP_FROM else STUDENT


def studentised_bounds(
    pairs: Floats, resamples: int, level: float, seed: int, bounds: tuple[float, float] | None = None
) -> tuple[float, float, str]:
    """Bounds of Σ numerators / Σ denominators.

    Args:
        pairs: [I, 2], numerator and denominator of each identity, all finite; Σ denominators > 0.
        resamples: bootstrap draws.
        level: of the interval, in (0, 1).
        seed: of the draws.
        bounds: least and greatest possible value of the ratio, where there are such; the interval keeps to
            them, and has a width even where all identities are alike.

    Returns:
        Low, high, and which interval it is. NaN for one identity, and where more resamples than the interval
        leaves out have no positive denominator, since nothing then bounds the ratio.
    """
    count = pairs.shape[0]
    if count < 2:
        return float("nan"), float("nan"), NONE
    # Rows in an order of their own, so that the caller's order changes no bit.
    ordered = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    numerator, denominator = ordered[:, 0], ordered[:, 1]
    total = denominator.sum()
    ratio = float(numerator.sum() / total)
    residual = numerator - ratio * denominator
    if np.abs(residual).max() <= NO_SPREAD * np.abs(numerator).max():
        return _alike(ratio, count, level, bounds)
    squares = float((residual**2).sum())
    error = float(np.sqrt(squares * count / (count - 1)) / total)
    tail = _tail(count, level)
    reach = float(stdtrit(count - 1, 1.0 - tail))
    left, right = reach, reach
    if count >= BOOTSTRAP_FROM:
        draws = _bootstrap_t(residual, denominator, resamples, seed)
        finite = np.isfinite(draws)
        valid = draws if finite.all() else draws[finite]
        if valid.size < (1.0 - tail) * draws.size:
            return float("nan"), float("nan"), "none: denominators near 0"
        below, above = _tails(valid, tail)
        left, right = max(reach, float(above)), max(reach, -float(below))
    low, high = ratio - left * error, ratio + right * error
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return low, high, interval_method(count)


def _tail(count: int, level: float) -> float:
    """What either interval leaves out on a side, so that the wider of both leaves out what the level says.

    More than the level says by the factor 1 + 2 / I: the two ends differ less the more identities there are.
    The 2 was measured; see `docs/statistics.md`.
    """
    tail = (1.0 - level) / 2.0
    return tail * (1.0 + 2.0 / count) if count >= BOOTSTRAP_FROM else tail


def _bootstrap_t(residual: Floats, denominator: Floats, resamples: int, seed: int) -> Floats:
    """[B] of (ratio of the resample − ratio of the sample) / standard error of the resample."""
    count = residual.size
    mean = denominator.min() == denominator.max()  # then a resample's denominators add up to the sample's
    moments = [residual, residual**2]
    if not mean:
        moments += [denominator, residual * denominator, denominator**2]
    rows = np.stack(moments)
    least = LEAST_SPREAD**2 * rows[1].sum()
    parts = []
    for drawn in resampling.weights(count, resamples, seed):
        shift, squares, *others = rows @ drawn  # each [B]
        if mean:
            squares = squares - shift**2 / count
        else:
            total, cross, spans = others
            gap = shift / np.where(total > 0, total, np.nan)
            squares = squares - 2.0 * gap * cross + gap**2 * spans
        parts.append(shift / np.sqrt(np.maximum(squares, least) * (count / (count - 1))))
    return np.concatenate(parts)


def _tails(draws: Floats, tail: float) -> tuple[float, float]:
    """The quantiles at `tail` and 1 − `tail`, as `np.quantile` has them, at a third of its time."""
    places = np.array([tail, 1.0 - tail]) * (draws.size - 1)
    low = np.floor(places).astype(np.intp)
    high = np.minimum(low + 1, draws.size - 1)
    ordered = np.partition(draws, np.unique(np.concatenate([low, high])))
    below, above = ordered[low] + (places - low) * (ordered[high] - ordered[low])
    return float(below), float(above)


def _alike(
    value: float, count: int, level: float, bounds: tuple[float, float] | None
) -> tuple[float, float, str]:
    """All identities agree: no spread to resample, which is not to say that none would differ.

    With probability (1 + level) / 2, the share of people that are unlike those seen is below
    1 − ((1 − level) / 2)^(1 / I) (Clopper & Pearson 1934 with no failure in I); the bounds are the mean if
    all of that share stood at an end of the range.
    """
    if bounds is None or not np.isfinite(bounds).all():
        return value, value, ALIKE
    unlike = 1.0 - ((1.0 - level) / 2.0) ** (1.0 / count)
    low, high = bounds
    return value - unlike * max(value - low, 0.0), value + unlike * max(high - value, 0.0), ALIKE_BOUNDED
