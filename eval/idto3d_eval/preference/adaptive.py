"""Fills in the methods of a pair when it is first shown, by what has been shown and answered until then.

All that it knows is in the database, and chance comes of the study's seed and the pair's name: a server that
was killed chooses as it would have. The choice is made within the transaction that notes the showing, so that
raters who answer at the same time see each other's pairs counted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from idto3d_eval.preference.answering import Chooser
from idto3d_eval.preference.database.tables import trials, votes
from idto3d_eval.preference.davidson import Cells
from idto3d_eval.preference.scheduling import Counted, allocation, method_pairs, next_pair
from idto3d_eval.preference.study import Study
from idto3d_eval.preference.trials import PAIR, Trial
from idto3d_eval.preference.votes import OUTCOMES

Ints = NDArray[np.int64]


def adaptive_chooser(study: Study) -> Chooser:
    """Chooses methods and side for a study; identity, question and expression stay as planned."""
    place = {name: number for number, name in enumerate(study.methods)}
    pairs = method_pairs(len(place))
    number = {(int(first), int(second)): at for at, (first, second) in enumerate(pairs)}

    def choose(connection: sa.Connection, trial: Trial) -> Trial:
        rng = np.random.default_rng([study.seed, int(trial.pair, 16)])
        share = allocation(_answered(connection, trial.question, place), rng)
        counted = _shown(connection, trial, place, number)
        barred = _seen(connection, trial, place, number)
        left, right = next_pair(counted, share, rng, barred)
        return replace(trial, left=study.methods[left], right=study.methods[right])

    return choose


def _answered(connection: sa.Connection, question: str, place: dict[str, int]) -> Cells:
    """All votes on a question's pairs, counted by ordered pair and outcome."""
    left, right = (sa.func.sum(sa.case((votes.c.answer == answer, 1), else_=0)) for answer in OUTCOMES[:2])
    asked = (
        sa.select(trials.c.left, trials.c.right, left, right, sa.func.count())
        .join(votes, votes.c.pair == trials.c.pair)
        .where(trials.c.question == question, trials.c.kind == PAIR)
        .group_by(trials.c.left, trials.c.right)
    )
    methods = len(place)
    counts = np.zeros((methods, methods, 3))
    for one, other, to_left, to_right, total in connection.execute(asked).all():
        counts[place[one], place[other]] = to_left, to_right, total - to_left - to_right
    first, second = np.nonzero(counts.sum(2))
    return Cells(methods, first, second, counts[first, second][None])


def _shown(
    connection: sa.Connection, trial: Trial, place: dict[str, int], number: dict[tuple[int, int], int]
) -> Counted:
    """How often each pair was shown for a question, answered or not."""
    here = sa.func.sum(sa.case((trials.c.identity == trial.identity, 1), else_=0))
    found = connection.execute(
        sa.select(trials.c.left, trials.c.right, sa.func.count(), here)
        .where(trials.c.question == trial.question, trials.c.kind == PAIR, trials.c.shown_at.is_not(None))
        .group_by(trials.c.left, trials.c.right)
    )
    by_side = np.zeros((len(number), 2), dtype=np.int64)
    of_identity = np.zeros_like(by_side)
    for left, right, count, own in found.all():
        at, side = _pair_of(place[left], place[right], number)
        by_side[at, side] += count
        of_identity[at, side] += own
    return Counted(by_side.sum(1), of_identity, by_side[:, 0] - by_side[:, 1])


def _seen(
    connection: sa.Connection, trial: Trial, place: dict[str, int], number: dict[tuple[int, int], int]
) -> Ints:
    """Pairs that this rater has been shown of the same head."""
    found = connection.execute(
        sa.select(trials.c.left, trials.c.right).where(
            trials.c.slot == trial.slot,
            trials.c.question == trial.question,
            trials.c.identity == trial.identity,
            trials.c.expression == trial.expression,
            trials.c.kind == PAIR,
            trials.c.shown_at.is_not(None),
        )
    )
    seen = {_pair_of(place[left], place[right], number)[0] for left, right in found}
    return np.array(sorted(seen), dtype=np.int64)


def _pair_of(left: int, right: int, number: dict[tuple[int, int], int]) -> tuple[int, int]:
    """A pair's place, and 1 where its second method stood left."""
    return number[min(left, right), max(left, right)], int(left > right)
