"""Votes as arrays: who preferred which of two methods, shown left or right, for whose head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError

if TYPE_CHECKING:
    import polars

Ints = NDArray[np.int64]

LEFT, RIGHT, TIE = 0, 1, 2  # outcomes
OUTCOMES = ("left", "right", "tie")
# "Neither" prefers no head, as a tie does; how often it is said is told apart from the strengths.
_CODES = {"left": LEFT, "right": RIGHT, "tie": TIE, "neither": TIE}


@dataclass(frozen=True)
class Votes:
    """Answers to pairs of methods, a place each.

    Attributes:
        methods: names, K of them.
        left, right: [V] places in `methods`, never the same.
        outcome: [V] of `LEFT`, `RIGHT`, `TIE`.
        rater: [V] places in `raters`.
        identity: [V] places in `identities`.
        raters, identities: names.
    """

    methods: tuple[str, ...]
    left: Ints
    right: Ints
    outcome: Ints
    rater: Ints
    identity: Ints
    raters: tuple[str, ...] = ("rater",)
    identities: tuple[str, ...] = ("identity",)

    def __len__(self) -> int:
        return len(self.outcome)

    def take(self, places: NDArray[np.bool_] | Ints) -> Votes:
        """Some of the votes; names stay, whether or not anything is left of them."""
        return Votes(
            self.methods,
            self.left[places],
            self.right[places],
            self.outcome[places],
            self.rater[places],
            self.identity[places],
            self.raters,
            self.identities,
        )


def votes_of(
    methods: Sequence[str],
    rows: Sequence[tuple[str, str, str]],
    raters: Sequence[str] | None = None,
    identities: Sequence[str] | None = None,
) -> Votes:
    """Votes from names.

    Args:
        methods: all that are compared.
        rows: left, right and answer ("left", "right", "tie" or "neither") of each vote.
        raters, identities: of each vote; one rater and one identity where they are left out.

    Raises:
        UserError: an unknown method or answer, or a method beside itself.
    """
    place = {name: number for number, name in enumerate(methods)}
    for left, right, answer in rows:
        if left not in place or right not in place or left == right or answer not in _CODES:
            raise UserError(
                f"Found a vote '{answer}' on '{left}' and '{right}', expected left, right, tie or neither on "
                f"two of {', '.join(methods)}; leave it out."
            )
    given_raters = list(raters) if raters is not None else ["rater"] * len(rows)
    given_people = list(identities) if identities is not None else ["identity"] * len(rows)
    rater_names, people = sorted(set(given_raters)), sorted(set(given_people))
    rater_place = {name: number for number, name in enumerate(rater_names)}
    person_place = {name: number for number, name in enumerate(people)}
    return Votes(
        tuple(methods),
        _ints([place[left] for left, _, _ in rows]),
        _ints([place[right] for _, right, _ in rows]),
        _ints([_CODES[answer] for _, _, answer in rows]),
        _ints([rater_place[name] for name in given_raters]),
        _ints([person_place[name] for name in given_people]),
        tuple(rater_names),
        tuple(people),
    )


def votes_from(answers: polars.DataFrame, methods: Sequence[str] | None = None) -> Votes:
    """The votes of a table of answers: its pairs, without attention pairs and repeats.

    Args:
        answers: columns rater, kind, identity, left, right, answer, as `answers_table` gives them.
        methods: all that are compared; those of the table, sorted, by default.
    """
    pairs = answers.filter(answers["kind"] == "pair")
    names = methods or sorted(set(pairs["left"]) | set(pairs["right"]))
    rows = list(zip(pairs["left"], pairs["right"], pairs["answer"], strict=True))
    return votes_of(names, rows, pairs["rater"].to_list(), pairs["identity"].to_list())


def choix_pairs(votes: Votes) -> list[tuple[int, int]]:
    """Decided votes as choix takes them: (winner, loser); ties have no place there and are left out."""
    decided = votes.outcome != TIE
    first = votes.outcome[decided] == LEFT
    left, right = votes.left[decided], votes.right[decided]
    winners, losers = np.where(first, left, right), np.where(first, right, left)
    return [(int(winner), int(loser)) for winner, loser in zip(winners, losers, strict=True)]


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)
