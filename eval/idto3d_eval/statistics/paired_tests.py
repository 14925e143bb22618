"""Paired tests by sign flips (Fisher 1935), exact below 20 identities, and Holm's correction (1979).

The null hypothesis is that the two methods are exchangeable within an identity, so that each gap is as likely
to have the other sign. Then the test keeps its level whatever the noise is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idto3d_eval.statistics import resampling

Floats = NDArray[np.float64]

EXACT_BELOW = 20
"""Identities below which all sign patterns are counted; from there on they are drawn."""
LEAST_DRAWS = 20_000
"""Patterns that are drawn at least: the tests of a table share them, and with so many their common level of
0.05 has a standard error of 0.0015."""
FEW, MORE = 10, 10
"""Where fewer than FEW of the drawn patterns reach the observed sum, MORE times as many are drawn, so that
Holm's correction over a large table has small p to work with. The p of either step is valid, and the second
is taken only where the first is at most FEW / (draws + 1), so the p reported is valid too."""
_ROUNDING = 1e-12
_NEVER = 1e-9  # a chance so small that no drawn pattern is looked at for it
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1) * 2.0 - 1.0  # [256, 8] of ±1


def sign_flip_p(gaps: ArrayLike, resamples: int, seed: int = 0) -> float:
    """Two-sided p of the mean under sign flips.

    Args:
        gaps: [I], first − second, all finite.
        resamples: sign patterns that are drawn where there are too many to count all, or `LEAST_DRAWS`.
        seed: of the draws.

    Returns:
        In (0, 1]: the share of patterns whose sum is at least as far from 0 as the observed one: of all
        patterns below 20 identities, of drawn ones and the observed one above (Phipson & Smyth 2010).
    """
    values = np.asarray(gaps, dtype=np.float64)
    observed = abs(np.sort(values).sum())
    # Flips know no signs and no order, so that neither changes a bit.
    values = np.sort(np.abs(values))
    reached = observed - _ROUNDING * values.sum()
    if reached <= 0:
        return 1.0
    if values.size < EXACT_BELOW:
        return _counted(values, reached)
    draws = max(resamples, LEAST_DRAWS)
    if _chance_of_a_hit(values, reached, draws * MORE) < _NEVER:
        return 1.0 / (draws * MORE + 1)
    hits = _hits(values, reached, draws, seed)
    if hits < FEW:
        draws *= MORE
        hits = _hits(values, reached, draws, seed)
    return (hits + 1) / (draws + 1)


def least_p(gaps: ArrayLike, resamples: int) -> float:
    """The least p that sign flips of these gaps can give; a gap of 0 has no sign to flip."""
    values = np.asarray(gaps, dtype=np.float64)
    counted = 2.0 ** -max(int(np.count_nonzero(values)) - 1, 0)
    return counted if values.size < EXACT_BELOW else max(counted, least_drawn_p(resamples))


def least_drawn_p(resamples: int) -> float:
    """The least p of drawn sign flips."""
    return 1.0 / (MORE * max(resamples, LEAST_DRAWS) + 1)


def describe_test(gaps: ArrayLike, resamples: int) -> str:
    """Which test `sign_flip_p` makes of these gaps, in words, with the least p that it can give."""
    kind = "exact" if np.asarray(gaps).size < EXACT_BELOW else "drawn"
    return f"{kind} sign flips, least p {least_p(gaps, resamples):.2g}"


def attainable_level(identities: int, alpha: float) -> float:
    """The greatest level up to alpha at which sign flips of gaps without ties reject; 0 where none does."""
    if identities >= EXACT_BELOW:
        return alpha
    patterns = 2.0 ** (identities - 1)
    return float(np.floor(alpha * patterns + 1e-9) / patterns)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction; NaN stays NaN and is not counted among the tests.

    Args:
        p_values: in [0, 1].

    Returns:
        Adjusted values in the order given.
    """
    adjusted = [float("nan")] * len(p_values)
    tested = sorted((p, index) for index, p in enumerate(p_values) if np.isfinite(p))
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        adjusted[index] = largest
    return adjusted


def _counted(values: Floats, reached: float) -> float:
    """Exact: sums of either half of the values, sorted, and how many pairs of them reach the observed sum.

    2^(I/2) numbers are held instead of 2^I. The first sign is fixed, since a pattern and its mirror agree.
    """
    half = values.size // 2
    first = values[:1] if values.size else np.zeros(1)
    left = first + _sums(values[1:half]) if half else first
    right = np.sort(_sums(values[max(half, 1) :]))
    above = right.size - np.searchsorted(right, reached - left, side="left")
    below = np.searchsorted(right, -reached - left, side="right")
    return float((above.sum() + below.sum()) / (left.size * right.size))


def _sums(values: Floats) -> Floats:
    """[2^K] of the sums under all sign patterns."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _chance_of_a_hit(values: Floats, reached: float, draws: int) -> float:
    """At most this chance that any drawn pattern reaches the observed sum (Hoeffding 1963, theorem 2).

    Of two methods far apart none does, and a table of fifty methods has a thousand such pairs a metric.
    """
    largest = values[-1]  # they are sorted; small ones would vanish when squared
    squares = float(np.square(values / largest).sum())
    return 2.0 * draws * float(np.exp(-((reached / largest) ** 2) / (2.0 * squares)))


def _hits(values: Floats, reached: float, draws: int, seed: int) -> int:
    """How many drawn patterns reach the observed sum; eight signs a byte, looked up in tables of sums."""
    groups = -(-values.size // 8)
    padded = np.zeros(groups * 8)
    padded[: values.size] = values
    tables = padded.reshape(groups, 8) @ _BITS.T  # [G, 256]
    hits = 0
    for part in resampling.signs(values.size, draws, seed):
        sums = np.zeros(part.shape[0])
        for group, table in enumerate(tables):
            sums += table[part[:, group]]
        hits += int((np.abs(sums) >= reached).sum())
    return hits
