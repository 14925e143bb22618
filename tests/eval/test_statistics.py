"""Estimates and intervals: closed forms, invariances, and a coverage simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from idto3d_eval import statistics

NAN = float("nan")


def test_mean_is_over_identities_and_counts_what_is_valid() -> None:
    values = [1.0, 3.0, NAN, 10.0]
    estimate = statistics.mean_interval(values, ["a", "a", "b", "c"], 500, 0.95)
    assert estimate.value == pytest.approx((2.0 + 10.0) / 2)
    assert (estimate.valid, estimate.total, estimate.identities) == (3, 4, 2)
    assert estimate.low == 2.0
    assert estimate.high == 10.0


def test_nothing_valid_is_nan_and_one_identity_has_no_interval() -> None:
    assert not statistics.mean_interval([NAN, NAN], ["a", "b"], 100, 0.95).known
    one = statistics.mean_interval([2.0, 4.0], ["a", "a"], 100, 0.95)
    assert one.value == 3.0
    assert np.isnan(one.low)


def test_interval_agrees_with_an_independent_bootstrap() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, size=40)
    ours = statistics.mean_interval(values, [str(i) for i in range(40)], 20_000, 0.9)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, confidence_level=0.9, method="percentile", rng=1
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.03)
    assert ours.high == pytest.approx(theirs.high, abs=0.03)


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


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits, trials, people = 0, 300, 30
    for trial in range(trials):
        person = rng.normal(0.0, 1.0, size=people)
        rows = (person[:, None] + rng.normal(0.0, 0.3, size=(people, 4))).ravel()
        names = np.repeat([str(i) for i in range(people)], 4).tolist()
        estimate = statistics.mean_interval(rows, names, 400, 0.9, seed=trial)
        hits += estimate.low <= 0.0 <= estimate.high
    assert 0.83 <= hits / trials <= 0.95  # percentile bootstraps are a little short at 30 people


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
    assert (low, high) == (pytest.approx(0.25), pytest.approx(1.0))


def test_ratio_draws_numerator_and_denominator_together() -> None:
    spans = np.array([0.1, 0.5, 0.9, 1.3])
    value, low, high = statistics.ratio_of_sums(0.7 * spans, spans, 500, 0.95)
    assert (value, low, high) == (pytest.approx(0.7), pytest.approx(0.7), pytest.approx(0.7))


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


def test_sign_flips_are_exact_for_few_identities() -> None:
    assert statistics.sign_flip_p([1.0, 2.0, 3.0, 4.0], 100) == 2 / 16
    gaps = np.random.default_rng(5).normal(0.4, 1.0, size=12)
    exact = stats.permutation_test(
        (gaps,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue
    assert statistics.sign_flip_p(gaps, 100) == pytest.approx(exact)


def test_sign_flips_drawn_at_random_are_near_the_t_test() -> None:
    gaps = np.random.default_rng(6).normal(0.3, 1.0, size=60)
    drawn = statistics.sign_flip_p(gaps, 20_000)
    assert drawn == pytest.approx(stats.ttest_1samp(gaps, 0.0).pvalue, abs=0.01)


def test_holm_steps_down_and_keeps_order() -> None:
    adjusted = statistics.holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    with_gap = statistics.holm([0.01, NAN, 0.04])
    assert with_gap[0] == pytest.approx(0.02)
    assert np.isnan(with_gap[1])


def test_ratio_difference_is_the_difference_of_the_ratios() -> None:
    spans = np.array([0.5, 0.6, 0.7])
    first, second = np.array([0.4, 0.3, 0.5]), np.array([0.1, 0.2, 0.1])
    gap = statistics.ratio_difference(first, second, spans, 500, 0.95)
    assert gap.value == pytest.approx(first.sum() / spans.sum() - second.sum() / spans.sum())
    assert gap.excludes_zero


def test_draws_in_chunks_are_the_draws_of_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(6.0)[:, None]
    whole = statistics.bootstrap_means(values, 50, seed=4)
    monkeypatch.setattr(statistics, "_CHUNK", 12)
    assert np.array_equal(statistics.bootstrap_means(values, 50, seed=4), whole)
