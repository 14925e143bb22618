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
        cells, counted = _so_far(connection, trial, place, number)
        share = allocation(cells, rng)
        barred = _seen(connection, trial, place, number)
        left, right = next_pair(counted, share, rng, barred)
        return replace(trial, left=study.methods[left], right=study.methods[right])

    return choose


def _so_far(
    connection: sa.Connection, trial: Trial, place: dict[str, int], number: dict[tuple[int, int], int]
) -> tuple[Cells, Counted]:
    """All votes on a question's pairs by ordered pair and outcome, and how often each was shown.

    Both in one reading of the table, which is most of the time that a choice takes.
    """
    outcomes = (sa.func.sum(sa.case((votes.c.answer == answer, 1), else_=0)) for answer in OUTCOMES[:2])
    here = sa.func.sum(sa.case((trials.c.identity == trial.identity, 1), else_=0))
    asked = (
        sa.select(
            trials.c.left, trials.c.right, sa.func.count(), here, *outcomes, sa.func.count(votes.c.pair)
        )
        .outerjoin(votes, votes.c.pair == trials.c.pair)
        .where(trials.c.question == trial.question, trials.c.kind == PAIR, trials.c.shown_at.is_not(None))
        .group_by(trials.c.left, trials.c.right)
    )
    methods = len(place)
    counts = np.zeros((methods, methods, 3))
    by_side = np.zeros((len(number), 2), dtype=np.int64)
    of_identity = np.zeros_like(by_side)
    for left, right, shown, own, to_left, to_right, voted in connection.execute(asked).all():
        one, other = place[left], place[right]
        counts[one, other] = to_left, to_right, voted - to_left - to_right
        at, side = _pair_of(one, other, number)
        by_side[at, side] += shown
        of_identity[at, side] += own
    first, second = np.nonzero(counts.sum(2))
    cells = Cells(methods, first, second, counts[first, second][None])
    return cells, Counted(by_side.sum(1), of_identity, by_side[:, 0] - by_side[:, 1])


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
