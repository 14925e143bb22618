"""Estimates and their intervals: closed forms, an independent bootstrap, invariances, no spread."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import stats

from idto3d_eval import statistics
from idto3d_eval.statistics import resampling

NAN = float("nan")


def test_mean_is_over_identities_and_counts_what_is_valid() -> None:
    values = [1.0, 3.0, NAN, 10.0]
    estimate = statistics.mean_interval(values, ["a", "a", "b", "c"], 500, 0.95)
    assert estimate.value == pytest.approx((2.0 + 10.0) / 2)
    assert (estimate.valid, estimate.total, estimate.identities) == (3, 4, 2)
    reach = stats.t.ppf(0.975, 1) * np.std([2.0, 10.0], ddof=1) / np.sqrt(2)
    assert (estimate.low, estimate.high) == (pytest.approx(6.0 - reach), pytest.approx(6.0 + reach))
    assert estimate.method == "Student's t"


def test_nothing_valid_is_nan_and_one_identity_has_no_interval() -> None:
    assert not statistics.mean_interval([NAN, NAN], ["a", "b"], 100, 0.95).known
    one = statistics.mean_interval([2.0, 4.0], ["a", "a"], 100, 0.95)
    assert one.value == 3.0
    assert np.isnan(one.low)


@pytest.mark.parametrize("ratio", [False, True])
def test_interval_agrees_with_an_independent_bootstrap_t(ratio: bool) -> None:
    """Plain loops over plain resamples, and the wider of their t and Student's."""
    rng = np.random.default_rng(3)
    top = rng.exponential(2.0, size=15)
    bottom = rng.uniform(1.0, 3.0, size=15) if ratio else np.ones(15)

    def value_and_error(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        value = x.sum() / y.sum()
        return value, np.sqrt(len(x) * np.var(x - value * y, ddof=1)) / y.sum()

    value, error = value_and_error(top, bottom)
    draws = []
    for _ in range(4000):
        chosen = rng.integers(0, 15, size=15)
        again, its = value_and_error(top[chosen], bottom[chosen])
        draws.append((again - value) / its)
    tail = 0.05 * (1 + 2 / 15)
    below, above = np.quantile(draws, [tail, 1 - tail])
    reach = stats.t.ppf(1 - tail, 14)
    ours = statistics.ratio_of_sums(top, bottom, 20_000, 0.9)
    assert ours[0] == pytest.approx(value)
    assert ours[1] == pytest.approx(value - max(above, reach) * error, abs=0.1 * error)
    assert ours[2] == pytest.approx(value - min(below, -reach) * error, abs=0.25 * error)
    assert -below > 1.2 * reach  # the data are skewed, so that the bootstrap's end is the wider


def test_order_of_rows_and_copies_of_a_row_change_nothing() -> None:
    values, names = np.array([1.0, 2.0, 4.0, 8.0, 9.5]), ["a", "b", "c", "d", "e"]
    first = statistics.mean_interval(values, names, 300, 0.95)
    assert statistics.mean_interval(values[::-1], names[::-1], 300, 0.95) == first
    doubled = statistics.mean_interval(np.repeat(values, 3), np.repeat(names, 3).tolist(), 300, 0.95)
    assert (doubled.value, doubled.low, doubled.high) == (first.value, first.low, first.high)


def test_shifting_and_scaling_move_the_interval_alike() -> None:
    values, names = np.array([0.1, 0.4, 0.5, 0.9]), ["a", "b", "c", "d"]
    plain = statistics.mean_interval(values, names, 300, 0.95)
    moved = statistics.mean_interval(3.0 * values + 2.0, names, 300, 0.95)
    for part in ("value", "low", "high"):
        assert getattr(moved, part) == pytest.approx(3.0 * getattr(plain, part) + 2.0)


def test_order_of_identities_changes_no_bit() -> None:
    rng = np.random.default_rng(4)
    first, second, spans = rng.normal(size=(3, 25))
    spans = np.abs(spans) + 0.5
    order = rng.permutation(25)
    assert statistics.ratio_of_sums(first, spans, 300, 0.95) == statistics.ratio_of_sums(
        first[order], spans[order], 300, 0.95
    )
    gap = statistics.paired_difference(first, second, 300, 0.95)
    assert statistics.paired_difference(first[order], second[order], 300, 0.95) == gap
    mirrored = statistics.paired_difference(second, first, 300, 0.95)
    assert (mirrored.value, mirrored.p) == (pytest.approx(-gap.value), gap.p)


def test_a_seed_gives_the_same_bits_and_another_seed_other_bounds() -> None:
    values, names = np.arange(12.0) ** 2, [str(i) for i in range(12)]
    first = statistics.mean_interval(values, names, 300, 0.95, seed=1)
    resampling._kept_weights.cache_clear()
    assert statistics.mean_interval(values, names, 300, 0.95, seed=1) == first
    assert statistics.mean_interval(values, names, 300, 0.95, seed=2).high != first.high


def test_identities_that_all_agree_are_bounded_by_what_was_not_seen() -> None:
    """Twelve right of twelve does not show that nobody would be wrong: Clopper and Pearson's bound."""
    names = [str(i) for i in range(12)]
    exact = stats.binomtest(12, 12).proportion_ci(0.95, method="exact")
    all_right = statistics.mean_interval(np.ones(12), names, 500, 0.95, bounds=(0.0, 1.0))
    assert (all_right.low, all_right.high) == (pytest.approx(exact.low), 1.0)
    unbounded = statistics.mean_interval(np.ones(12), names, 500, 0.95)
    assert (unbounded.low, unbounded.high, unbounded.method) == (1.0, 1.0, "none: no spread")
    tie = statistics.paired_difference(np.ones(12), np.ones(12), 500, 0.95, bounds=(0.0, 1.0))
    assert (tie.p, tie.effect) == (1.0, 0.0)
    assert tie.low == pytest.approx(-(1 - exact.low))
    assert tie.high == pytest.approx(1 - exact.low)


@pytest.mark.parametrize("right", range(13))
@pytest.mark.parametrize("count", [2, 3, 8, 12, 30])
def test_accuracies_of_zero_and_one_never_leave_their_range(right: int, count: int) -> None:
    values = (np.arange(count) < right).astype(float)
    names = [f"{i:02d}" for i in range(count)]
    estimate = statistics.mean_interval(values, names, 500, 0.95, bounds=(0.0, 1.0))
    assert 0.0 <= estimate.low <= estimate.value <= estimate.high <= 1.0
    free = statistics.mean_interval(values, names, 500, 0.95)
    assert np.isfinite([free.low, free.high]).all()
    assert free.high - free.low < 2.5 or count < 8  # a t of infinity in a resample does not reach the bounds


def test_rows_of_one_identity_do_not_count_as_independent() -> None:
    rng = np.random.default_rng(1)
    person = rng.normal(0.0, 1.0, size=10)
    names = [str(i) for i in range(10)]
    few = statistics.mean_interval(person, names, 2000, 0.95)
    many = statistics.mean_interval(np.repeat(person, 50), np.repeat(names, 50).tolist(), 2000, 0.95)
    assert many.high - many.low == pytest.approx(few.high - few.low)


def test_ratio_of_sums_is_not_the_mean_of_ratios() -> None:
    value, low, high = statistics.ratio_of_sums([1.0, 1.0], [1.0, 4.0], 500, 0.95)
    assert value == pytest.approx(2.0 / 5.0)
    assert low <= value <= high


def test_ratio_draws_numerator_and_denominator_together() -> None:
    spans = np.array([0.1, 0.5, 0.9, 1.3])
    value, low, high = statistics.ratio_of_sums(0.7 * spans, spans, 500, 0.95)
    assert (value, low, high) == (pytest.approx(0.7), pytest.approx(0.7), pytest.approx(0.7))


def test_a_ratio_is_scaled_by_its_numerators_and_not_by_a_common_factor() -> None:
    rng = np.random.default_rng(7)
    top, bottom = rng.normal(1.0, 0.3, size=12), rng.uniform(0.5, 1.5, size=12)
    plain = np.array(statistics.ratio_of_sums(top, bottom, 300, 0.95))
    assert np.allclose(statistics.ratio_of_sums(5.0 * top, bottom, 300, 0.95), 5.0 * plain)
    assert np.allclose(statistics.ratio_of_sums(5.0 * top, 5.0 * bottom, 300, 0.95), plain)


def test_denominators_that_may_add_up_to_nothing_bound_no_ratio() -> None:
    value, low, high = statistics.ratio_of_sums(np.ones(10), [9.0, -2, 3, -4, 1, 2, -3, 1, -2, 1], 500, 0.95)
    assert np.isfinite(value)
    assert np.isnan([low, high]).all()


def test_ratio_leaves_out_identities_without_both_and_refuses_an_empty_span() -> None:
    assert statistics.ratio_of_sums([1.0, NAN, 1.0], [2.0, 1.0, 2.0], 100, 0.95)[0] == pytest.approx(0.5)
    assert np.isnan(statistics.ratio_of_sums([1.0, 1.0], [1.0, -1.0], 100, 0.95)[0])


def test_paired_difference_uses_the_identities_that_both_have() -> None:
    gap = statistics.paired_difference([1.0, 2.0, NAN, 5.0], [0.5, 1.5, 9.0, 4.5], 500, 0.95)
    assert (gap.value, gap.low, gap.high, gap.identities) == (0.5, 0.5, 0.5, 3)
    assert gap.excludes_zero


def test_pairing_sees_what_unpaired_intervals_hide() -> None:
    people = np.random.default_rng(2).normal(0.0, 5.0, size=12)
    better = people + 0.3 + np.random.default_rng(3).normal(0.0, 0.05, size=12)
    assert statistics.paired_difference(better, people, 2000, 0.95).low > 0
    alone = statistics.mean_interval(better, [str(i) for i in range(12)], 2000, 0.95)
    assert alone.low < people.mean() < alone.high


def test_ratio_difference_is_the_difference_of_the_ratios() -> None:
    spans = np.array([0.5, 0.6, 0.7])
    first, second = np.array([0.4, 0.3, 0.5]), np.array([0.1, 0.2, 0.1])
    gap = statistics.ratio_difference(first, second, spans, 500, 0.95)
    assert gap.value == pytest.approx(first.sum() / spans.sum() - second.sum() / spans.sum())
    assert gap.test == "exact sign flips, least p 0.25"
    assert gap.p == 0.25


def test_effects_are_hedges_corrected() -> None:
    gaps = np.random.default_rng(8).normal(0.5, 1.0, size=12)
    corrected = gaps.mean() / gaps.std(ddof=1) * (1 - 3 / (4 * 11 - 1))  # Hedges' approximation of his factor
    assert statistics.paired_effect(gaps) == pytest.approx(corrected, rel=1e-3)
    assert statistics.paired_difference(gaps, np.zeros(12), 300, 0.95).effect == statistics.paired_effect(
        gaps
    )
    assert np.isnan(statistics.paired_effect([0.5, 0.5, 0.5]))
    assert statistics.paired_effect([0.0, 0.0, 0.0]) == 0.0


def test_effects_are_unbiased_where_standard_ones_are_too_large() -> None:
    gaps = np.random.default_rng(9).normal(0.5, 1.0, size=(20_000, 5))
    plain = gaps.mean(1) / gaps.std(1, ddof=1)
    assert plain.mean() > 0.6
    assert np.mean([statistics.paired_effect(row) for row in gaps[:8000]]) == pytest.approx(0.5, abs=0.03)


def test_coverage_bounds_put_what_is_missing_at_either_end() -> None:
    assert statistics.coverage_bounds([0.5, NAN, 1.0, NAN], 0.0, 1.0) == (1.5 / 4, 3.5 / 4)
    assert statistics.coverage_bounds([0.5, 1.0], 0.0, 1.0) == (0.75, 0.75)
    assert statistics.coverage_bounds([0.5, NAN], 0.0, np.inf) == (0.25, np.inf)
    assert statistics.coverage_bounds([0.5, 1.0], 0.0, np.inf) == (0.75, 0.75)


@pytest.mark.parametrize("count", [6, 30])
def test_draws_in_chunks_are_the_draws_of_one_chunk(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    weights = next(iter(resampling.weights(count, 50, 4)))
    signs = next(iter(resampling.signs(count, 50, 4)))
    monkeypatch.setattr(resampling, "KEPT", 40)
    assert np.array_equal(np.concatenate(list(resampling.weights(count, 50, 4)), axis=1), weights)
    assert np.array_equal(np.concatenate(list(resampling.signs(count, 50, 4))), signs)
    assert (weights.sum(0) == count).all()


def test_a_table_of_twenty_methods_and_thirty_metrics_takes_seconds() -> None:
    rng, names = np.random.default_rng(10), [str(i) for i in range(12)]
    start = time.process_time()
    for _ in range(60):  # a tenth of the cells and of the comparisons
        values = rng.normal(size=12)
        statistics.mean_interval(values, names, 10_000, 0.95)
        statistics.paired_difference(values, rng.normal(size=12), 10_000, 0.95)
    assert time.process_time() - start < 1.0
