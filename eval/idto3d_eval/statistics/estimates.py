"""The figures of a table: means over identities, ratios of sums, paired differences, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idto3d_eval.statistics.intervals import NONE, studentised_bounds
from idto3d_eval.statistics.paired_tests import describe_test, sign_flip_p

Floats = NDArray[np.float64]

RESAMPLES, LEVEL = 2000, 0.95  # of benchmarks' intervals; protocols name their own
NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, and how many of the asked-for measurements it rests on."""

    value: float
    low: float
    high: float
    valid: int
    total: int
    identities: int
    method: str = ""  # which interval, in words

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
    effect: float = NAN  # in standard deviations of the gaps between identities; NaN where they do not spread
    test: str = ""  # which test, in words, with the least p that it can give

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
    if numbers.size == 0:
        return {}
    names, owner = np.unique(np.asarray(identities), return_inverse=True)
    valid = np.isfinite(numbers)
    numbers, owner = numbers[valid], owner[valid]
    # Summed in the order of the values, so that the order of rows changes no bit.
    order = np.lexsort((numbers, owner))
    counts = np.bincount(owner, minlength=names.size)
    sums = np.bincount(owner[order], weights=numbers[order], minlength=names.size)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), NAN)
    return {str(name): float(mean) for name, mean in zip(names, means, strict=True)}


def mean_interval(
    values: ArrayLike,
    identities: Sequence[str],
    resamples: int,
    level: float,
    seed: int = 0,
    *,
    bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Mean over identities of their means, with an interval clustered by identity.

    Args:
        values: [N], NaN where a measurement failed; they are left out and counted.
        identities: [N], whose measurement each is.
        resamples: bootstrap draws.
        level: of the interval, in (0, 1).
        seed: of the draws.
        bounds: the metric's range, where it has one; the interval keeps to it.

    Returns:
        NaN bounds where fewer than two identities have a value.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(set(identities)) == numbers.size:
        means = numbers  # one value each: nothing to average
    else:
        means = np.array(list(identity_means(numbers, identities).values()), dtype=np.float64)
    means = means[np.isfinite(means)]
    valid = int(np.isfinite(numbers).sum())
    if means.size == 0:
        return Estimate(NAN, NAN, NAN, valid, numbers.size, 0, "none: nothing was measured")
    pairs = np.stack([means, np.ones_like(means)], axis=1)
    low, high, method = studentised_bounds(pairs, resamples, level, seed, bounds)
    return Estimate(_ratio(pairs), low, high, valid, numbers.size, means.size, method)


def ratio_of_sums(
    numerators: ArrayLike,
    denominators: ArrayLike,
    resamples: int,
    level: float,
    seed: int = 0,
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
        return NAN, NAN, NAN
    low, high, _ = studentised_bounds(pairs, resamples, level, seed)
    return _ratio(pairs), low, high


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    resamples: int,
    level: float,
    seed: int = 0,
    *,
    bounds: tuple[float, float] | None = None,
) -> Difference:
    """Mean of first − second over the identities that have both, with interval, test and effect size.

    Args:
        first: [I], one value an identity, NaN where it has none.
        second: [I], the same identities in the same order.
        resamples: bootstrap draws, and sign flips where there are too many to count all.
        level: of the interval, in (0, 1).
        seed: of the draws.
        bounds: the metric's range, where it has one; the interval keeps to what two such values can differ.
    """
    gaps = _valid_rows(np.asarray(first, np.float64) - np.asarray(second, np.float64))[:, 0]
    reach = None if bounds is None else (bounds[0] - bounds[1], bounds[1] - bounds[0])
    return _difference(np.stack([gaps, np.ones_like(gaps)], axis=1), resamples, level, seed, reach)


def ratio_difference(
    first: ArrayLike, second: ArrayLike, denominators: ArrayLike, resamples: int, level: float, seed: int = 0
) -> Difference:
    """Difference of two ratios of sums that share their denominators, paired on identity.

    The test and the effect size are of the numerators' gaps: the ratios differ exactly where those do not
    add up to 0.

    Args:
        first: [I] numerators of one method, NaN where it has none.
        second: [I] numerators of the other.
        denominators: [I].
        resamples: bootstrap draws.
        level: of the interval, in (0, 1).
        seed: of the draws.
    """
    gaps = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return _difference(_valid_rows(gaps, denominators), resamples, level, seed, None)


def paired_effect(gaps: ArrayLike) -> float:
    """Mean of the gaps in their own standard deviations, corrected for few identities (Hedges 1981).

    Args:
        gaps: [I], one an identity.

    Returns:
        NaN for fewer than two gaps and where they do not spread, except that gaps of 0 have effect 0.
    """
    values = np.sort(np.asarray(gaps, dtype=np.float64))
    if values.size < 2:
        return NAN
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if spread <= 1e-12 * float(np.abs(values).max()):
        return 0.0 if mean == 0 else NAN
    freedom = values.size - 1
    if freedom == 1:
        return NAN  # the correction's Γ(0) is infinite
    log_j = math.lgamma(freedom / 2) - 0.5 * math.log(freedom / 2) - math.lgamma((freedom - 1) / 2)
    return mean / spread * math.exp(log_j)


def coverage_bounds(values: ArrayLike, low: float, high: float) -> tuple[float, float]:
    """The mean if all missing values were the least possible, and the greatest: what they could hide.

    Args:
        values: [I], NaN where there is none.
        low, high: the metric's range.

    Returns:
        Least and greatest mean; infinite where the range is and a value is missing (Manski 1989).
    """
    numbers = np.asarray(values, dtype=np.float64)
    missing = ~np.isfinite(numbers)
    if numbers.size == 0:
        return low, high
    worst, best = (float(np.mean(np.sort(np.where(missing, end, numbers)))) for end in (low, high))
    return worst, best


def _difference(
    pairs: Floats, resamples: int, level: float, seed: int, bounds: tuple[float, float] | None
) -> Difference:
    count = pairs.shape[0]
    if count == 0 or pairs[:, 1].sum() <= 0:
        return Difference(NAN, NAN, NAN, NAN, count, NAN, "none: no identity has both")
    value = _ratio(pairs)
    if count < 2:
        return Difference(value, NAN, NAN, NAN, count, NAN, NONE)
    gaps = pairs[:, 0]
    low, high, _ = studentised_bounds(pairs, resamples, level, seed, bounds)
    p = sign_flip_p(gaps, resamples, seed)
    return Difference(value, low, high, p, count, paired_effect(gaps), describe_test(gaps, resamples))


def _ratio(pairs: Floats) -> float:
    """Σ / Σ, added up in the order of the values."""
    return float(np.sort(pairs[:, 0]).sum() / np.sort(pairs[:, 1]).sum())


def _valid_rows(*columns: ArrayLike) -> Floats:
    """[I, C] of the rows in which every column is finite."""
    table = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
    rows: Floats = table[np.isfinite(table).all(axis=1)]
    return rows
