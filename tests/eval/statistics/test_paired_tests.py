"""Sign flips against enumeration and an independent permutation test, and Holm's correction."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from idto3d_eval import statistics

NAN = float("nan")


def enumerated(gaps: list[float]) -> float:
    reached = abs(sum(gaps)) - 1e-9
    patterns = list(itertools.product((1, -1), repeat=len(gaps)))
    return sum(abs(np.dot(pattern, gaps)) >= reached for pattern in patterns) / len(patterns)


@pytest.mark.parametrize("count", range(1, 11))
def test_few_identities_are_counted_exactly(count: int) -> None:
    rng = np.random.default_rng(count)
    for gaps in (rng.normal(0.5, 1.0, size=count), rng.integers(-2, 3, size=count) / 3.0):
        assert statistics.sign_flip_p(gaps, 100) == pytest.approx(enumerated(gaps.tolist()))


def test_exact_p_is_that_of_an_independent_permutation_test() -> None:
    gaps = np.random.default_rng(5).normal(0.4, 1.0, size=12)
    exact = stats.permutation_test(
        (gaps,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue
    assert statistics.sign_flip_p(gaps, 100) == pytest.approx(exact)


def test_nineteen_identities_are_still_exact_and_reach_the_least_p() -> None:
    gaps = np.random.default_rng(6).uniform(0.5, 1.0, size=19)
    assert statistics.sign_flip_p(gaps, 100) == 2.0**-18
    assert statistics.least_p(gaps, 100) == 2.0**-18
    assert statistics.describe_test(gaps, 100) == "exact sign flips, least p 3.8e-06"


def test_twelve_identities_of_one_sign_say_their_least_p() -> None:
    gap = statistics.paired_difference(np.arange(1.0, 13.0), np.zeros(12), 500, 0.95)
    assert gap.p == 2.0**-11
    assert gap.test == "exact sign flips, least p 0.00049"


def test_gaps_of_zero_have_no_sign_to_flip() -> None:
    """Three people of twelve on which two methods differ cannot tell them apart, and the test says so."""
    gaps = [1.0, 1.0, 1.0, *[0.0] * 9]
    assert statistics.sign_flip_p(gaps, 100) == statistics.least_p(gaps, 100) == 0.25
    assert statistics.sign_flip_p(np.zeros(12), 100) == 1.0


def test_drawn_flips_are_near_the_exact_ones_and_the_t_test() -> None:
    gaps = np.random.default_rng(6).normal(0.3, 1.0, size=60)
    assert statistics.sign_flip_p(gaps, 20_000) == pytest.approx(
        stats.ttest_1samp(gaps, 0.0).pvalue, abs=0.01
    )
    # A twentieth gap of 0 changes no sum, so drawn flips estimate the p that 19 gaps have exactly.
    nineteen = np.random.default_rng(7).normal(0.5, 1.0, size=19)
    drawn = statistics.sign_flip_p([*nineteen, 0.0], 50_000)
    assert drawn == pytest.approx(statistics.sign_flip_p(nineteen, 1), rel=0.15)


def test_small_p_is_drawn_more_finely() -> None:
    gaps = np.random.default_rng(8).normal(2.0, 1.0, size=40)
    assert statistics.sign_flip_p(gaps, 1000) == 1 / 200_001
    assert statistics.least_p(gaps, 1000) == 1 / 200_001


def test_p_is_the_same_whatever_the_order_and_the_sign() -> None:
    for count in (15, 33):
        gaps = np.random.default_rng(count).normal(0.3, 1.0, size=count)
        p = statistics.sign_flip_p(gaps, 500)
        assert statistics.sign_flip_p(gaps[::-1], 500) == p
        assert statistics.sign_flip_p(7.0 * gaps, 500) == p


@pytest.mark.parametrize(
    ("count", "level"), [(5, 0.0), (6, 1 / 32), (8, 6 / 128), (12, 102 / 2048), (20, 0.05)]
)
def test_the_attainable_level_is_the_greatest_multiple_of_the_least_p(count: int, level: float) -> None:
    assert statistics.attainable_level(count, 0.05) == level


def test_holm_steps_down_and_keeps_order() -> None:
    adjusted = statistics.holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    with_gap = statistics.holm([0.01, NAN, 0.04])
    assert with_gap[0] == pytest.approx(0.02)
    assert np.isnan(with_gap[1])
