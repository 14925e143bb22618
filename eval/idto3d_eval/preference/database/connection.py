"""Opens a study's database and brings its tables up to date.

SQLite runs in WAL mode with every commit synced, and a writer takes its turn before it reads; so processes
that are killed lose nothing that was acknowledged, and two that write at once wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from idto3d.errors import UserError
from idto3d_eval.preference.database.tables import REVISION
from idto3d_eval.preference.study import DATABASE

WAIT = 30  # s that a writer waits for its turn
MIGRATIONS = Path(__file__).with_name("migrations")
_MIGRATING = threading.Lock()  # alembic keeps its state in the module
_CHOOSING = threading.Lock()
_TURNS: WeakKeyDictionary[sa.Engine, threading.Lock] = WeakKeyDictionary()


def database_url(folder: Path, url: str | None) -> str:
    """The URL of a study's database: the given one, or SQLite in its folder."""
    return url or f"sqlite:///{(folder / DATABASE).resolve()}"


def connect(url: str) -> sa.Engine:
    """The database behind a URL, its tables up to date.

    Raises:
        UserError: it cannot be reached, its driver is missing, or it is newer than this version.
    """
    if url.startswith(("postgresql://", "postgres://")):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    shown = _without_password(url)
    try:
        engine = sa.create_engine(url, pool_size=8, max_overflow=24, pool_pre_ping=not _is_sqlite(url))
    except (sa.exc.ArgumentError, ImportError) as error:
        raise UserError(
            f"Found a database '{shown}' that cannot be opened ({_brief(error)}), expected sqlite:///FILE or "
            "postgresql://…; pip install 'idto3d-eval[study]' brings the drivers."
        ) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    try:
        _migrate(engine)
    except sa.exc.SQLAlchemyError as error:
        raise UserError(
            f"Found no database at '{shown}' ({_brief(error)}), expected one that can be written; start it "
            "or name another."
        ) from None
    return engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that only reads: it waits for no writer."""
    with engine.connect().execution_options(idto3d_reads=True) as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes, committed at its end.

    On SQLite the threads of this process queue for their turn here. SQLite itself lets those that wait look
    again every tenth of a second, so that with fifty raters the lock lay idle while some waited for seconds.
    """
    with _turn(engine), engine.begin() as connection:
        yield connection


def _turn(engine: sa.Engine) -> AbstractContextManager[Any]:
    if engine.dialect.name != "sqlite":
        return nullcontext()
    with _CHOOSING:
        return _TURNS.setdefault(engine, threading.Lock())


def insert_once(connection: sa.Connection, table: sa.Table, **values: Any) -> bool:
    """Insert a row unless one with its key is there; whether it was inserted."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    done = connection.execute(insert(table).values(**values).on_conflict_do_nothing())
    return bool(done.rowcount)


def take_turns(connection: sa.Connection) -> None:
    """Let servers that start at once change the tables one after the other; SQLite's writers do so anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("select pg_advisory_xact_lock(20240516)"))


def _is_current(engine: sa.Engine) -> bool:
    """Whether the tables are of this version: a server that starts again need not load alembic."""
    try:
        with reading(engine) as connection:
            found = connection.execute(sa.text("select version_num from alembic_version")).scalar()
    except sa.exc.DBAPIError:
        return False
    return bool(found == REVISION)


def _migrate(engine: sa.Engine) -> None:
    if _is_current(engine):
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with _MIGRATING, engine.begin() as connection:
        take_turns(connection)
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise UserError(
                f"Found a study's database of a version that this one does not know ({_brief(error)}), "
                "expected this version's or an older one's; use the version that made it."
            ) from None


def _set_up_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, before their first statement
    cursor = connection.cursor()
    for setting in (
        f"busy_timeout={WAIT * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get("idto3d_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def _without_password(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "(no URL)"


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
