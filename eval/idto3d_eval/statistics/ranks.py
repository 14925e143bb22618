"""Ranks with intervals, and which methods cannot be told apart from the best.

A rank counts the methods that are better. Its interval counts the methods that are *shown* to be better or
worse by paired tests, corrected over all comparisons of one method (Mogstad, Romano, Shaikh & Wilhelm 2024,
"Inference for Ranks"): with the stated probability it holds the true rank of that method.
"""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from idto3d_eval.statistics.paired_tests import holm, sign_flip_p

Better = Literal["higher", "lower"]


def rank_intervals(
    values: ArrayLike, better: Better, resamples: int, level: float, seed: int = 0
) -> list[tuple[int, int]]:
    """The best and the worst rank that each method may have.

    Args:
        values: [M, I], a row a method, a column an identity, NaN where a method has none. For a ratio of sums
            with shared denominators, the numerators.
        better: which direction is an improvement.
        resamples: sign flips where there are too many to count all.
        level: probability with which one method's interval holds its rank.
        seed: of the draws.

    Returns:
        [M] of (best, worst), 1 being the best of all; methods that share fewer than two identities are not
        told apart.
    """
    table = np.asarray(values, dtype=np.float64) * (1.0 if better == "higher" else -1.0)
    count = table.shape[0]
    lead = np.zeros((count, count))
    p = np.full((count, count), np.nan)
    for i, j in itertools.combinations(range(count), 2):
        gaps = table[i] - table[j]
        gaps = gaps[np.isfinite(gaps)]
        if gaps.size > 1:
            lead[i, j] = np.sort(gaps).sum()
            lead[j, i] = -lead[i, j]
            p[i, j] = p[j, i] = sign_flip_p(gaps, resamples, seed)
    intervals = []
    for row in range(count):
        shown = np.array(holm(p[row].tolist())) <= 1.0 - level + 1e-12
        better_ones, worse_ones = (shown & (lead[row] < 0)).sum(), (shown & (lead[row] > 0)).sum()
        intervals.append((1 + int(better_ones), count - int(worse_ones)))
    return intervals


def best_set(values: ArrayLike, better: Better, resamples: int, level: float, seed: int = 0) -> list[int]:
    """The methods that no other is shown to be better than; holds the truly best with probability `level`.

    Args:
        values, better, resamples, level, seed: as of `rank_intervals`.

    Returns:
        Indices of methods; one without any value cannot be told apart either.
    """
    intervals = rank_intervals(values, better, resamples, level, seed)
    return [index for index, (best, _) in enumerate(intervals) if best == 1]
