"""Studies drawn from a known model: strengths, ties, a side, raters and people who differ, careless raters.

A rater's answer follows Davidson's model with d = theta_i - theta_j + gamma, to which the rater and the
identity of the head each add an effect of their own on every method. A careless rater answers everything by
chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.preference.davidson import Cells, DavidsonFit, chances_of, fit_cells
from idto3d_eval.preference.trials import DAMAGED, INTACT
from idto3d_eval.preference.votes import OUTCOMES, TIE, Votes

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KNOTS = 40  # of the quadrature over raters and identities; 20 give the same strengths to 1e-9


@dataclass(frozen=True)
class Design:
    """What a simulated study is drawn from.

    Attributes:
        methods: K; their strengths are `apart` from each other, in log-odds, the first is the strongest.
        apart: 0.5 means that the better of two neighbours wins 62 of 100 decided votes.
        raters, identities: of the study.
        pairs, attention, repeats: a rater answers.
        side: log-odds of the left side between equals, 55 of 100.
        nu: of the ties: equals tie one vote in five.
        rater_spread, identity_spread: standard deviation of each effect on a method's strength. The gap of
            two methods then has 0.57 between raters, and as much between people: more than neighbours differ.
        careless: share of the raters, rounded to whole raters.
        attentive: chance that a rater who is not careless passes an attention pair.
        remembered: chance that such a rater gives a repeated pair the same answer again whatever its chances;
            otherwise the answer is drawn anew.
    """

    methods: int = 8
    apart: float = 0.5
    raters: int = 30
    identities: int = 12
    pairs: int = 40
    attention: int = 6
    repeats: int = 4
    side: float = 0.2
    nu: float = 0.5
    rater_spread: float = 0.4
    identity_spread: float = 0.4
    careless: float = 0.1
    attentive: float = 0.95
    remembered: float = 0.5

    @property
    def names(self) -> tuple[str, ...]:
        """Of the methods, the strongest first."""
        return tuple(f"method_{place:02d}" for place in range(self.methods))

    @property
    def theta(self) -> Floats:
        """[K] strengths of the average rater for the average person, sum 0."""
        places = np.arange(self.methods)
        return np.asarray(self.apart * ((self.methods - 1) / 2.0 - places), dtype=np.float64)


@dataclass(frozen=True)
class Simulated:
    """One study.

    Attributes:
        design: what it was drawn from.
        votes: those of the pairs, careless raters' among them; `design.pairs` of each rater in a row.
        careless: [R] who they are.
        attention_expected, attention_answer: [R, A] of `LEFT`, `RIGHT`, `TIE`.
        repeat_place, repeat_answer: [R, P] places of the votes that are repeated, and what is answered with
            sides swapped.
    """

    design: Design
    votes: Votes
    careless: NDArray[np.bool_]
    attention_expected: Ints
    attention_answer: Ints
    repeat_place: Ints
    repeat_answer: Ints


def simulate(rng: np.random.Generator, design: Design) -> Simulated:
    """Draw one study."""
    raters, count = design.raters, design.methods
    left, right, person = _shown(rng, design)
    careless = np.zeros(raters, dtype=np.bool_)
    careless[rng.permutation(raters)[: round(design.careless * raters)]] = True
    rater = np.repeat(np.arange(raters), design.pairs)
    by_rater = design.rater_spread * rng.normal(size=(raters, count))
    by_person = design.identity_spread * rng.normal(size=(design.identities, count))
    own = design.theta + by_rater[rater] + by_person[person]  # [V, K]
    place = np.arange(len(rater))
    d = own[place, left] - own[place, right] + design.side
    outcome = _answered(rng, d, design, careless[rater])
    names = tuple(f"rater_{number:04d}" for number in range(raters))
    people = tuple(f"person_{number:03d}" for number in range(design.identities))
    votes = Votes(design.names, left, right, outcome, rater, person, names, people)
    # Attention pairs: an attentive rater passes, or else errs either other way.
    expected = rng.integers(2, size=(raters, design.attention))
    passed = rng.random(expected.shape) < design.attentive
    wrong = np.where(rng.random(expected.shape) < 0.5, TIE, 1 - expected)
    by_chance = rng.integers(3, size=expected.shape)
    answer = np.where(careless[:, None], by_chance, np.where(passed, expected, wrong))
    # Repeats: earlier pairs of the same rater, sides swapped.
    repeated = np.sort(np.argsort(rng.random((raters, design.pairs)), axis=1)[:, : design.repeats], axis=1)
    repeated = repeated + (np.arange(raters) * design.pairs)[:, None]
    swapped = 2.0 * design.side - d[repeated]  # d of the swapped pair: the side stays where it is
    anew = _answered(rng, swapped.ravel(), design, np.repeat(careless, design.repeats)).reshape(swapped.shape)
    first = outcome[repeated]
    same = np.where(first == TIE, TIE, 1 - first)
    keeps = (rng.random(repeated.shape) < design.remembered) & ~careless[:, None]
    return Simulated(design, votes, careless, expected, answer, repeated, np.where(keeps, same, anew))


def simulate_votes(rng: np.random.Generator, design: Design) -> Votes:
    """The votes of one study alone."""
    return simulate(rng, design).votes


def true_fit(design: Design) -> DavidsonFit:
    """What the fit tends to with ever more raters and identities, none of them careless.

    An average over people who differ lies nearer to even odds than the average person does, so these
    strengths are a little smaller than `Design.theta`; they are what a study's fit estimates.
    """
    spread = math.sqrt(2.0 * (design.rater_spread**2 + design.identity_spread**2))
    knots, weights = np.polynomial.hermite_e.hermegauss(KNOTS)
    both = list(combinations(range(design.methods), 2))
    ordered = both + [(second, first) for first, second in both]
    left, right = (np.array([pair[side] for pair in ordered], dtype=np.int64) for side in (0, 1))
    d = design.theta[left] - design.theta[right] + design.side  # [C]
    chances = _chances(d[:, None] + spread * knots, design.nu) @ (weights / weights.sum())  # [3, C]
    # A million votes a pair, so that the ridge is nothing beside them.
    return fit_cells(Cells(design.methods, left, right, 1e6 * chances.T[None]))


def drawn_outcomes(rng: np.random.Generator, d: Floats, nu: float) -> Ints:
    """[V] outcomes by Davidson's model.

    Args:
        rng: draws them.
        d: [V] log-odds of the left side, its advantage among them.
        nu: of the ties.
    """
    return _drawn(rng, _chances(d, nu))


def answers_of(study: Simulated) -> polars.DataFrame:
    """The study as `preference.answers.answers_table` gives one, kinds in blocks."""
    import polars

    design, votes = study.design, study.votes
    raters = design.raters
    methods, people = np.array(votes.methods), np.array(votes.identities)
    words = np.array(OUTCOMES)

    def named(kind: str, count: int) -> list[str]:
        return [f"{kind}{rater}_{place}" for rater in range(raters) for place in range(count)]

    pair = np.array(named("p", design.pairs), dtype=object)
    repeated = study.repeat_place.ravel()
    expected = study.attention_expected.ravel()
    blocks = [
        {
            "rater": votes.rater,
            "pair": pair,
            "kind": "pair",
            "identity": people[votes.identity],
            "left": methods[votes.left],
            "right": methods[votes.right],
            "answer": words[votes.outcome],
            "expected": "",
            "repeats": "",
            "position": np.tile(np.arange(design.pairs), raters),
        },
        {
            "rater": np.repeat(np.arange(raters), design.attention),
            "pair": named("a", design.attention),
            "kind": "attention",
            "identity": people[0],
            "left": np.where(expected == 0, INTACT, DAMAGED),
            "right": np.where(expected == 0, DAMAGED, INTACT),
            "answer": words[study.attention_answer.ravel()],
            "expected": words[expected],
            "repeats": "",
            "position": design.pairs + np.tile(np.arange(design.attention), raters),
        },
        {
            "rater": votes.rater[repeated],
            "pair": named("r", design.repeats),
            "kind": "repeat",
            "identity": people[votes.identity[repeated]],
            "left": methods[votes.right[repeated]],
            "right": methods[votes.left[repeated]],
            "answer": words[study.repeat_answer.ravel()],
            "expected": "",
            "repeats": pair[repeated].tolist(),
            "position": design.pairs + design.attention + np.tile(np.arange(design.repeats), raters),
        },
    ]
    tables = []
    for block in blocks:
        length = len(np.asarray(block["rater"]))
        columns = {
            name: np.full(length, value).tolist()
            if isinstance(value, str)
            else list(np.asarray(value).tolist())
            for name, value in block.items()
        }
        columns["rater"] = [votes.raters[place] for place in columns["rater"]]
        tables.append(polars.DataFrame(columns))
    table = polars.concat(tables)
    return table.with_columns(
        polars.lit("identity").alias("question"),
        polars.lit("neutral").alias("expression"),
        polars.lit(6.0).alias("seconds"),
    )


def _shown(rng: np.random.Generator, design: Design) -> tuple[Ints, Ints, Ints]:
    """[V] methods left and right and identities: every pair of each person once before any comes again."""
    both = np.array(list(combinations(range(design.methods), 2)), dtype=np.int64)
    cells = len(both) * design.identities
    total = design.raters * design.pairs
    passes = -(-total // cells)
    drawn = np.argsort(rng.random((passes, cells)), axis=1)
    turned = (rng.integers(2, size=cells)[None] + np.arange(passes)[:, None]) % 2  # sides alternate
    swapped = np.take_along_axis(turned, drawn, axis=1).ravel()[:total] > 0
    cell = drawn.ravel()[:total]
    first, second = both[cell // design.identities].T
    return np.where(swapped, second, first), np.where(swapped, first, second), cell % design.identities


def _answered(rng: np.random.Generator, d: Floats, design: Design, careless: NDArray[np.bool_]) -> Ints:
    """[V] outcomes by the model, or by chance."""
    chances = _chances(d, design.nu)
    chances[:, careless] = 1.0 / 3.0
    return _drawn(rng, chances)


def _drawn(rng: np.random.Generator, chances: Floats) -> Ints:
    """[V] outcomes by [3, V] chances."""
    drawn = rng.random(chances.shape[1])
    return np.asarray((drawn > chances[0]).astype(np.int64) + (drawn > chances[0] + chances[1]))


def _chances(d: Floats, nu: float) -> Floats:
    """[3, …] of left, right and tie."""
    return np.stack(chances_of(d, np.float64(math.log(nu) if nu > 0 else -math.inf)))
