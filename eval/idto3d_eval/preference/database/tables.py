"""The tables of a study's database. A change here asks for a migration (`migrations/versions`)."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
REVISION = "0002"  # of the migration that leaves the tables as they stand here

# Times are seconds since 1970, UTC.
raters = Table(
    "raters",
    metadata,
    Column("rater", String(16), primary_key=True),
    Column("slot", Integer, unique=True, comment="place in the plan; null once erased"),
    Column("panel_id", String(64), comment="of those who pay; kept where the study says so"),
    Column("came_at", Float, nullable=False),
    Column("consented_at", Float),
    Column("finished_at", Float),
    Column("erased_at", Float),
)

trials = Table(
    "trials",
    metadata,
    Column("pair", String(16), primary_key=True),
    Column("slot", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("question", String(32), nullable=False),
    Column("identity", String(64), nullable=False),
    Column("expression", String(64), nullable=False),
    Column("left", String(64), nullable=False),
    Column("right", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("expected", String(8), nullable=False),
    Column("repeats", String(16), nullable=False),
    Column("shown_at", Float, comment="first shown; null until then"),
    UniqueConstraint("slot", "position"),
    # What an adaptive choice counts, in the order in which it groups.
    Index("trials_counted", "question", "kind", "left", "right", "shown_at", "identity", "pair"),
)

votes = Table(
    "votes",
    metadata,
    Column("rater", String(16), ForeignKey("raters.rater"), primary_key=True),
    Column("pair", String(16), ForeignKey("trials.pair"), primary_key=True),
    Column("question", String(32), primary_key=True),
    Column("answer", String(8), nullable=False),
    Column("seconds", Float, nullable=False, comment="from first shown to here, by this machine's clock"),
    Column("turned_deg", Float, nullable=False, comment="as the browser told"),
    Column("voted_at", Float, nullable=False),
    Index("votes_by_pair", "pair", "answer"),
)

survey = Table(
    "survey",
    metadata,
    Column("rater", String(16), ForeignKey("raters.rater"), primary_key=True),
    Column("item", String(32), primary_key=True),
    Column("answer", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("rater", String(16), nullable=False),
    Column("what", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Index("audit_by_rater", "rater"),
)
