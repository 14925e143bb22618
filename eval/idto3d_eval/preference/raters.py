"""Raters, the pair that each is at, what became of an answer, and the refusal of what may not be done."""

from __future__ import annotations

from dataclasses import dataclass

from idto3d.errors import UserError
from idto3d_eval.preference.trials import Trial


class Refused(UserError):
    """Something that a rater may not do, with the HTTP status that says so."""

    def __init__(self, sentence: str, status: int = 403) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Rater:
    """Someone who answers.

    Attributes:
        rater: the name, which a link carries.
        slot: place in the plan.
        consented, finished: whether they did.
    """

    rater: str
    slot: int
    consented: bool
    finished: bool


@dataclass(frozen=True)
class Shown:
    """The pair that a rater is at.

    Attributes:
        trial: what is shown.
        number: from 1, training not counted (0 while training).
        total: pairs without training.
        next_trial: the one after it, whose heads can be fetched meanwhile; None at the end.
    """

    trial: Trial
    number: int
    total: int
    next_trial: Trial | None


@dataclass(frozen=True)
class Receipt:
    """What became of a vote.

    Attributes:
        answer: the one that stands: the first that was given.
        new: whether this call stored it.
        right: in training, whether it was the right one; None elsewhere.
    """

    answer: str
    new: bool
    right: bool | None
