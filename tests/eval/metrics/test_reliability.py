"""Intra-class correlations: the published example, parity with a plain analysis of variance, coverage."""

import numpy as np
import pytest

from idto3d_eval.metrics.reliability import Reliability, icc_one_way, icc_two_way, mean_squares

# Shrout & Fleiss 1979, table 2, and what their table 4 finds.
JUDGED = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def plain_anova(values):
    """Sums of squares by loops."""
    n, k = values.shape
    grand = sum(values.flat) / (n * k)
    rows = [sum(values[i]) / k for i in range(n)]
    columns = [sum(values[:, j]) / n for j in range(k)]
    between = k * sum((row - grand) ** 2 for row in rows) / (n - 1)
    within = sum((values[i, j] - rows[i]) ** 2 for i in range(n) for j in range(k)) / (n * (k - 1))
    judges = n * sum((column - grand) ** 2 for column in columns) / (k - 1)
    rest = sum((values[i, j] - rows[i] - columns[j] + grand) ** 2 for i in range(n) for j in range(k)) / (
        (n - 1) * (k - 1)
    )
    return between, within, judges, rest


def test_the_published_example():
    squares = mean_squares(JUDGED)
    found = (squares.people, squares.within, squares.repeats, squares.rest)
    assert found == pytest.approx((11.24, 6.26, 32.49, 1.02), abs=0.005)
    assert icc_one_way(JUDGED).value == pytest.approx(0.17, abs=0.005)
    assert icc_two_way(JUDGED).value == pytest.approx(0.29, abs=0.005)


@pytest.mark.parametrize("seed", range(3))
def test_mean_squares_agree_with_plain_loops(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(7, 1)) + rng.normal(size=(1, 4)) + 0.5 * rng.normal(size=(7, 4))
    squares = mean_squares(values)
    between, within, judges, rest = plain_anova(values)
    assert (squares.people, squares.within, squares.repeats, squares.rest) == pytest.approx(
        (between, within, judges, rest)
    )
    assert icc_one_way(values).value == pytest.approx((between - within) / (between + 3 * within))
    two_way = (between - rest) / (between + 3 * rest + 4 * (judges - rest) / 7)
    assert icc_two_way(values).value == pytest.approx(two_way)


def coverage(icc, truth, draw, runs=400):
    inside = 0
    for seed in range(runs):
        found = icc(draw(np.random.default_rng(seed)))
        assert isinstance(found, Reliability)
        inside += found.low <= truth <= found.high
    return inside / runs


def test_the_intervals_hold_the_truth_as_often_as_they_say():
    def one_way(rng):
        return rng.normal(size=(12, 1)) + 0.5 * rng.normal(size=(12, 3))

    def two_way(rng):
        return rng.normal(size=(12, 1)) + 0.3 * rng.normal(size=(1, 4)) + 0.5 * rng.normal(size=(12, 4))

    # Three standard errors of a share of 0.95 over 400 runs are 0.033.
    assert coverage(icc_one_way, 1.0 / 1.25, one_way) == pytest.approx(0.95, abs=0.033)
    assert coverage(icc_two_way, 1.0 / (1.0 + 0.09 + 0.25), two_way) == pytest.approx(0.95, abs=0.033)


def test_a_shift_of_one_repetition_lowers_agreement():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(10, 3)) * 0.1 + rng.normal(size=(10, 1))
    moved = values + np.array([0.0, 0.0, 2.0])
    assert icc_two_way(moved).value < icc_two_way(values).value - 0.2


def test_it_is_undefined_and_says_why():
    values = np.random.default_rng(1).normal(size=(4, 3))
    gaps = values.copy()
    gaps[1:3, 0] = np.nan
    for icc in (icc_one_way, icc_two_way):
        assert "one repetition" in icc(values[:, :1])
        assert "2 people" in icc(gaps)
        assert "all values are the same" in icc(np.ones((5, 3)))
        assert icc(np.repeat(values[:, :1], 3, axis=1)).value == 1.0
