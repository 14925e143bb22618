"""What happens to a pair in one transaction: it is shown, answered once, and the next one follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from idto3d_eval.preference import links
from idto3d_eval.preference.database.tables import audit, trials, votes
from idto3d_eval.preference.raters import Rater, Receipt, Refused, Shown
from idto3d_eval.preference.study import Study
from idto3d_eval.preference.trials import PAIR, TRAINING, Trial

LOOSE = 0.25  # s that a browser's and this machine's moments of showing may lie apart

# Chooses methods and side of a pair that is shown for the first time (adaptive scheduling).
Chooser = Callable[[sa.Connection, Trial], Trial]


def check_consent(rater: Rater) -> None:
    """Raises `Refused` for a rater who has not agreed to take part."""
    if not rater.consented:
        raise Refused("Found no consent of yours yet; agree first.")


def check_answer(
    study: Study, rater: Rater, pair: str, question: str, answer: str, turned_deg: float
) -> None:
    """What can be told of an answer without the database.

    Raises:
        Refused: no consent, no such answer or question, no name of a pair, no angle.
    """
    check_consent(rater)
    if answer not in study.answers:
        raise Refused(f"Found no answer that can be given, expected {', '.join(study.answers)}.", 400)
    if not 0 <= turned_deg < 1e6:  # NaN as well
        raise Refused("Found no angle by which the heads were turned.", 400)
    if not links.NAME.fullmatch(pair) or question not in study.questions:
        raise Refused("Found a pair that is not yours; reload the page.", 404)


def keep_answer(
    connection: sa.Connection,
    study: Study,
    rater: Rater,
    pair: str,
    question: str,
    answer: str,
    turned_deg: float,
    now: float,
) -> Receipt:
    """Keep a checked answer: once, the first one for good.

    Args:
        connection: in a transaction that writes.
        study, rater, pair, question, answer, turned_deg: as of `StudyService.vote`.
        now: seconds since 1970.

    Raises:
        Refused: not the rater's pair, not shown, too early, or not turned.
    """
    # Votes on one pair take turns by its row, where the database does not let one write at a time.
    found = connection.execute(
        sa.select(trials).where(trials.c.pair == pair, trials.c.slot == rater.slot).with_for_update()
    ).one_or_none()
    if found is None or found.question != question:
        raise Refused("Found a pair that is not yours; reload the page.", 404)
    standing = _standing(connection, rater, pair, question)
    if standing is not None:
        if standing != answer:
            note(connection, rater.rater, "again", f"{pair} {answer}, kept {standing}", now)
        return Receipt(standing, False, _right(found, standing))
    seconds = _check_open(connection, study, rater, found, turned_deg, now)
    connection.execute(
        sa.insert(votes).values(
            rater=rater.rater,
            pair=pair,
            question=question,
            answer=answer,
            seconds=seconds,
            turned_deg=turned_deg,
            voted_at=now,
        )
    )
    note(connection, rater.rater, "voted", f"{pair} {answer}", now)
    return Receipt(answer, True, _right(found, answer))


def shown_to(connection: sa.Connection, rater: Rater) -> tuple[Shown | None, bool]:
    """The pair that a rater is at, and whether it was not shown before; None when all are answered."""
    found = open_trials(connection, rater)
    if not found:
        return None, False
    trial, follows = _trial(found[0]), _trial(found[1]) if len(found) > 1 else None
    # Training stands at 0 and is not counted.
    return Shown(trial, trial.position, _total(connection, rater), follows), found[0].shown_at is None


def go_on(connection: sa.Connection, rater: Rater, choose: Chooser | None, now: float) -> Shown | None:
    """The pair that a rater is at, from now on shown.

    Args:
        connection: in a transaction that writes.
        rater: whose.
        choose: fills in the methods of a pair that is first shown; None keeps the plan's.
        now: seconds since 1970.
    """
    shown, new = shown_to(connection, rater)
    if shown is not None and new:
        _show(connection, shown.trial.pair, choose, now)
        if choose is not None:  # it is of other methods now, and so may be what follows
            shown, _ = shown_to(connection, rater)
    return shown


def open_trials(connection: sa.Connection, rater: Rater) -> list[sa.Row[Any]]:
    """The first two trials without an answer."""
    unanswered = (
        sa.select(trials)
        .outerjoin(votes, sa.and_(votes.c.pair == trials.c.pair, votes.c.rater == rater.rater))
        .where(trials.c.slot == rater.slot, votes.c.pair.is_(None))
        .order_by(trials.c.position)
        .limit(2)
    )
    return list(connection.execute(unanswered))


def note(connection: sa.Connection, rater: str, what: str, detail: str, now: float) -> None:
    """Put a line into the audit trail."""
    connection.execute(sa.insert(audit).values(at=now, rater=rater, what=what, detail=detail[:500]))


def _show(connection: sa.Connection, pair: str, choose: Chooser | None, now: float) -> None:
    """Note that a pair is shown for the first time, and what it shows where that is chosen now."""
    found = connection.execute(sa.select(trials).where(trials.c.pair == pair).with_for_update()).one()
    if found.shown_at is not None:
        return
    changed: dict[str, Any] = {"shown_at": now}
    trial = _trial(found)
    if choose is not None and trial.kind == PAIR:
        chosen = choose(connection, trial)
        changed |= {"left": chosen.left, "right": chosen.right}
        connection.execute(
            sa.update(trials).where(trials.c.repeats == pair).values(left=chosen.right, right=chosen.left)
        )
    connection.execute(sa.update(trials).where(trials.c.pair == pair).values(changed))


def _total(connection: sa.Connection, rater: Rater) -> int:
    """How many trials a rater has but for training."""
    count = sa.select(sa.func.count()).where(trials.c.slot == rater.slot, trials.c.kind != TRAINING)
    return int(connection.execute(count).scalar_one())


def _check_open(
    connection: sa.Connection, study: Study, rater: Rater, trial: sa.Row[Any], turned_deg: float, now: float
) -> float:
    """Seconds since a trial was shown, if it may be answered now."""
    first = open_trials(connection, rater)
    if trial.shown_at is None or not first or first[0].pair != trial.pair:
        raise Refused("Found a pair that has not been shown yet; reload the page.", 409)
    seconds = now - float(trial.shown_at)
    if seconds < study.least_seconds - LOOSE:
        raise Refused(
            f"Found an answer after {seconds:.1f} s, expected {study.least_seconds:g} s of looking "
            "at least; look a little longer.",
            425,
        )
    if turned_deg < study.turn_deg:
        raise Refused(
            f"Found heads turned by {turned_deg:.0f}°, expected {study.turn_deg:g}° at least; turn "
            "them first.",
            425,
        )
    return max(seconds, 0.0)


def _standing(connection: sa.Connection, rater: Rater, pair: str, question: str) -> str | None:
    found = connection.execute(
        sa.select(votes.c.answer).where(
            votes.c.rater == rater.rater, votes.c.pair == pair, votes.c.question == question
        )
    )
    return found.scalar_one_or_none()


def _right(trial: sa.Row[Any], answer: str) -> bool | None:
    return answer == trial.expected if trial.kind == TRAINING else None


def _trial(row: sa.Row[Any]) -> Trial:
    return Trial(**{name: getattr(row, name) for name in Trial.__dataclass_fields__})
