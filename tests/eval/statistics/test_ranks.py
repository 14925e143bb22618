"""Rank intervals: what is shown to differ is ordered, what is not is tied, and the truth is inside."""

from __future__ import annotations

import numpy as np

from idto3d_eval import statistics


def test_methods_far_apart_are_ranked_and_their_order_follows_the_direction() -> None:
    people = np.random.default_rng(0).normal(size=12)
    noise = 0.01 * np.random.default_rng(1).normal(size=(3, 12))
    values = people + noise + np.array([[0.0], [2.0], [1.0]])
    assert statistics.rank_intervals(values, "higher", 500, 0.95) == [(3, 3), (1, 1), (2, 2)]
    assert statistics.rank_intervals(values, "lower", 500, 0.95) == [(1, 1), (3, 3), (2, 2)]
    assert statistics.best_set(values, "higher", 500, 0.95) == [1]


def test_equal_methods_share_all_ranks() -> None:
    values = np.tile(np.arange(12.0), (4, 1))
    assert statistics.rank_intervals(values, "higher", 500, 0.95) == [(1, 4)] * 4
    assert statistics.best_set(values, "higher", 500, 0.95) == [0, 1, 2, 3]


def test_what_was_not_measured_is_not_told_apart() -> None:
    values = np.arange(36.0).reshape(3, 12)
    values[1] = np.nan
    assert statistics.rank_intervals(values, "higher", 500, 0.95) == [(2, 3), (1, 3), (1, 2)]


def test_order_of_methods_and_identities_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(5, 22)) + np.linspace(0.0, 1.5, 5)[:, None]
    found = statistics.rank_intervals(values, "higher", 500, 0.95)
    rows, columns = rng.permutation(5), rng.permutation(22)
    moved = statistics.rank_intervals(values[rows][:, columns], "higher", 500, 0.95)
    assert moved == [found[row] for row in rows]


def test_intervals_hold_the_true_rank_and_the_best_set_the_best() -> None:
    rng, runs = np.random.default_rng(3), 120
    quality = np.array([0.0, 0.1, 0.5, 1.0, 1.1])
    held, best = np.zeros(5), 0
    for _ in range(runs):
        values = rng.normal(size=12) + quality[:, None] + rng.exponential(0.7, size=(5, 12))
        intervals = statistics.rank_intervals(values, "higher", 500, 0.95)
        held += [low <= rank <= high for (low, high), rank in zip(intervals, (5, 4, 3, 2, 1), strict=True)]
        best += intervals[4][0] == 1
    # 95 %, less three standard errors of 120 runs.
    assert (held / runs >= 0.89).all()
    assert best / runs >= 0.89
