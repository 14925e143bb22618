"""The study as raters meet it: who they are, which pair is theirs now, and their vote, kept once for good.

Every promise is kept here, in one transaction each, whoever calls: the rater's app, the HTTP routes, a test.
A rater answers pairs in their order, each after it was shown, turned and looked at for as long as is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from idto3d.errors import UserError
from idto3d_eval.preference import links
from idto3d_eval.preference.database.connection import (
    connect,
    database_url,
    insert_once,
    reading,
    take_turns,
    writing,
)
from idto3d_eval.preference.database.tables import audit, raters, survey, trials, votes
from idto3d_eval.preference.study import PLAN, Study, read_secret, read_study
from idto3d_eval.preference.trials import PAIR, TRAINING, Trial, read_trials

LONGEST_TEXT = 2000  # characters of a survey's answer
LOOSE = 0.25  # s that a browser's and this machine's moments of showing may lie apart


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


# Chooses methods and side of a pair that is shown for the first time (adaptive scheduling).
Chooser = Callable[[sa.Connection, Trial], Trial]


@dataclass
class StudyService:
    """One study, open for raters.

    Args:
        study: what is asked.
        key: that links are signed with.
        engine: the database.
        choose: fills in the methods of a pair when it is first shown; None keeps the plan's.
        clock: seconds since 1970.
    """

    study: Study
    key: bytes
    engine: sa.Engine
    choose: Chooser | None = None
    clock: Callable[[], float] = time.time
    _slots: dict[str, int] = field(default_factory=dict)
    _plan: Path | None = None
    _plan_read: float = 0.0

    @classmethod
    def open(cls, folder: Path, url: str | None = None) -> StudyService:
        """The study of a folder, its plan in the database.

        Raises:
            UserError: a file of it is missing or damaged, or the database cannot be reached.
        """
        study, key = read_study(folder), read_secret(folder)
        service = cls(study, key, connect(database_url(folder, url)))
        service._plan = folder / PLAN
        if not service._recall_plan():
            service._refresh()
        if study.scheduling == "adaptive":
            from idto3d_eval.preference.adaptive import adaptive_chooser

            service.choose = adaptive_chooser(study)
        return service

    def load_plan(self, planned: list[Trial]) -> None:
        """Put trials into the database that are not in it yet."""
        with writing(self.engine) as connection:
            take_turns(connection)
            there = set(connection.execute(sa.select(trials.c.slot).distinct()).scalars())
            rows = [_row(trial) for trial in planned if trial.slot not in there]
            if rows:
                connection.execute(sa.insert(trials), rows)
        self._hold({trial.slot for trial in planned})

    def _recall_plan(self) -> bool:
        """Take the places from the database, where an earlier start put the plan; whether it holds any.

        The plan itself is read when someone comes who has none of these: a server that was killed answers
        again some tenths of a second earlier.
        """
        with reading(self.engine) as connection:
            self._hold(connection.execute(sa.select(trials.c.slot).distinct()).scalars())
        return bool(self._slots)

    def _hold(self, slots: Iterable[int]) -> None:
        self._slots = {links.rater_of_slot(self.key, slot): slot for slot in slots}

    def admit(self, token: str) -> Rater:
        """Who a link's token belongs to; a rater who comes for the first time is noted.

        Raises:
            Refused: the token is no one's, or its rater's answers were erased.
        """
        rater = links.rater_of_token(self.key, token)
        if rater is None:
            raise Refused("Found a link that this study did not give out; use the whole link as you got it.")
        with reading(self.engine) as connection:
            found = _rater(connection, rater)
        if found is None:
            if rater not in self._slots:
                self._refresh()
            if self.study.panel != "links" or rater not in self._slots:
                raise Refused("Found a link to a study that has no place for it; ask who sent it to you.")
            with writing(self.engine) as connection:
                self._note_arrival(connection, rater, self._slots[rater], None)
            return Rater(rater, self._slots[rater], consented=False, finished=False)
        if found.erased_at is not None:
            raise Refused(
                "Found a link whose answers have been erased as asked for; it is no longer valid.", 410
            )
        return Rater(rater, found.slot, found.consented_at is not None, found.finished_at is not None)

    def join(self, token: str, person: str) -> str:
        """The token of someone whom a panel sends: the same one whenever they come.

        Args:
            token: of the panel's link.
            person: the panel's id of them.

        Raises:
            Refused: no such link, no such id, or no place is left.
        """
        if self.study.panel == "links" or not links.may_join(self.key, token):
            raise Refused("Found a link that this study did not give out; use the whole link as you got it.")
        if not links.PANEL_NAME.fullmatch(person):
            raise Refused("Found no id of the panel in this link; come by the panel's page.", 400)
        rater = links.rater_of_panel(self.key, self.study.panel, person)
        self._refresh()
        kept = person if self.study.keep_panel_ids else None
        with writing(self.engine) as connection:
            taken = set(connection.execute(sa.select(raters.c.slot)).scalars())
            free = iter(sorted(set(self._slots.values()) - taken))
            # A place that someone else takes at the same moment is not free after all.
            while _rater(connection, rater) is None:
                slot = next(free, None)
                if slot is None:
                    raise Refused("Found all places of this study taken; thank you for coming.", 409)
                self._note_arrival(connection, rater, slot, kept)
        return links.token_of(self.key, rater)

    def consent(self, rater: Rater) -> None:
        """Note that a rater agreed to take part."""
        with writing(self.engine) as connection:
            done = connection.execute(
                sa.update(raters)
                .where(raters.c.rater == rater.rater, raters.c.consented_at.is_(None))
                .values(consented_at=self.clock())
            )
            if done.rowcount:
                self._audit(connection, rater.rater, "consented", "")

    def now(self, rater: Rater) -> Shown | None:
        """The pair that a rater is at, from now on shown; None when all are answered.

        Raises:
            Refused: the rater has not consented.
        """
        if not rater.consented:
            raise Refused("Found no consent of yours yet; agree first.")
        with reading(self.engine) as connection:
            found = self._open_trials(connection, rater)
            total = self._total(connection, rater)
        if not found:
            return None
        if found[0].shown_at is None:
            with writing(self.engine) as connection:
                self._show(connection, found[0].pair)
                found = self._open_trials(connection, rater)
        trial, follows = _trial(found[0]), _trial(found[1]) if len(found) > 1 else None
        return Shown(trial, trial.position, total, follows)  # training stands at 0

    def vote(self, rater: Rater, pair: str, question: str, answer: str, turned_deg: float) -> Receipt:
        """Keep a rater's answer: once, the first one for good.

        Args:
            rater: as admitted.
            pair: its name.
            question: that was asked.
            answer: one of the study's.
            turned_deg: how far the browser says that the heads were turned.

        Raises:
            Refused: not the rater's pair, not shown, too early, not turned, or no such answer.
        """
        if not rater.consented:
            raise Refused("Found no consent of yours yet; agree first.")
        if answer not in self.study.answers:
            raise Refused(
                f"Found no answer that can be given, expected {', '.join(self.study.answers)}.", 400
            )
        if not 0 <= turned_deg < 1e6:  # NaN as well
            raise Refused("Found no angle by which the heads were turned.", 400)
        if not links.NAME.fullmatch(pair) or question not in self.study.questions:
            raise Refused("Found a pair that is not yours; reload the page.", 404)
        now = self.clock()
        with writing(self.engine) as connection:
            # Votes on one pair take turns by its row, where the database does not let one write at a time.
            found = connection.execute(
                sa.select(trials).where(trials.c.pair == pair, trials.c.slot == rater.slot).with_for_update()
            ).one_or_none()
            if found is None or found.question != question:
                raise Refused("Found a pair that is not yours; reload the page.", 404)
            standing = self._standing(connection, rater, pair, question)
            if standing is not None:
                if standing != answer:
                    self._audit(connection, rater.rater, "again", f"{pair} {answer}, kept {standing}")
                return Receipt(standing, False, _right(found, standing))
            seconds = self._check_open(connection, rater, found, turned_deg, now)
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
            self._audit(connection, rater.rater, "voted", f"{pair} {answer}")
        return Receipt(answer, True, _right(found, answer))

    def finish(self, rater: Rater, answers: Mapping[str, str]) -> str:
        """Keep the survey's answers, and return the completion code; what is kept already stays.

        Raises:
            Refused: pairs are left, or an answer is none of the survey's.
        """
        items = {item.name: item for item in self.study.survey}
        for name, text in answers.items():
            if name not in items or len(text) > LONGEST_TEXT:
                raise Refused(
                    f"Found an answer of {len(text)} characters, expected {LONGEST_TEXT} at most.", 400
                )
            if items[name].options and text and text not in items[name].options:
                raise Refused("Found an answer that the survey does not offer; choose one of those.", 400)
        with writing(self.engine) as connection:
            if self._open_trials(connection, rater):
                raise Refused("Found pairs that are still to be answered; go on with those first.", 409)
            for name, text in answers.items():
                # What UTF-8 has no bytes for, and NUL, which PostgreSQL keeps in no text.
                text = text.encode("utf-8", "replace").decode().replace("\0", "")
                if text:
                    insert_once(connection, survey, rater=rater.rater, item=name, answer=text)
            done = connection.execute(
                sa.update(raters)
                .where(raters.c.rater == rater.rater, raters.c.finished_at.is_(None))
                .values(finished_at=self.clock())
            )
            if done.rowcount:
                self._audit(connection, rater.rater, "finished", "")
        return self.code(rater)

    def code(self, rater: Rater) -> str:
        """What a rater who has finished shows to be paid."""
        return links.completion_code(self.key, rater.rater)

    def erase(self, rater: str) -> int:
        """Erase a rater's answers and all that is known of them; their link is void from then on.

        Returns:
            How many votes were erased.

        Raises:
            UserError: nobody of that name came.
        """
        with writing(self.engine) as connection:
            if _rater(connection, rater) is None:
                raise UserError(
                    f"Found no rater '{rater}', expected one who came; study show lists their names."
                )
            erased = connection.execute(sa.delete(votes).where(votes.c.rater == rater)).rowcount
            for table in (survey, audit):
                connection.execute(sa.delete(table).where(table.c.rater == rater))
            connection.execute(
                sa.update(raters)
                .where(raters.c.rater == rater)
                .values(panel_id=None, slot=None, erased_at=self.clock())
            )
            self._audit(connection, rater, "erased", f"{erased} votes")
        return int(erased)

    def _refresh(self) -> None:
        """Read the plan again where raters have been added to it."""
        if self._plan is not None and (changed := self._plan.stat().st_mtime) != self._plan_read:
            self.load_plan(read_trials(self._plan))
            self._plan_read = changed

    def _note_arrival(self, connection: sa.Connection, rater: str, slot: int, panel_id: str | None) -> None:
        new = insert_once(connection, raters, rater=rater, slot=slot, panel_id=panel_id, came_at=self.clock())
        if new:
            self._audit(connection, rater, "came", "")

    def _show(self, connection: sa.Connection, pair: str) -> None:
        """Note that a pair is shown for the first time, and what it shows where that is chosen now."""
        found = connection.execute(sa.select(trials).where(trials.c.pair == pair).with_for_update()).one()
        if found.shown_at is not None:
            return
        changed: dict[str, Any] = {"shown_at": self.clock()}
        trial = _trial(found)
        if self.choose is not None and trial.kind == PAIR:
            chosen = self.choose(connection, trial)
            changed |= {"left": chosen.left, "right": chosen.right}
            connection.execute(
                sa.update(trials).where(trials.c.repeats == pair).values(left=chosen.right, right=chosen.left)
            )
        connection.execute(sa.update(trials).where(trials.c.pair == pair).values(changed))

    def _open_trials(self, connection: sa.Connection, rater: Rater) -> list[sa.Row[Any]]:
        """The first two trials without an answer."""
        unanswered = (
            sa.select(trials)
            .outerjoin(votes, sa.and_(votes.c.pair == trials.c.pair, votes.c.rater == rater.rater))
            .where(trials.c.slot == rater.slot, votes.c.pair.is_(None))
            .order_by(trials.c.position)
            .limit(2)
        )
        return list(connection.execute(unanswered))

    def _total(self, connection: sa.Connection, rater: Rater) -> int:
        """How many trials a rater has but for training."""
        count = sa.select(sa.func.count()).where(trials.c.slot == rater.slot, trials.c.kind != TRAINING)
        return int(connection.execute(count).scalar_one())

    def _check_open(
        self, connection: sa.Connection, rater: Rater, trial: sa.Row[Any], turned_deg: float, now: float
    ) -> float:
        """Seconds since a trial was shown, if it may be answered now."""
        first = self._open_trials(connection, rater)
        if trial.shown_at is None or not first or first[0].pair != trial.pair:
            raise Refused("Found a pair that has not been shown yet; reload the page.", 409)
        seconds = now - float(trial.shown_at)
        if seconds < self.study.least_seconds - LOOSE:
            raise Refused(
                f"Found an answer after {seconds:.1f} s, expected {self.study.least_seconds:g} s of looking "
                "at least; look a little longer.",
                425,
            )
        if turned_deg < self.study.turn_deg:
            raise Refused(
                f"Found heads turned by {turned_deg:.0f}°, expected {self.study.turn_deg:g}° at least; turn "
                "them first.",
                425,
            )
        return max(seconds, 0.0)

    def _standing(self, connection: sa.Connection, rater: Rater, pair: str, question: str) -> str | None:
        found = connection.execute(
            sa.select(votes.c.answer).where(
                votes.c.rater == rater.rater, votes.c.pair == pair, votes.c.question == question
            )
        )
        return found.scalar_one_or_none()

    def _audit(self, connection: sa.Connection, rater: str, what: str, detail: str) -> None:
        connection.execute(
            sa.insert(audit).values(at=self.clock(), rater=rater, what=what, detail=detail[:500])
        )


def _rater(connection: sa.Connection, rater: str) -> Any:
    return connection.execute(sa.select(raters).where(raters.c.rater == rater)).one_or_none()


def _right(trial: sa.Row[Any], answer: str) -> bool | None:
    return answer == trial.expected if trial.kind == TRAINING else None


def _trial(row: sa.Row[Any]) -> Trial:
    return Trial(**{name: getattr(row, name) for name in Trial.__dataclass_fields__})


def _row(trial: Trial) -> dict[str, Any]:
    return {name: getattr(trial, name) for name in Trial.__dataclass_fields__}
