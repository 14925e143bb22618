"""A study's votes out of its database: as a table for the analysis, as numbers for whoever runs it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from idto3d.errors import UserError
from idto3d_eval.preference.database.connection import reading
from idto3d_eval.preference.database.tables import audit, raters, survey, trials, votes
from idto3d_eval.preference.trials import TRAINING

if TYPE_CHECKING:
    import polars

TEXT = (
    "rater",
    "pair",
    "question",
    "kind",
    "identity",
    "expression",
    "left",
    "right",
    "answer",
    "expected",
    "repeats",
)
NUMBERS = ("position", "seconds", "turned_deg", "voted_at")


def answers_table(engine: sa.Engine) -> polars.DataFrame:
    """All votes but those of training, by rater and position: a column each of `TEXT` and `NUMBERS`."""
    import polars

    columns = [votes.c[name] if name in votes.c else trials.c[name] for name in (*TEXT, *NUMBERS)]
    asked = (
        sa.select(*columns)
        .join(trials, trials.c.pair == votes.c.pair)
        .where(trials.c.kind != TRAINING)
        .order_by(votes.c.rater, trials.c.position)
    )
    with reading(engine) as connection:
        rows = [dict(row._mapping) for row in connection.execute(asked)]
    schema: dict[str, Any] = dict.fromkeys(TEXT, polars.String)
    schema |= {"position": polars.Int64} | dict.fromkeys(NUMBERS[1:], polars.Float64)
    return polars.DataFrame(rows, schema=schema)


def survey_table(engine: sa.Engine) -> polars.DataFrame:
    """Answers of the survey: rater, item, answer."""
    import polars

    with reading(engine) as connection:
        asked = sa.select(survey).order_by(survey.c.rater, survey.c.item)
        rows = [dict(row._mapping) for row in connection.execute(asked)]
    return polars.DataFrame(rows, schema=dict.fromkeys(("rater", "item", "answer"), polars.String))


def progress(engine: sa.Engine) -> list[dict[str, Any]]:
    """A row a rater who came: name, slot, panel_id, came_at, consented_at, finished_at, erased_at, votes."""
    counted = (
        sa.select(votes.c.rater, sa.func.count().label("votes"))
        .join(trials, trials.c.pair == votes.c.pair)
        .where(trials.c.kind != TRAINING)
        .group_by(votes.c.rater)
        .subquery()
    )
    asked = (
        sa.select(raters, sa.func.coalesce(counted.c.votes, 0).label("votes"))
        .outerjoin(counted, counted.c.rater == raters.c.rater)
        .order_by(raters.c.came_at)
    )
    with reading(engine) as connection:
        return [dict(row._mapping) for row in connection.execute(asked)]


def state_of(row: Mapping[str, Any]) -> str:
    """How far a rater of `progress` is: erased, finished, consented or came."""
    steps = ("erased", "finished", "consented", "came")
    return next(name for name in steps if row[f"{name}_at"] is not None)


def audit_trail(engine: sa.Engine, rater: str | None = None) -> list[dict[str, Any]]:
    """What happened, in order: number, at, rater, what, detail."""
    asked = sa.select(audit).order_by(audit.c.number)
    if rater is not None:
        asked = asked.where(audit.c.rater == rater)
    with reading(engine) as connection:
        return [dict(row._mapping) for row in connection.execute(asked)]


def back_up(engine: sa.Engine, path: Path) -> None:
    """Copy an SQLite database while it is written to; the copy is one moment's, and whole.

    Raises:
        UserError: it is no SQLite database, whose own tools make copies, or the file is there.
    """
    if engine.dialect.name != "sqlite":
        raise UserError(
            f"Found a {engine.dialect.name} database, expected SQLite to copy; pg_dump copies PostgreSQL "
            "while it runs."
        )
    if path.exists():
        raise UserError(f"Found {path} there already, expected a new file; name another.")
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    source, target = engine.raw_connection(), sqlite3.connect(partial)
    try:
        source.driver_connection.backup(target)  # type: ignore[union-attr]
    finally:
        target.close()
        source.close()
    partial.replace(path)
