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
from idto3d_eval.preference.answering import (
    Chooser,
    check_answer,
    check_consent,
    go_on,
    keep_answer,
    note,
    open_trials,
    shown_to,
)
from idto3d_eval.preference.database.connection import (
    connect,
    database_url,
    insert_once,
    reading,
    take_turns,
    writing,
)
from idto3d_eval.preference.database.tables import audit, raters, survey, trials, votes
from idto3d_eval.preference.raters import Rater, Receipt, Refused, Shown
from idto3d_eval.preference.study import PLAN, Study, read_secret, read_study
from idto3d_eval.preference.trials import Trial, read_trials

LONGEST_TEXT = 2000  # characters of a survey's answer


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
                note(connection, rater.rater, "consented", "", self.clock())

    def now(self, rater: Rater) -> Shown | None:
        """The pair that a rater is at, from now on shown; None when all are answered.

        Raises:
            Refused: the rater has not consented.
        """
        check_consent(rater)
        with reading(self.engine) as connection:
            shown, new = shown_to(connection, rater)
        if new:
            with writing(self.engine) as connection:
                shown = go_on(connection, rater, self.choose, self.clock())
        return shown

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
        check_answer(self.study, rater, pair, question, answer, turned_deg)
        with writing(self.engine) as connection:
            return keep_answer(
                connection, self.study, rater, pair, question, answer, turned_deg, self.clock()
            )

    def vote_and_go_on(
        self, rater: Rater, pair: str, question: str, answer: str, turned_deg: float
    ) -> tuple[Receipt, Shown | None]:
        """`vote`, then `now`, in one transaction: the disk is waited for once.

        Args, Raises: as of `vote`.
        """
        check_answer(self.study, rater, pair, question, answer, turned_deg)
        with writing(self.engine) as connection:
            receipt = keep_answer(
                connection, self.study, rater, pair, question, answer, turned_deg, self.clock()
            )
            return receipt, go_on(connection, rater, self.choose, self.clock())

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
            if open_trials(connection, rater):
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
                note(connection, rater.rater, "finished", "", self.clock())
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
            note(connection, rater, "erased", f"{erased} votes", self.clock())
        return int(erased)

    def _refresh(self) -> None:
        """Read the plan again where raters have been added to it."""
        if self._plan is not None and (changed := self._plan.stat().st_mtime) != self._plan_read:
            self.load_plan(read_trials(self._plan))
            self._plan_read = changed

    def _note_arrival(self, connection: sa.Connection, rater: str, slot: int, panel_id: str | None) -> None:
        new = insert_once(connection, raters, rater=rater, slot=slot, panel_id=panel_id, came_at=self.clock())
        if new:
            note(connection, rater, "came", "", self.clock())


def _rater(connection: sa.Connection, rater: str) -> Any:
    return connection.execute(sa.select(raters).where(raters.c.rater == rater)).one_or_none()


def _row(trial: Trial) -> dict[str, Any]:
    return {name: getattr(trial, name) for name in Trial.__dataclass_fields__}
