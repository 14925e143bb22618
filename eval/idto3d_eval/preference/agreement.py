"""Whether a metric prefers what people prefer.

Pair by pair: the share of decided votes whose preferred head is the metric's better one, equal values counted
half. Over the methods: Kendall's tau-b (1945) between a metric's means and people's strengths. Intervals draw
people, whose heads are judged, with replacement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.preference.davidson import Cells, cell_places, cells_of, davidson_fit, fit_cells
from idto3d_eval.preference.run_metrics import Head, MetricRows
from idto3d_eval.preference.trials import PAIR
from idto3d_eval.preference.votes import LEFT, TIE, Votes, votes_from

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_VOTES = 30  # decided, on heads that have values; below, a share's error is above 0.09
LEAST_METHODS = 3  # of which ranks can be compared
LEAST_PEOPLE = 5  # whom an interval can be drawn from; of fewer it would be far too narrow
DRAWS, LEVEL = 1000, 0.95


@dataclass(frozen=True)
class Share:
    """A figure with its interval; NaN where there is none, and why."""

    value: float
    low: float
    high: float
    reason: str = ""


@dataclass(frozen=True)
class Agreement:
    """One metric beside people's votes.

    Attributes:
        metric, title: its name, and as reports call it.
        headline: whether it is one of the run's few.
        accuracy: share of decided votes on which it prefers what was preferred; 0.5 is chance.
        tau: Kendall's, of methods; 1 for the same order, 0 for chance.
        votes: decided, on pairs of heads that both have a value.
        methods: with a value.
        identities: whose heads those are.
    """

    metric: str
    title: str
    headline: bool
    accuracy: Share
    tau: Share
    votes: int
    methods: int
    identities: int


def agreement(
    answers: polars.DataFrame,
    methods: Sequence[str],
    metrics: Sequence[MetricRows],
    draws: int = DRAWS,
    seed: int = 0,
    level: float = LEVEL,
) -> list[Agreement]:
    """Each metric beside the votes on pairs in a table of answers, in the order of the metrics.

    Args:
        answers: of one question, as `answers_table` gives them; some votes at least.
        methods: all that are compared.
        metrics: of the run that the heads are of.
        draws: of people.
        seed: of the draws.
        level: of the intervals.
    """
    pairs = answers.filter(answers["kind"] == PAIR)
    votes = votes_from(pairs, methods)
    people = len(votes.identities)
    weights = _weights(people, draws, seed)  # [B, I]; the first draw is everybody once
    strengths = _strengths(votes, weights)
    heads, left, right = _heads(pairs)
    decided = votes.outcome != TIE
    told = []
    for metric in metrics:
        value = metric.of(heads) * (1.0 if metric.higher else -1.0)
        lead = np.sign(value[left] - value[right]) * np.where(votes.outcome == LEFT, 1.0, -1.0)
        usable = decided & np.isfinite(lead)
        accuracy = _accuracy(0.5 + 0.5 * lead[usable], votes.identity[usable], weights, level)
        means = _means(value, heads, votes, weights)
        known = np.flatnonzero(np.isfinite(means[0]))
        tau = _tau_share(means[:, known], strengths[:, known], people, level)
        own = len(np.unique(votes.identity[usable]))
        told.append(
            Agreement(
                metric.metric,
                metric.title,
                metric.headline,
                accuracy,
                tau,
                int(usable.sum()),
                len(known),
                own,
            )
        )
    return told


def kendall_tau(x: Floats, y: Floats) -> Floats:
    """[B] tau-b of each row of two [B, M]; NaN where all of a row are equal."""
    pairs = np.array(list(combinations(range(x.shape[1]), 2)), dtype=np.int64).reshape(-1, 2)
    a, b = (np.sign(part[:, pairs[:, 0]] - part[:, pairs[:, 1]]) for part in (x, y))
    scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    found: Floats = np.divide((a * b).sum(1), scale, out=np.full(len(x), np.nan), where=scale > 0)
    return found


def _heads(pairs: polars.DataFrame) -> tuple[list[Head], Ints, Ints]:
    """All heads that were shown, and the places [V] of those left and right."""
    place: dict[Head, int] = {}

    def of(side: str) -> Ints:
        named = zip(pairs[side], pairs["identity"], pairs["expression"], strict=True)
        return np.array([place.setdefault(head, len(place)) for head in named], dtype=np.int64)

    left, right = of("left"), of("right")
    return list(place), left, right


def _weights(people: int, draws: int, seed: int) -> Floats:
    """[1 + B, I] how often each person is drawn; once each in the first row."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(people, np.full(people, 1.0 / people), size=draws)
    return np.concatenate([np.ones((1, people)), drawn]).astype(np.float64)


def _strengths(votes: Votes, weights: Floats) -> Floats:
    """[1 + B, K] of the votes on the people that each draw has."""
    fit = davidson_fit(votes)
    once = cells_of(votes)
    column = cell_places(once, votes) * 3 + votes.outcome
    by_person = np.zeros((weights.shape[1], 3 * len(once.left)))
    np.add.at(by_person, (votes.identity, column), 1.0)
    counts = (weights @ by_person).reshape(len(weights), -1, 3)
    return fit_cells(Cells(once.methods, once.left, once.right, counts), start=fit).theta


def _accuracy(right: Floats, identity: Ints, weights: Floats, level: float) -> Share:
    if len(right) < LEAST_VOTES:
        return _none(f"{len(right)} decided votes on heads with a value, expected {LEAST_VOTES}")
    if (right == 0.5).all():
        return _none("all heads have the same value")
    people = weights.shape[1]
    hits, total = (np.bincount(identity, part, people) for part in (right, np.ones_like(right)))
    count = weights @ total
    shares = np.divide(weights @ hits, count, out=np.full(len(weights), np.nan), where=count > 0)
    return _share(shares, len(np.unique(identity)), level)


def _means(value: Floats, heads: Sequence[Head], votes: Votes, weights: Floats) -> Floats:
    """[1 + B, K] a method's mean over the people of each draw; NaN where one has no value."""
    method = {name: place for place, name in enumerate(votes.methods)}
    person = {name: place for place, name in enumerate(votes.identities)}
    total, count = np.zeros((2, len(person), len(method)))
    for (name, who, _), one in zip(heads, value, strict=True):
        if np.isfinite(one):
            total[person[who], method[name]] += one
            count[person[who], method[name]] += 1.0
    by_person = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    weight = weights @ (count > 0)
    mean: Floats = np.divide(weights @ by_person, weight, out=np.full(weight.shape, np.nan), where=weight > 0)
    return mean


def _tau_share(means: Floats, strengths: Floats, people: int, level: float) -> Share:
    if means.shape[1] < LEAST_METHODS:
        return _none(f"{means.shape[1]} methods with a value, expected {LEAST_METHODS}")
    found = kendall_tau(np.round(means, 12), strengths)  # a mean's last bits are no difference
    if np.isnan(found[0]):
        return _none("all methods have the same value")
    return _share(found, people, level)


def _share(draws: Floats, people: int, level: float) -> Share:
    """The first is the estimate, the others say how it spreads."""
    if people < LEAST_PEOPLE:
        why = f"{people} people, and an interval takes {LEAST_PEOPLE}"
        return Share(float(draws[0]), np.nan, np.nan, why)
    low, high = np.nanquantile(draws[1:], [(1 - level) / 2, (1 + level) / 2])
    return Share(float(draws[0]), float(low), float(high))


def _none(reason: str) -> Share:
    return Share(np.nan, np.nan, np.nan, reason)
