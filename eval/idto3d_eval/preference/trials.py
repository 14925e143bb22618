"""Which pairs each rater sees: balanced over method pair × identity × side, a person as often as bounded.

A rater's pairs come in a block a question, blocks and pairs in an order drawn from the study's seed. Each
pair is the cell that has been asked least so far, ties drawn; so counts stay even when raters stop coming.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from idto3d.errors import UserError
from idto3d_eval.preference.questions import NEUTRAL, QUESTIONS
from idto3d_eval.preference.study import Study

if TYPE_CHECKING:
    import polars

PAIR, ATTENTION, REPEAT, TRAINING = "pair", "attention", "repeat", "training"
INTACT, DAMAGED, STRANGER = "(intact)", "(damaged)", "(stranger)"  # what stands on attention pairs
APART = 4  # trials at least between a pair and its repeat, where its block is long enough


@dataclass(frozen=True)
class Trial:
    """One pair that one rater is shown.

    Attributes:
        slot: the rater's place in the plan, from 0.
        position: in the order of showing, from 0.
        pair: its name, which says nothing of what it shows.
        question, identity, expression: what is asked of whom.
        left, right: methods; on attention pairs and in training what was done to a head.
        kind: pair, attention, repeat or training.
        expected: the right answer of an attention or training pair; "" elsewhere.
        repeats: the pair that a repeat shows again, sides swapped; "" elsewhere.
    """

    slot: int
    position: int
    pair: str
    question: str
    identity: str
    expression: str
    left: str
    right: str
    kind: str = PAIR
    expected: str = ""
    repeats: str = ""


class Planner:
    """Plans rater after rater, and remembers how often each cell was asked."""

    def __init__(self, study: Study, earlier: Iterable[Trial] = ()) -> None:
        """
        Args:
            study: what is asked.
            earlier: trials of raters that are planned already.
        """
        self.study = study
        self.pairs = list(combinations(study.methods, 2))
        shape = (len(self.pairs), len(study.identities))
        self.cells = {name: np.zeros(shape, dtype=np.int64) for name in study.questions}
        self.first_left: Counter[tuple[str, int, int]] = Counter()  # how much oftener the first stood left
        self.shown: Counter[tuple[str, str]] = Counter()  # expressions, by question
        for trial in earlier:
            if trial.kind == PAIR:
                self._count(trial)

    def rater(self, slot: int) -> list[Trial]:
        """All trials of one rater, in order."""
        study = self.study
        rng = np.random.default_rng([study.seed, slot])
        trials: list[Trial] = []
        seen: Counter[str] = Counter()
        questions = [study.questions[place] for place in rng.permutation(len(study.questions))]
        share = {name: [0, 0, 0] for name in questions}  # pairs, attention pairs, repeats
        for kind, count in enumerate((study.pairs, study.attention, study.repeats)):
            # Where a count does not divide evenly, this rater's first questions have more.
            for number in range(count):
                share[questions[number % len(questions)]][kind] += 1
        for name in questions:
            pairs, attention, repeats = share[name]
            block = [self._pair(slot, name, seen, rng) for _ in range(pairs)]
            trials += _mixed(
                block, [self._attention(slot, name, rng) for _ in range(attention)], repeats, rng
            )
        trials.insert(0, replace(self._attention(slot, questions[0], rng), kind=TRAINING))
        return _numbered(trials, study.seed)

    def _pair(self, slot: int, question: str, seen: Counter[str], rng: np.random.Generator) -> Trial:
        study, counts = self.study, self.cells[question]
        open_to = np.array([seen[person] < study.most_of_one_person for person in study.identities])
        if not open_to.any():
            raise UserError(
                f"Found {study.pairs} pairs a rater and {len(study.identities)} people of whom a rater may "
                f"see {study.most_of_one_person} pairs each, expected fewer pairs; raise the bound or ask "
                "fewer."
            )
        # The least asked cell; of those the least asked method pair, then the least seen person, then chance.
        weight = counts * 1e6 + counts.sum(1, keepdims=True) * 1e3 / max(counts.shape[1], 1)
        weight = weight + np.array([seen[person] for person in study.identities]) * 1.0
        weight = np.where(open_to, weight + rng.random(counts.shape) * 0.5, np.inf)
        pair, person = np.unravel_index(int(np.argmin(weight)), weight.shape)
        first, second = self.pairs[pair]
        lean = self.first_left[question, int(pair), int(person)]
        whole = sum(self.first_left[question, int(pair), place] for place in range(len(study.identities)))
        swap = lean > 0 or (lean == 0 and (whole > 0 or (whole == 0 and rng.random() < 0.5)))
        left, right = (second, first) if swap else (first, second)
        identity = study.identities[person]
        trial = Trial(slot, 0, "", question, identity, self._expression(question, rng), left, right)
        seen[identity] += 1
        self._count(trial)
        return trial

    def _count(self, trial: Trial) -> None:
        first, second = sorted((trial.left, trial.right), key=self.study.methods.index)
        pair, person = self.pairs.index((first, second)), self.study.identities.index(trial.identity)
        self.cells[trial.question][pair, person] += 1
        self.first_left[trial.question, pair, person] += 1 if trial.left == first else -1
        self.shown[trial.question, trial.expression] += 1

    def _expression(self, question: str, rng: np.random.Generator) -> str:
        """The least shown of those that a question may show."""
        names = expressions_of(question, self.study.expressions)
        return min(names, key=lambda name: (self.shown[question, name], rng.random()))

    def _attention(self, slot: int, question: str, rng: np.random.Generator) -> Trial:
        """A pair with a right answer: an intact head beside a damaged one, or beside a stranger's."""
        study = self.study
        identity = study.identities[int(rng.integers(len(study.identities)))]
        names = expressions_of(question, study.expressions)
        expression = names[int(rng.integers(len(names)))]
        can_swap = bool(study.reference) and QUESTIONS[question].photos and len(study.identities) > 1
        stranger = can_swap and rng.random() < 0.5
        sides = (INTACT, STRANGER if stranger else DAMAGED)
        expected = "left" if rng.random() < 0.5 else "right"
        left, right = sides if expected == "left" else sides[::-1]
        return Trial(slot, 0, "", question, identity, expression, left, right, ATTENTION, expected)


def expressions_of(question: str, expressions: Sequence[str]) -> list[str]:
    """What a question may show: the neutral face, or all others where expressions are asked for."""
    others = [name for name in expressions if name != NEUTRAL]
    if QUESTIONS[question].expressive:
        return others or list(expressions)
    return [NEUTRAL] if NEUTRAL in expressions else list(expressions[:1])


def trials_table(trials: Iterable[Trial]) -> polars.DataFrame:
    """Trials as a table, a column an attribute."""
    import polars

    numbers = {"slot": polars.Int64, "position": polars.Int64}
    schema = {name: numbers.get(name, polars.String) for name in Trial.__dataclass_fields__}
    return polars.DataFrame([asdict(trial) for trial in trials], schema=schema)


def read_trials(path: Path) -> list[Trial]:
    """Trials from a table's file.

    Raises:
        UserError: no such table.
    """
    import polars

    try:
        return [Trial(**row) for row in polars.read_parquet(path).iter_rows(named=True)]
    except (OSError, TypeError, polars.exceptions.PolarsError):
        raise UserError(
            f"Found no plan of pairs in {path}, expected what study create wrote; make the study again."
        ) from None


def _mixed(block: list[Trial], attention: list[Trial], repeats: int, rng: np.random.Generator) -> list[Trial]:
    """A block in random order, attention pairs strewn in, some pairs shown again later with sides swapped."""
    order = [block[place] for place in rng.permutation(len(block))]
    for trial in attention:
        order.insert(int(rng.integers(len(order) + 1)), trial)
    # The earliest pairs leave the most room for coming again.
    again = [trial for trial in order if trial.kind == PAIR][: max(repeats, 0)]
    for trial in again:
        copy = replace(trial, left=trial.right, right=trial.left, kind=REPEAT, repeats=str(id(trial)))
        first = min(order.index(trial) + 1 + APART, len(order))
        order.insert(int(rng.integers(first, len(order) + 1)), copy)
    return order


def _numbered(trials: list[Trial], seed: int) -> list[Trial]:
    """Trials with their positions and names; repeats name the pair that they show again."""
    names = {id(trial): _name(seed, trial.slot, place) for place, trial in enumerate(trials)}
    return [
        replace(
            trial,
            position=place,
            pair=names[id(trial)],
            repeats=names[int(trial.repeats)] if trial.repeats else "",
        )
        for place, trial in enumerate(trials)
    ]


def _name(seed: int, slot: int, position: int) -> str:
    return hashlib.sha256(f"{seed}:{slot}:{position}".encode()).hexdigest()[:16]
