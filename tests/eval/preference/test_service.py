"""A study keeps every vote once and for good, and lets nobody answer who may not."""

from __future__ import annotations

import multiprocessing
import sqlite3
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from idto3d.errors import UserError
from idto3d_eval.preference.answers import answers_table, audit_trail, back_up, progress, survey_table
from idto3d_eval.preference.database.connection import MIGRATIONS, connect, database_url
from idto3d_eval.preference.database.tables import REVISION, metadata
from idto3d_eval.preference.links import join_token, rater_of_slot, token_of
from idto3d_eval.preference.raters import Refused
from idto3d_eval.preference.service import StudyService
from idto3d_eval.preference.study import DATABASE, read_study, write_study
from idto3d_eval.preference.trials import Planner, read_trials, trials_table
from tests.eval.preference.postgres import postgres, programs
from tests.eval.preference.studies import (
    agreed,
    answer_all,
    made_study,
    opened,
    shown,
    small_study,
    token,
)

STRANGE = "'; drop table votes; -- <script>alert(1)</script> ../../etc/passwd \x00 \u202e"
HALF = "half a character: \ud83d"


def test_a_rater_goes_through_the_whole_plan(tmp_path: Path) -> None:
    """Consent, practice, every pair once in order, the survey, and a code that stays the same."""
    service, clock = opened(tmp_path)
    rater = service.admit(token(service, 0))
    assert not rater.consented
    with pytest.raises(Refused, match="no consent"):
        service.now(rater)
    rater = agreed(service)
    first = shown(service, rater)
    assert (first.trial.kind, first.number, first.total) == ("training", 0, 9)
    with pytest.raises(Refused, match="still to be answered"):
        service.finish(rater, {})
    assert answer_all(service, rater, clock) == 10
    code = service.finish(rater, {"experience": "often", "remarks": STRANGE})
    assert service.admit(token(service, 0)).finished
    assert service.finish(rater, {"experience": "never"}) == code == service.code(rater)
    table = answers_table(service.engine)
    assert table["position"].to_list() == list(range(1, 10))
    assert set(table["kind"]) == {"pair", "attention", "repeat"}
    answers = dict(survey_table(service.engine).select("item", "answer").iter_rows())
    assert answers == {"experience": "often", "remarks": STRANGE.replace("\x00", "")}
    assert [row["votes"] for row in progress(service.engine)] == [9]


def test_the_first_answer_stands(tmp_path: Path) -> None:
    """A vote that comes again is told what stands, and changes nothing; another answer is noted."""
    service, clock = opened(tmp_path)
    rater = agreed(service)
    trial = shown(service, rater).trial
    clock.now += 5
    first = service.vote(rater, trial.pair, trial.question, "left", 90.0)
    again = service.vote(rater, trial.pair, trial.question, "left", 90.0)
    other = service.vote(rater, trial.pair, trial.question, "right", 90.0)
    assert (first.new, again.new, other.new) == (True, False, False)
    assert {first.answer, again.answer, other.answer} == {"left"}
    assert [row["what"] for row in audit_trail(service.engine)] == ["came", "consented", "voted", "again"]


def test_practice_tells_what_was_right_and_is_no_answer(tmp_path: Path) -> None:
    """Feedback for the practice pair alone."""
    service, clock = opened(tmp_path)
    rater = agreed(service)
    trial = shown(service, rater).trial
    clock.now += 5
    assert service.vote(rater, trial.pair, trial.question, trial.expected, 90.0).right is True
    trial = shown(service, rater).trial
    clock.now += 5
    assert service.vote(rater, trial.pair, trial.question, "tie", 90.0).right is None
    assert len(answers_table(service.engine)) == 1


@pytest.mark.parametrize(
    ("seconds", "turned", "said"), [(1.0, 90.0, "look a little longer"), (5.0, 20.0, "turn them first")]
)
def test_a_vote_before_looking_and_turning_is_refused(
    tmp_path: Path, seconds: float, turned: float, said: str
) -> None:
    """The study's own clock counts, and the refused vote can be given later."""
    service, clock = opened(tmp_path)
    rater = agreed(service)
    trial = shown(service, rater).trial
    clock.now += seconds
    with pytest.raises(Refused, match=said) as refused:
        service.vote(rater, trial.pair, trial.question, "left", turned)
    assert refused.value.status == 425
    clock.now += 5
    assert service.vote(rater, trial.pair, trial.question, "left", 90.0).new


def test_only_the_shown_pair_of_the_own_plan_can_be_answered(tmp_path: Path) -> None:
    """Another rater's pair, one further on, another question, no such pair or answer: each refused."""
    service, clock = opened(tmp_path)
    rater, other = agreed(service, 0), agreed(service, 1)
    mine, theirs = shown(service, rater), shown(service, other)
    clock.now += 5
    assert mine.next_trial is not None
    for pair, question in (
        (theirs.trial.pair, theirs.trial.question),
        (mine.next_trial.pair, mine.next_trial.question),
        (mine.trial.pair, "texture"),
        (STRANGE, mine.trial.question),
        (HALF, mine.trial.question),
        (mine.trial.pair, STRANGE),
    ):
        with pytest.raises(Refused):
            service.vote(rater, pair, question, "left", 90.0)
    for answer, turned in ((STRANGE, 90.0), ("LEFT", 90.0), ("left", float("nan")), ("left", -1.0)):
        with pytest.raises(Refused):
            service.vote(rater, mine.trial.pair, mine.trial.question, answer, turned)
    assert len(answers_table(service.engine)) == 0


def test_answers_that_a_study_does_not_allow_are_refused(tmp_path: Path) -> None:
    """No ties where the study has none."""
    service, clock = opened(tmp_path, small_study(ties=False, neither=False))
    rater = agreed(service)
    trial = shown(service, rater).trial
    clock.now += 5
    for answer in ("tie", "neither"):
        with pytest.raises(Refused, match="expected left, right"):
            service.vote(rater, trial.pair, trial.question, answer, 90.0)


def test_links_cannot_be_forged(tmp_path: Path) -> None:
    """A changed name, a changed signature, another study's link, no link: nobody comes."""
    service, _ = opened(tmp_path / "one")
    other, _ = opened(tmp_path / "other")
    good = token(service, 0)
    name, signature = good.split(".")
    forged = [
        "",
        STRANGE,
        name,
        f"{rater_of_slot(service.key, 1)}.{signature}",
        f"{name}.{signature[:-1]}{'0' if signature[-1] != '0' else '1'}",
        good.upper(),
        f" {good}",
        f"{good}\n",
        token(other, 0),
        token_of(service.key, rater_of_slot(service.key, 99)),
    ]
    for link in forged:
        with pytest.raises(Refused):
            service.admit(link)
    assert progress(service.engine) == []


def test_a_panel_brings_everyone_to_one_place(tmp_path: Path) -> None:
    """The same id is the same rater; ids are not kept unless the study says so; no place is given twice."""
    for kept in (False, True):
        folder = tmp_path / str(kept)
        service, _ = opened(folder, small_study(panel="prolific", keep_panel_ids=kept))
        link = join_token(service.key)
        first = service.join(link, "5f0000000000000000000001")
        assert service.join(link, "5f0000000000000000000001") == first
        others = {service.join(link, f"person-{number}") for number in range(3)}
        assert len({first, *others}) == 4
        with pytest.raises(Refused, match="all places"):
            service.join(link, "one-too-many")
        rows = progress(service.engine)
        assert sorted(row["slot"] for row in rows) == [0, 1, 2, 3]
        assert {row["panel_id"] is None for row in rows} == {not kept}
        dump = "\n".join(sqlite3.connect(folder / DATABASE).iterdump())
        assert ("5f0000000000000000000001" in dump) == kept
        for wrong in ("", STRANGE, "x" * 65):
            with pytest.raises(Refused):
                service.join(link, wrong)
        with pytest.raises(Refused):
            service.join(link[:-1], "someone")
        with pytest.raises(Refused):  # a place of a plan is no link of a panel's study
            service.admit(token(service, 3))


def test_erasing_a_rater_leaves_nothing_of_them(tmp_path: Path) -> None:
    """Votes, survey, panel's id and trail go; the link is void; others stay."""
    service, clock = opened(tmp_path)
    for slot in (0, 1):
        rater = agreed(service, slot)
        answer_all(service, rater, clock)
        service.finish(rater, {"remarks": f"I am rater {slot}{HALF[17:]}"})
    name = rater_of_slot(service.key, 0)
    assert service.erase(name) == 10
    with pytest.raises(Refused, match="erased") as refused:
        service.admit(token(service, 0))
    assert refused.value.status == 410
    assert set(answers_table(service.engine)["rater"]) == {rater_of_slot(service.key, 1)}
    assert survey_table(service.engine)["answer"].to_list() == ["I am rater 1 ?"]
    assert [row["what"] for row in audit_trail(service.engine, name)] == ["erased"]
    with pytest.raises(UserError, match="no rater"):
        service.erase("nobody")


def test_a_survey_takes_what_it_asks_for(tmp_path: Path) -> None:
    """Unknown items, options that are not offered and endless texts are refused, and nothing of them kept."""
    service, clock = opened(tmp_path)
    rater = agreed(service)
    answer_all(service, rater, clock)
    for answers in ({"other": "x"}, {"experience": STRANGE}, {"remarks": "x" * 2001}):
        with pytest.raises(Refused):
            service.finish(rater, answers)
    assert len(survey_table(service.engine)) == 0
    assert not service.admit(token(service, 0)).finished


def test_a_killed_server_goes_on_where_it_was(tmp_path: Path) -> None:
    """Another process on the same database sees the same pair, and the same time since it was shown."""
    service, clock = opened(tmp_path)
    rater = agreed(service)
    trial = shown(service, rater).trial
    service.engine.dispose()
    again, later = opened(tmp_path)
    later.now = clock.now + 5
    assert shown(again, agreed(again)).trial == trial
    assert again.vote(rater, trial.pair, trial.question, "left", 90.0).new


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The URL of an empty database of either kind; None for SQLite in the study's folder."""
    if request.param == "sqlite":
        yield None
        return
    if not programs():
        pytest.skip("no PostgreSQL on this machine: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="study-") as folder, postgres(Path(folder)) as url:
        yield url


def _at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each returns, a thread each, begun together."""
    together = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        together.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_two_that_vote_at_once_leave_one_vote(tmp_path: Path, database: str | None) -> None:
    """Twelve threads answer the same pair, each its own way: one answer stands, and all are told it."""
    service, clock = opened(tmp_path, url=database)
    rater = agreed(service)
    for _ in range(4):
        trial = shown(service, rater).trial
        clock.now += 5
        ways = [
            partial(service.vote, rater, trial.pair, trial.question, ("left", "right")[n % 2], 90.0)
            for n in range(12)
        ]
        receipts = _at_once(ways)
        assert Counter(receipt.new for receipt in receipts) == {True: 1, False: 11}
        assert len({receipt.answer for receipt in receipts}) == 1


def test_all_who_join_at_once_have_a_place_of_their_own(tmp_path: Path, database: str | None) -> None:
    """Four places, four people three times each: nobody is left without one, and none has two."""
    service, _ = opened(tmp_path, small_study(panel="prolific"), database)
    link = join_token(service.key)
    tokens = _at_once([partial(service.join, link, f"person-{number % 4}") for number in range(12)])
    assert len(set(tokens)) == 4
    assert sorted(service.admit(one).slot for one in set(tokens)) == [0, 1, 2, 3]


def _answer_all(folder: Path, slot: int) -> None:
    service, clock = opened(folder)
    answer_all(service, agreed(service, slot), clock)


def test_processes_share_one_database(tmp_path: Path) -> None:
    """Four processes, a rater each, at once: every vote is there once."""
    made_study(tmp_path, small_study())
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_answer_all, args=(tmp_path, slot)) for slot in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    service, _ = opened(tmp_path)
    table = answers_table(service.engine)
    assert len(table) == 36
    assert table["pair"].n_unique() == 36


def test_the_tables_revision_is_the_last_migrations() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_a_study_of_the_first_tables_is_carried_over_with_its_votes(tmp_path: Path) -> None:
    """By the migrations alone the tables become those that the code names, indexes included."""
    from alembic import command
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext

    service, _ = opened(tmp_path)
    _answer_all(tmp_path, 0)
    before = answers_table(service.engine)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with service.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    service.engine.dispose()
    again, _ = opened(tmp_path)
    assert answers_table(again.engine).equals(before)
    assert before.height > 0
    with again.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_server_that_starts_again_reads_neither_plan_nor_migrations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places come from the database; who was invited meanwhile makes it read the plan."""
    first, _ = opened(tmp_path)
    monkeypatch.setitem(sys.modules, "alembic", None)
    with monkeypatch.context() as kept:
        kept.setattr("idto3d_eval.preference.service.read_trials", pytest.fail)
        again = StudyService.open(tmp_path)
        assert {again.admit(token(first, slot)).slot for slot in range(4)} == {0, 1, 2, 3}


def test_two_servers_that_start_at_once_load_the_plan_once(tmp_path: Path) -> None:
    made_study(tmp_path, small_study())
    with ThreadPoolExecutor(4) as threads:
        services = list(threads.map(lambda _: StudyService.open(tmp_path), range(4)))
    counted = [len(service._slots) for service in services]
    assert counted == [4] * 4


def test_raters_that_are_invited_later_are_taken_up(tmp_path: Path) -> None:
    """A served study sees a plan that has grown."""
    service, _ = opened(tmp_path)
    late = token(service, 4)
    with pytest.raises(Refused):
        service.admit(late)
    planner, grown = Planner(service.study, read_trials(tmp_path / "plan.parquet")), small_study(raters=5)
    table = trials_table([*read_trials(tmp_path / "plan.parquet"), *planner.rater(4)])
    table.write_parquet(tmp_path / "new.parquet")
    (tmp_path / "new.parquet").replace(tmp_path / "plan.parquet")
    write_study(tmp_path, grown)
    assert service.admit(late).slot == 4


def test_a_backup_is_whole_while_votes_come_in(tmp_path: Path) -> None:
    """The copy opens as a study's database, and holds what was there when it was made."""
    service, clock = opened(tmp_path / "study")
    rater = agreed(service)
    answer_all(service, rater, clock)
    back_up(service.engine, tmp_path / "copy.db")
    copy = connect(f"sqlite:///{tmp_path / 'copy.db'}")
    assert answers_table(copy).equals(answers_table(service.engine))
    with pytest.raises(UserError, match="there already"):
        back_up(service.engine, tmp_path / "copy.db")


def test_what_is_missing_or_unknown_is_a_sentence(tmp_path: Path) -> None:
    """No study, no key, a study of another version, a database that cannot be opened, one from the future."""
    with pytest.raises(UserError, match="study create"):
        read_study(tmp_path)
    folder = made_study(tmp_path / "one", small_study())
    (folder / "secret").write_text("zz")
    with pytest.raises(UserError, match="no key"):
        StudyService.open(folder)
    folder = made_study(tmp_path / "two", small_study())
    text = (folder / "study.json").read_text()
    (folder / "study.json").write_text(text.replace('"schema_version": 1', '"schema_version": 9'))
    with pytest.raises(UserError, match="schema_version"):
        read_study(folder)
    for url in ("nonsense", "mysql://somewhere/x", f"sqlite:////{tmp_path}/no/such/folder/x.db"):
        with pytest.raises(UserError, match="database"):
            connect(url)
    service, _ = opened(tmp_path / "three")
    with service.engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    with pytest.raises(UserError, match="use the version that made it"):
        connect(database_url(tmp_path / "three", None))


def test_a_password_of_a_database_is_not_told() -> None:
    """Neither in the sentence of a database that is not there."""
    with pytest.raises(UserError) as told:
        connect("postgresql://me:s3cret-word@127.0.0.1:9/none")
    assert "s3cret-word" not in str(told.value)
