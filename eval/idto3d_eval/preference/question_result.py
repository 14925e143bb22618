"""What the votes on one question say, as plain data: strengths, ranks, ties, sides, and who was not compared.

A rank counts the methods that are better; its interval counts those that are shown to be, the tests of one
method corrected together (Holm 1979), as in `statistics.ranks`. Sets of methods that cannot be told apart are
corrected over all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d_eval.preference.bootstrap import (
    DavidsonBootstrap,
    Interval,
    contrast_of,
    davidson_bootstrap,
    interval_of,
)
from idto3d_eval.preference.davidson import components, davidson_fit, win_matrix
from idto3d_eval.preference.trials import PAIR
from idto3d_eval.preference.votes import LEFT, RIGHT, TIE, Votes, votes_from
from idto3d_eval.statistics import holm
from idto3d_eval.told_apart import sets

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]
Plain = dict[str, Any]


def question_result(
    answers: polars.DataFrame,
    question: str,
    methods: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Plain:
    """The result of one question, numbers and texts alone; None where a figure is not known.

    Args:
        answers: of this question.
        question: its name.
        methods: all that are compared.
        draws, seed, level: of the intervals.

    Returns:
        question, votes, raters, identities, decided, neither, reason ("" or why there is no result), methods
        (the strongest first: method, strength, low, high, rank, best_rank, worst_rank, votes, won, neither),
        sets, adjacent (first, second, value, low, high, p), side, nu, win_matrix (rows and columns as
        `methods` lists them), components, without_votes.
    """
    pairs = answers.filter(answers["kind"] == PAIR)
    seen = set(pairs["left"]) | set(pairs["right"])
    compared = [name for name in methods if name in seen]
    votes = votes_from(pairs, compared)
    found: Plain = {
        "question": question,
        "votes": len(votes),
        "raters": len(votes.raters) if len(votes) else 0,
        "identities": len(votes.identities) if len(votes) else 0,
        "decided": int((votes.outcome != TIE).sum()),
        "neither": int((pairs["answer"] == "neither").sum()),
        "without_votes": [name for name in methods if name not in seen],
        "reason": "",
    }
    if len(votes) == 0:
        return found | {"reason": "no votes yet", "methods": [], "sets": [], "components": []}
    order, figures = _strengths(votes, draws, seed, level)
    shares = _shares(votes, pairs["answer"].to_numpy() == "neither")
    rows = [{"method": compared[place], **figures["methods"][place], **shares[place]} for place in order]
    wins = win_matrix(votes)[np.ix_(order, order)]
    groups = [list(group) for group in components(votes)]
    return found | figures | {"methods": rows, "win_matrix": wins.tolist(), "components": groups}


def _strengths(votes: Votes, draws: int, seed: int, level: float) -> tuple[list[int], Plain]:
    """The order of the methods, strongest first, and what is known of them by place."""
    try:
        fitted = davidson_bootstrap(votes, draws, seed, level)
    except UserError:  # one rater and one identity: strengths, and nothing of how they spread
        return _bare(votes)
    order = fitted.order
    split = len(components(votes)) > 1
    strengths = [
        _guarded(interval, fitted, {place: 1.0}, split) for place, interval in enumerate(fitted.strengths)
    ]
    gaps = {
        (a, b): _guarded(
            fitted.difference(votes.methods[a], votes.methods[b]), fitted, {a: 1.0, b: -1.0}, split
        )
        for a, b in combinations(range(len(votes.methods)), 2)
    }
    ranks = _ranks(gaps, len(votes.methods), 1.0 - level)
    adjusted = _corrected(gaps, len(votes.methods))
    methods = [
        {
            "strength": interval.value,
            "low": interval.low,
            "high": interval.high,
            "rank": 1 + order.index(place),
            "best_rank": ranks[place][0],
            "worst_rank": ranks[place][1],
        }
        for place, interval in enumerate(strengths)
    ]
    alike = sets(order, adjusted, 1.0 - level)
    adjacent = []
    for first, second in pairwise(order):
        gap, sign = (gaps[first, second], 1.0) if first < second else (gaps[second, first], -1.0)
        low, high = sorted((sign * gap.low, sign * gap.high))
        adjacent.append(
            {
                "first": votes.methods[first],
                "second": votes.methods[second],
                "value": sign * gap.value,
                "low": low,
                "high": high,
                "p": float(adjusted[first, second]),
            }
        )
    return order, {
        "methods": methods,
        "sets": [[votes.methods[place] for place in run] for run in alike if len(run) > 1],
        "adjacent": adjacent,
        "side": _plain(fitted.side),
        "nu": _plain(fitted.nu),
    }


def _bare(votes: Votes) -> tuple[list[int], Plain]:
    fit = davidson_fit(votes)
    count = len(votes.methods)
    order = sorted(range(count), key=lambda place: (-fit.theta[0, place], votes.methods[place]))
    methods = [
        {
            "strength": float(fit.theta[0, place]),
            "low": None,
            "high": None,
            "rank": 1 + order.index(place),
            "best_rank": 1,
            "worst_rank": count,
        }
        for place in range(count)
    ]
    single = {"low": None, "high": None, "p": None}
    return order, {
        "reason": "one rater and one person have been asked so far, so that nothing says how votes spread",
        "methods": methods,
        "sets": [[votes.methods[place] for place in order]],
        "adjacent": [],
        "side": {"value": float(fit.gamma[0]), **single},
        "nu": {"value": float(fit.nu[0]), **single},
    }


def _guarded(
    interval: Interval, fitted: DavidsonBootstrap, weights: dict[int, float], split: bool
) -> Interval:
    """An interval no narrower than the model's own where some methods never lose to others.

    Such votes hold no surprise, and the spread between clusters, which is taken from surprises, is nearly 0.
    """
    contrast = contrast_of(weights, len(fitted.methods))
    error = float(np.sqrt(contrast @ fitted.fit.covariance @ contrast))
    if not split or error <= interval.error:
        return interval
    return interval_of(interval.value, error, interval.freedom, fitted.level)


def _ranks(gaps: dict[tuple[int, int], Interval], count: int, alpha: float) -> list[tuple[int, int]]:
    """[K] of the best and the worst rank that each method may have."""
    found = []
    for one in range(count):
        others = [pair for pair in gaps if one in pair]
        shown = [p <= alpha for p in holm([gaps[pair].p for pair in others])]
        ahead = [(gaps[pair].value > 0) == (pair[0] == one) for pair in others]
        worse = sum(told and lead for told, lead in zip(shown, ahead, strict=True))
        better = sum(told and not lead for told, lead in zip(shown, ahead, strict=True))
        found.append((1 + better, count - worse))
    return found


def _corrected(gaps: dict[tuple[int, int], Interval], count: int) -> Floats:
    """[K, K] p of all pairs, corrected together; 1 on the diagonal."""
    adjusted = np.ones((count, count))
    for (a, b), p in zip(gaps, holm([gap.p for gap in gaps.values()]), strict=True):
        adjusted[a, b] = adjusted[b, a] = p
    return adjusted


def _shares(votes: Votes, neither: NDArray[np.bool_]) -> list[Plain]:
    """By place: votes on a method, the share of the decided ones that it won, and of "neither"."""
    found = []
    for place in range(len(votes.methods)):
        left, right = votes.left == place, votes.right == place
        own = left | right
        won = (left & (votes.outcome == LEFT)) | (right & (votes.outcome == RIGHT))
        decided = int((own & (votes.outcome != TIE)).sum())
        count = int(own.sum())
        found.append(
            {
                "votes": count,
                "won": int(won.sum()) / decided if decided else None,
                "neither": int((own & neither).sum()) / count if count else None,
            }
        )
    return found


def _plain(interval: Interval) -> Plain:
    return {"value": interval.value, "low": interval.low, "high": interval.high, "p": interval.p}
