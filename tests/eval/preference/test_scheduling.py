"""Votes go where neighbours in the ranking are told apart least, and no pair, side or person is forgotten."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest

from idto3d_eval.preference.davidson import Cells
from idto3d_eval.preference.scheduling import (
    LEAST,
    Counted,
    allocation,
    information_of,
    method_pairs,
    methods_of,
    next_pair,
    shares_for,
)
from idto3d_eval.preference.scheduling_gain import measure_gain, votes_needed

LADDER = 0.5 * (3.5 - np.arange(8.0))


def no_votes(methods: int) -> Cells:
    """Every ordered pair, none asked."""
    pairs = method_pairs(methods)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return Cells(methods, both[:, 0], both[:, 1], np.zeros((1, len(both), 3)))


def criterion(share: np.ndarray, theta: np.ndarray, nu: float) -> float:
    """Mean standard error of neighbours' differences, written anew by a pseudo-inverse."""
    told = np.zeros((len(theta), len(theta)))
    for (i, j), own in zip(method_pairs(len(theta)), share, strict=True):
        contrast = np.zeros(len(theta))
        contrast[[i, j]] = 1.0, -1.0
        told += own * float(information_of(np.array(theta[i] - theta[j]), nu)) * np.outer(contrast, contrast)
    spread = np.linalg.pinv(told)
    order = np.argsort(-theta)
    return float(
        np.mean([np.sqrt(spread[i, i] + spread[j, j] - 2 * spread[i, j]) for i, j in pairwise(order)])
    )


def test_information_is_that_of_the_plain_model_without_ties() -> None:
    """Bradley and Terry's p (1 − p), a quarter between equals, and nothing overflows."""
    gap = np.array([0.0, 1.0, -3.0, 800.0])
    won = 1.0 / (1.0 + np.exp(-gap))
    np.testing.assert_allclose(information_of(gap, 0.0), won * (1.0 - won), atol=1e-15)


def test_shares_are_a_minimum() -> None:
    """Neither moving votes from any pair to any other, nor a general optimiser, does noticeably better."""
    from scipy.optimize import minimize

    theta = LADDER[:5]
    share = (shares_for(theta[None], 0.1, rounds=400) - LEAST / 10) / (1 - LEAST)
    best = criterion(share, theta, 0.1)
    found = minimize(
        lambda free: criterion(np.exp(free) / np.exp(free).sum(), theta, 0.1), np.zeros(10), method="BFGS"
    )
    assert best == pytest.approx(found.fun, rel=1e-4)
    assert best < 0.95 * criterion(np.full(10, 0.1), theta, 0.1)


def test_shares_follow_the_methods_whatever_their_order() -> None:
    """Renaming methods renames the shares."""
    order = np.array([3, 0, 4, 1, 2])
    theta = LADDER[:5]
    plain, mixed = shares_for(theta[None], 0.2), shares_for(theta[order][None], 0.2)
    pairs = [tuple(pair) for pair in method_pairs(5).tolist()]
    for (i, j), own in zip(pairs, mixed, strict=True):
        same = tuple(sorted((int(order[i]), int(order[j]))))
        assert own == pytest.approx(plain[pairs.index(same)], rel=1e-9)


def test_before_any_vote_pairs_are_asked_about_evenly() -> None:
    """The posterior of no votes knows no neighbours."""
    share = allocation(no_votes(6), np.random.default_rng(0), draws=400)
    assert share.sum() == pytest.approx(1.0)
    assert share.max() < 1.4 / len(share)
    assert share.min() > 0.6 / len(share)


def test_later_neighbours_get_most_votes() -> None:
    """With 300 votes a pair the posterior is narrow; far methods keep the least share."""
    cells = no_votes(8)
    gap = LADDER[cells.left] - LADDER[cells.right]
    won = 1.0 / (1.0 + np.exp(-gap))
    cells.counts[0] = np.stack([150 * won, 150 * (1 - won), 8 + 0 * won], axis=1)
    share = allocation(cells, np.random.default_rng(0))
    pairs = method_pairs(8)
    near = pairs[:, 1] - pairs[:, 0] == 1
    assert share[near].sum() > 0.5
    assert share.min() >= LEAST / len(share) * 0.999


def test_counts_follow_the_shares_with_sides_and_people_even() -> None:
    """After 1,200 pairs each count is within two of its share, sides within two, each person's too."""
    rng = np.random.default_rng(3)
    share = shares_for(LADDER[None], 0.1)
    pairs = [tuple(pair) for pair in method_pairs(8).tolist()]
    counts = np.zeros((28, 6, 2), dtype=np.int64)
    for vote in range(1200):
        identity, shown = vote % 6, counts.sum(1)
        counted = Counted(shown.sum(1), counts[:, identity], shown[:, 0] - shown[:, 1])
        left, right = next_pair(counted, share, rng)
        counts[pairs.index((min(left, right), max(left, right))), identity, int(left > right)] += 1
    assert np.abs(counts.sum((1, 2)) - 1200 * share).max() < 2
    assert np.abs(counts.sum(2) - 200 * share[:, None]).max() < 2
    assert np.abs(counts.sum(1) @ [1, -1]).max() <= 2
    assert np.abs(counts @ [1, -1]).max() <= 2


def test_a_barred_pair_comes_only_where_nothing_else_is_left() -> None:
    """What a rater has seen of a head already is not shown again."""
    share = np.array([0.8, 0.1, 0.1])
    none = Counted(np.zeros(3, dtype=np.int64), np.zeros((3, 2), dtype=np.int64), np.zeros(3, dtype=np.int64))
    rng = np.random.default_rng(0)
    assert set(next_pair(none, share, rng)) == {0, 1}
    assert set(next_pair(none, share, rng, np.array([0]))) != {0, 1}
    assert set(next_pair(none, share, rng, np.array([0, 1, 2]))) == {0, 1}
    assert [methods_of(count) for count in (1, 3, 28, 190)] == [2, 3, 8, 20]


def test_an_allocation_takes_little_time() -> None:
    """20 ms is the bar for 20 methods; the fastest of five, since other work may run beside."""
    cells = no_votes(20)
    cells.counts[:] = np.random.default_rng(0).integers(0, 20, size=cells.counts.shape)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        allocation(cells, np.random.default_rng(0))
        times.append(time.perf_counter() - start)
    assert min(times) <= 0.020


def test_adaptive_scheduling_needs_fewer_votes_than_random_pairs() -> None:
    """Few studies here; `bench preferences` measures the bar of 0.7 itself."""
    gain = measure_gain(studies=5, votes=1200)
    assert gain.ratio < 0.7 + 3 * gain.error
    assert gain.ratio > 0.6  # the best of all designs, which knows the strengths, needs 0.66


def test_votes_for_a_width_are_cut_off_at_neither_end() -> None:
    """Widths that fall by the root of the votes give the votes back, within what was simulated and beyond."""
    votes = (100, 200, 400)
    width = 1.0 / np.sqrt(np.array(votes, dtype=np.float64))
    for wanted in (25, 100, 150, 400, 3000):
        assert votes_needed(wanted**-0.5, votes, width) == pytest.approx(wanted)
