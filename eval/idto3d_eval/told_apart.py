"""Which methods of a block can be told apart: all pairs of a column at once, paired on identity.

Signs of an identity's gaps are flipped together for all pairs, so that the dependence between pairs is kept,
and each pair is judged against the largest studentised gap of all that are not yet told apart: the step-down
max-T of Westfall & Young (1993, algorithm 2.8), which is never more cautious than Holm's over the same pairs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.statistics.paired_tests import EXACT_BELOW, least_drawn_p

Floats = NDArray[np.float64]
EXACT_FLIPS = (
    14  # up to 2^13 sign patterns and their mirrors are all visited for a whole column; above, they are drawn
)
_CHUNK = 4_000_000  # numbers held at once while signs are flipped
_TIE = 1e-9  # statistics nearer than this count as equal, whatever the last bits say


def pair_p(values: Floats, resamples: int, seed: int = 0) -> Floats:
    """p of every pair of methods, corrected over all pairs of the column.

    Args:
        values: [M, I] one an identity, the same identities for all; NaN where a method has none.
        resamples: sign patterns, where there are too many identities to visit all.
        seed: of the signs.

    Returns:
        [M, M], symmetric; 1 on the diagonal and where fewer than two identities have both.
    """
    count = len(values)
    adjusted = np.ones((count, count))
    pairs = list(combinations(range(count), 2))
    if not pairs:
        return adjusted
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    gaps = (values[first] - values[second]).T  # [I, P]
    known = np.isfinite(gaps)
    people = known.sum(axis=0)
    gaps = np.where(known, gaps, 0.0)
    squares = (gaps**2).sum(axis=0)
    tested = np.flatnonzero((people >= 2) & (squares > 0))
    if len(tested) == 0:
        return adjusted
    gaps, people, squares = gaps[:, tested], people[tested], squares[tested]
    observed = _studentised(gaps.sum(axis=0), squares, people)
    falling = np.argsort(-observed, kind="stable")
    gaps, squares, people, observed = gaps[:, falling], squares[falling], people[falling], observed[falling]
    signs = _signs(len(gaps), resamples, seed)
    hits, patterns = np.zeros(len(tested)), len(signs)
    step = max(1, _CHUNK // len(tested))
    # From the least pair up, a row a pair, so that the running maximum goes over whole rows.
    rising = np.ascontiguousarray(gaps.T[::-1])
    parts = squares[::-1, None], people[::-1, None]
    reached = (observed - _TIE * (1.0 + observed))[::-1, None]
    for at in range(0, patterns, step):
        drawn = _studentised(rising @ signs[at : at + step].T.astype(np.float64), *parts)
        np.maximum.accumulate(drawn, axis=0, out=drawn)
        hits += (drawn >= reached).sum(axis=1)[::-1]
    exact = len(gaps) <= EXACT_FLIPS
    p = hits / patterns if exact else (hits + 1) / (patterns + 1)
    p = np.maximum.accumulate(p)
    for place, pair in zip(falling.tolist(), p.tolist(), strict=True):
        a, b = pairs[tested[place]]
        adjusted[a, b] = adjusted[b, a] = pair
    return adjusted


def sets(order: Sequence[int], p: Floats, alpha: float) -> list[tuple[int, ...]]:
    """The largest runs of methods, from the best on, in which no pair is told apart.

    Args:
        order: indices of methods, the best first.
        p: [M, M] as `pair_p` gives them, corrected for whatever else is tested.
        alpha: below it, a pair is told apart.

    Returns:
        Runs of indices; they overlap where being alike does not carry over, and every method is in one.
    """
    found: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and not any(p[order[end], order[at]] < alpha for at in range(start, end)):
            end += 1
        if end > reached:
            found.append(tuple(order[start:end]))
            reached = end
    return found


def _studentised(sums: Floats, squares: Floats, people: NDArray[np.int64]) -> Floats:
    """|t| of gaps with these sums and sums of squares; flipping signs leaves the squares."""
    mean = sums / people
    variance = np.maximum(squares - people * mean**2, 1e-12 * squares) / np.maximum(people - 1, 1)
    t: Floats = np.abs(mean) / np.sqrt(variance / people)
    return t


@functools.lru_cache(maxsize=2)
def _signs(people: int, resamples: int, seed: int) -> NDArray[np.int8]:
    """Sign patterns [*, I]: half of all for few identities, drawn ones above; the same for each column."""
    if people <= EXACT_FLIPS:
        # A pattern and its mirror agree in |t|, so the last sign stays.
        return ((np.arange(2 ** max(people - 1, 0))[:, None] >> np.arange(people) & 1) * 2 - 1).astype(
            np.int8
        )
    drawn = np.random.default_rng(seed).integers(0, 2, size=(resamples, people), dtype=np.int8)
    return drawn * np.int8(2) - np.int8(1)


def smallest_p(people: int, resamples: int) -> float:
    """The smallest p that a two-sided sign-flip test can give."""
    return 2.0 ** -(people - 1) if people < EXACT_BELOW else least_drawn_p(resamples)


def unattainable(people: int, tests: int, resamples: int, alpha: float) -> str:
    """A sentence where no test could pass after Holm's correction, "" where one could."""
    if people < 2 or tests == 0 or smallest_p(people, resamples) * tests < alpha:
        return ""
    least = math.ceil(1 - math.log2(alpha / tests)) if tests else 2
    return (
        f"With {people} identities the smallest p is {smallest_p(people, resamples):.2g}, and {tests} tests "
        f"leave nothing below {alpha:g} after Holm's correction: {least} identities or more would."
    )
