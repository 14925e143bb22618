"""Pairs of methods: joint sign flips agree with a plain enumeration, and sets hold no told pair."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from idto3d_eval.told_apart import pair_p, sets, smallest_p, unattainable


def _by_hand(values: np.ndarray) -> np.ndarray:
    """Step-down max-T by its definition, one pattern and one pair at a time."""
    pairs = list(combinations(range(len(values)), 2))

    def t(gaps: np.ndarray) -> float:
        return abs(gaps.mean()) / (gaps.std(ddof=1) / np.sqrt(len(gaps)))

    gaps = [values[a] - values[b] for a, b in pairs]
    observed = [t(gap) for gap in gaps]
    order = sorted(range(len(pairs)), key=lambda at: -observed[at])
    patterns = [np.array(signs) for signs in product((-1.0, 1.0), repeat=values.shape[1])]
    found, largest = np.ones((len(values), len(values))), 0.0
    for step, at in enumerate(order):
        left = order[step:]
        hits = sum(max(t(signs * gaps[other]) for other in left) >= observed[at] - 1e-9 for signs in patterns)
        largest = max(largest, hits / len(patterns))
        a, b = pairs[at]
        found[a, b] = found[b, a] = largest
    return found


def test_pairs_agree_with_the_definition() -> None:
    values = np.random.default_rng(1).normal(size=(4, 6)) + np.array([[0.0], [0.3], [1.0], [2.5]])
    assert pair_p(values, 200) == pytest.approx(_by_hand(values))


def test_one_true_null_is_rejected_about_as_often_as_it_may() -> None:
    rng = np.random.default_rng(0)
    rejected = sum(pair_p(rng.normal(size=(3, 8)), 200).min() < 0.05 for _ in range(300))
    assert rejected <= 0.05 * 300 + 3 * np.sqrt(300 * 0.05 * 0.95)


def test_what_is_the_same_is_never_told_apart_and_a_missing_value_takes_only_its_pair() -> None:
    values = np.tile(np.arange(8.0), (3, 1))
    assert (pair_p(values, 200) == 1.0).all()
    values[1, 3] = np.nan
    values[2] += 1.0 + 0.1 * np.arange(8)
    p = pair_p(values, 200)
    assert np.isfinite(p).all()
    assert p[0, 2] < 0.05
    assert (p == p.T).all()


def test_order_of_methods_changes_nothing() -> None:
    values = np.random.default_rng(2).normal(size=(5, 20)) + np.arange(5)[:, None]
    turned = pair_p(values[::-1], 500)[::-1, ::-1]
    assert turned == pytest.approx(pair_p(values, 500))


def test_sets_hold_no_told_pair_and_every_method() -> None:
    p = np.ones((4, 4))
    p[0, 2] = p[2, 0] = p[0, 3] = p[3, 0] = p[1, 3] = p[3, 1] = 0.01
    assert sets((0, 1, 2, 3), p, 0.05) == [(0, 1), (1, 2), (2, 3)]
    assert sets((0, 1), np.ones((2, 2)), 0.05) == [(0, 1)]


def test_a_table_with_too_many_tests_for_its_people_says_so() -> None:
    assert smallest_p(12, 10_000) == 2 / 2**12
    assert unattainable(12, 84, 10_000, 0.05) == ""
    assert "12 identities" in unattainable(12, 103, 10_000, 0.05)
    assert "13 identities or more" in unattainable(12, 103, 10_000, 0.05)
