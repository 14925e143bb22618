"""Estimates and their uncertainty, with the identity as the unit: views, seeds and expressions of one head
are not independent, so they are averaged within an identity before anything is resampled.

Intervals are percentile bootstraps over identities (Efron & Tibshirani 1993, section 13.3; as clusters,
Field & Welsh 2007); paired tests flip signs (Fisher 1935); many tests are corrected by Holm (1979).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES, LEVEL = 2000, 0.95  # of benchmarks' intervals; protocols name their own
EXACT_FLIPS = 14  # up to 2^14 sign patterns are all visited; above, they are drawn
_CHUNK = 1_000_000  # numbers held at once while resampling
_KEPT = 4_000_000  # draws of at most so many numbers are kept for the next figure


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, and how many of the asked-for measurements it rests on."""

    value: float
    low: float
    high: float
    valid: int
    total: int
    identities: int

    @property
    def known(self) -> bool:
        """Whether there was anything to estimate from."""
        return bool(np.isfinite(self.value))


@dataclass(frozen=True)
class Difference:
    """What one method has more than another, paired on identity."""

    value: float
    low: float
    high: float
    p: float  # two-sided
    identities: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return bool(np.isfinite(self.low) and (self.low > 0 or self.high < 0))


def identity_means(values: ArrayLike, identities: Sequence[str]) -> dict[str, float]:
    """Mean of each identity's valid values, NaN where it has none; sorted by identity.

    Args:
        values: [N], NaN where a measurement failed.
        identities: [N], whose measurement each is.
    """
    numbers = np.asarray(values, dtype=np.float64)
    names = np.asarray(identities)
    means: dict[str, float] = {}
    for name in sorted(set(identities)):
        own = numbers[names == name]
        own = own[np.isfinite(own)]
        means[name] = float(np.mean(np.sort(own))) if own.size else float("nan")
    return means


def mean_interval(
    values: ArrayLike, identities: Sequence[str], resamples: int, level: float, seed: int = 0
) -> Estimate:
    """Mean over identities of their means, with a percentile bootstrap interval clustered by identity.

    Args:
        values: [N], NaN where a measurement failed; they are left out and counted.
        identities: [N], whose measurement each is.
        resamples: bootstrap draws.
        level: of the interval, in (0, 1).
        seed: of the draws.

    Returns:
        NaN bounds where fewer than two identities have a value.
    """
    numbers = np.asarray(values, dtype=np.float64)
    means = np.array(list(identity_means(numbers, identities).values()), dtype=np.float64)
    means = means[np.isfinite(means)]
    valid = int(np.isfinite(numbers).sum())
    if means.size == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), valid, numbers.size, 0)
    draws = bootstrap_means(means[:, None], resamples, seed)[:, 0]
    low, high = percentile_bounds(draws, level) if means.size > 1 else (float("nan"), float("nan"))
    return Estimate(float(means.mean()), low, high, valid, numbers.size, means.size)


def ratio_of_sums(
    numerators: ArrayLike, denominators: ArrayLike, resamples: int, level: float, seed: int = 0
) -> tuple[float, float, float]:
    """Σ numerators / Σ denominators over identities; the bootstrap draws an identity's pair together.

    Args:
        numerators: [I], one an identity, for instance s_i − floor_i.
        denominators: [I], for instance ceiling_i − floor_i.
        resamples: bootstrap draws.
        level: of the interval, in (0, 1).
        seed: of the draws.

    Returns:
        Value, low, high; NaN where there is no identity or the denominators do not add up to more than 0.
    """
    pairs = _valid_rows(numerators, denominators)
    if pairs.shape[0] == 0 or pairs[:, 1].sum() <= 0:
        return float("nan"), float("nan"), float("nan")
    value = float(pairs[:, 0].sum() / pairs[:, 1].sum())
    if pairs.shape[0] < 2:
        return value, float("nan"), float("nan")
    low, high = percentile_bounds(_ratios(pairs, resamples, seed), level)
    return value, low, high


def paired_difference(
    first: ArrayLike, second: ArrayLike, resamples: int, level: float, seed: int = 0
) -> Difference:
    """Mean of first − second over the identities that have both, with interval and sign-flip p.

    Args:
        first: [I], one value an identity, NaN where it has none.
        second: [I], the same identities in the same order.
        resamples: bootstrap draws, and sign flips where there are too many to visit all.
        level: of the interval, in (0, 1).
        seed: of the draws.
    """
    gaps = _valid_rows(np.asarray(first, np.float64) - np.asarray(second, np.float64))[:, 0]
    if gaps.size < 2:
        value = float(gaps[0]) if gaps.size else float("nan")
        return Difference(value, float("nan"), float("nan"), float("nan"), gaps.size)
    low, high = percentile_bounds(bootstrap_means(gaps[:, None], resamples, seed)[:, 0], level)
    return Difference(float(gaps.mean()), low, high, sign_flip_p(gaps, resamples, seed), gaps.size)


def ratio_difference(
    first: ArrayLike, second: ArrayLike, denominators: ArrayLike, resamples: int, level: float, seed: int = 0
) -> Difference:
    """Difference of two ratios of sums that share their denominators, paired on identity.

    Args:
        first: [I] numerators of one method, NaN where it has none.
        second: [I] numerators of the other.
        denominators: [I].
        resamples: bootstrap draws.
        level: of the interval, in (0, 1).
        seed: of the draws.
    """
    gaps = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    pairs = _valid_rows(gaps, denominators)
    value, low, high = ratio_of_sums(pairs[:, 0], pairs[:, 1], resamples, level, seed)
    p = sign_flip_p(pairs[:, 0], resamples, seed) if pairs.shape[0] > 1 else float("nan")
    return Difference(value, low, high, p, pairs.shape[0])


def sign_flip_p(gaps: ArrayLike, resamples: int, seed: int = 0) -> float:
    """Two-sided p of a mean that is symmetric about zero under the null; exact up to 2^14 sign patterns."""
    values = np.asarray(gaps, dtype=np.float64)
    observed = abs(values.sum())
    tolerance = 1e-12 * (np.abs(values).sum() + 1e-300)
    if values.size <= EXACT_FLIPS:
        patterns = np.arange(2**values.size)[:, None] >> np.arange(values.size) & 1
        sums = (patterns * 2.0 - 1.0) @ values
        return float(np.mean(np.abs(sums) >= observed - tolerance))
    kept = values.size * resamples <= _KEPT
    parts = [_kept_signs(values.size, resamples, seed)] if kept else _signs(values.size, resamples, seed)
    hits = sum(int((np.abs(signs @ values) >= observed - tolerance).sum()) for signs in parts)
    return (hits + 1) / (resamples + 1)


@functools.lru_cache(maxsize=4)
def _kept_signs(count: int, resamples: int, seed: int) -> Floats:
    """[B, I]: as with weights, the same for each figure of a table."""
    return np.concatenate(list(_signs(count, resamples, seed)))


def _signs(count: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Drawn signs of the identities, in parts."""
    rng = np.random.default_rng(seed)
    for draws in _chunks(resamples, count):
        yield rng.integers(0, 2, size=(draws, count)).astype(np.float64) * np.float64(2) - np.float64(1)


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


def bootstrap_means(values: Floats, resamples: int, seed: int) -> Floats:
    """Column means over rows drawn with replacement.

    Args:
        values: [I, C], a row an identity.
        resamples: number of draws B.
        seed: equal seeds draw equal identities, so that methods are compared on the same draws.

    Returns:
        [B, C].
    """
    count = values.shape[0]
    if count * resamples <= _KEPT:
        drawn: Floats = _kept_weights(count, resamples, seed) @ values / count
        return drawn
    return np.concatenate([part @ values / count for part in _weights(count, resamples, seed)])


@functools.lru_cache(maxsize=4)
def _kept_weights(count: int, resamples: int, seed: int) -> Floats:
    """[B, I]: a table draws the same identities for each of its figures, and drawing is what takes long."""
    return np.concatenate(list(_weights(count, resamples, seed)))


def _weights(count: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each identity is drawn, in parts."""
    rng = np.random.default_rng(seed)
    for draws in _chunks(resamples, count):
        yield rng.multinomial(count, np.full(count, 1.0 / count), size=draws).astype(np.float64)


def percentile_bounds(draws: Floats, level: float) -> tuple[float, float]:
    """The central interval that holds `level` of the draws; draws that are NaN are left out."""
    valid = draws[np.isfinite(draws)]
    if valid.size == 0:
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(valid, [tail, 1.0 - tail])
    return float(low), float(high)


def _ratios(pairs: Floats, resamples: int, seed: int) -> Floats:
    means = bootstrap_means(pairs, resamples, seed)
    positive = means[:, 1] > 0
    return np.where(positive, means[:, 0] / np.where(positive, means[:, 1], 1.0), np.nan)


def _valid_rows(*columns: ArrayLike) -> Floats:
    """[I, C] of the rows in which every column is finite."""
    table = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
    rows: Floats = table[np.isfinite(table).all(axis=1)]
    return rows


def _chunks(total: int, width: int) -> list[int]:
    """Sizes that add up to `total`, each small enough to hold with `width` numbers a draw."""
    size = max(1, _CHUNK // max(width, 1))
    return [min(size, total - start) for start in range(0, total, size)]
