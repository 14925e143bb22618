"""Which two methods to ask about next, so that neighbours in the ranking are told apart by the fewest votes.

A vote on a pair adds the information of Davidson's model to the graph of methods (`davidson`). Shares of
votes are chosen by A-optimality on it: the mean standard error of the differences of neighbours in the
ranking is least, on average over strengths drawn from their posterior. While little is known the draws
disagree about who stands beside whom, and the shares spread over all pairs; later they lie on neighbours. The
multiplicative algorithm finds them (Silvey, Titterington & Torsney 1978; its convergence, Yu 2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.preference.davidson import Cells, fit_cells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A normal prior of standard deviation 2 on each log-strength: neighbours of a study's ranking seldom lie
# further apart, and with a wider one the first draws are so extreme that no pair tells anything.
PRIOR = 0.25
DRAWS = 16  # 8 differ by chance in which neighbours they see; 32 change no share by more than 0.01
ROUNDS = 20  # of the multiplicative algorithm; 400 would save 0.1 % of the votes more
LEAST = 0.02  # share of all votes that goes to all pairs evenly, so that no belief is final


@dataclass(frozen=True)
class Counted:
    """Pairs that were shown so far, of one question.

    Attributes:
        shown: [P] how often each pair was, in the order of `method_pairs`.
        of_identity: [P, 2] of these, with the head's identity that comes next, the pair's first method left
            and right.
        first_left: [P] how much oftener the first method stood left than right, over all identities.
    """

    shown: Ints
    of_identity: Ints
    first_left: Ints


def method_pairs(methods: int) -> Ints:
    """[P, 2] places of the two methods of each pair, the lower first."""
    return np.array(list(combinations(range(methods), 2)), dtype=np.int64)


def methods_of(pairs: int) -> int:
    """How many methods have so many pairs."""
    return (1 + math.isqrt(1 + 8 * pairs)) // 2


def allocation(cells: Cells, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """[P] share of all votes that each pair should have, given the votes so far.

    Args:
        cells: the votes so far, counted; there may be none.
        rng: draws strengths from their posterior.
        draws: how many.
    """
    theta, nu = _believed(cells, rng, draws)
    return shares_for(theta, nu)


def shares_for(theta: Floats, nu: float, rounds: int = ROUNDS) -> Floats:
    """[P] shares that are best on average over strengths.

    Args:
        theta: [D, K] strengths.
        nu: of the ties.
        rounds: of the algorithm.
    """
    draws, methods = theta.shape
    pairs = method_pairs(methods)
    first, second = pairs.T
    weight = information_of(theta[:, first] - theta[:, second], nu)  # [D, P]
    order = np.argsort(-theta, axis=1, kind="stable")
    upper, lower = order[:, :-1], order[:, 1:]  # [D, K - 1] neighbours
    share = np.full(len(pairs), 1.0 / len(pairs))
    each, step, place = np.arange(draws)[:, None], np.arange(methods - 1), np.arange(methods)
    for _ in range(rounds):
        # Inverse information, its null direction (all strengths alike) pinned; then neighbours' contrasts.
        told = np.full((draws, methods, methods), 1.0 / methods)
        told[:, first, second] -= weight * share
        told[:, second, first] -= weight * share
        told[:, place, place] += 1.0 - told.sum(2)
        spread = np.linalg.inv(told)  # [D, K, K]
        toward = spread[each, upper] - spread[each, lower]  # [D, K - 1, K]
        variance = toward[each, step, upper] - toward[each, step, lower]
        error = np.sqrt(variance)  # [D, K - 1]
        # What a vote on each pair takes off all errors: squared contrasts of pairs with neighbours, summed.
        summed = (toward / error[:, :, None]).swapaxes(1, 2) @ toward  # [D, K, K]
        own = summed[:, place, place]
        gain = weight * (own[:, first] + own[:, second] - 2.0 * summed[:, first, second])
        # A draw counts by its own criterion, so that one far off does not outweigh the others.
        gain = (gain / error.sum(1, keepdims=True)).mean(0)
        share = share * np.sqrt(gain)
        share /= share.sum()
    return (1.0 - LEAST) * share + LEAST / len(pairs)


def information_of(gap: Floats, nu: float) -> Floats:
    """What a vote tells of the difference of two log-strengths, by that difference: at most 1/4."""
    half = np.exp(-np.abs(gap) / 2.0)  # so that nothing overflows
    p_high, p_low = 1.0 / (1.0 + half**2 + nu * half), half**2 / (1.0 + half**2 + nu * half)
    return np.asarray((p_high + p_low - (p_high - p_low) ** 2) / 4.0)


def next_pair(
    counted: Counted, share: Floats, rng: np.random.Generator, barred: Ints | None = None
) -> tuple[int, int]:
    """Which two methods come next, those that are furthest behind their share, and which stands left.

    It counts how far a pair is behind over all heads and over heads of this identity, so that no pair is
    judged by one person's heads alone.

    Args:
        counted: what was shown so far.
        share: [P] of the votes.
        rng: breaks ties.
        barred: pairs that this rater has seen of this head; they come only where nothing else is left.

    Returns:
        Places of the methods on the left and on the right.
    """
    own = counted.of_identity.sum(1)
    behind = share * (counted.shown.sum() + 1) - counted.shown + share * (own.sum() + 1) - own
    behind = behind + rng.random(len(share)) * 1e-6
    if barred is not None and len(barred) < len(share):
        behind[barred] = -np.inf
    pair = int(np.argmax(behind))
    here = int(counted.of_identity[pair, 0] - counted.of_identity[pair, 1])
    lean = here or int(counted.first_left[pair])
    swap = lean > 0 or (lean == 0 and rng.random() < 0.5)
    first, second = (int(place) for place in method_pairs(methods_of(len(share)))[pair])
    return (second, first) if swap else (first, second)


def _believed(cells: Cells, rng: np.random.Generator, draws: int) -> tuple[Floats, float]:
    """[D, K] strengths from their posterior, taken as normal, and nu."""
    count = cells.methods
    if cells.counts.sum() == 0:
        return rng.normal(size=(draws, count)) / np.sqrt(PRIOR), 0.5
    fit = fit_cells(cells, ridge=PRIOR)
    values, vectors = np.linalg.eigh(fit.covariance[:count, :count])
    noise = rng.normal(size=(draws, count)) * np.sqrt(np.maximum(values, 0.0))
    return fit.theta + noise @ vectors.T, float(fit.nu[0])
