"""The first tables of a study."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "raters",
        sa.Column("rater", sa.String(16), primary_key=True),
        sa.Column("slot", sa.Integer, unique=True),
        sa.Column("panel_id", sa.String(64)),
        sa.Column("came_at", sa.Float, nullable=False),
        sa.Column("consented_at", sa.Float),
        sa.Column("finished_at", sa.Float),
        sa.Column("erased_at", sa.Float),
    )
    op.create_table(
        "trials",
        sa.Column("pair", sa.String(16), primary_key=True),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("question", sa.String(32), nullable=False),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("expression", sa.String(64), nullable=False),
        sa.Column("left", sa.String(64), nullable=False),
        sa.Column("right", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("expected", sa.String(8), nullable=False),
        sa.Column("repeats", sa.String(16), nullable=False),
        sa.Column("shown_at", sa.Float),
        sa.UniqueConstraint("slot", "position"),
    )
    op.create_table(
        "votes",
        sa.Column("rater", sa.String(16), sa.ForeignKey("raters.rater"), primary_key=True),
        sa.Column("pair", sa.String(16), sa.ForeignKey("trials.pair"), primary_key=True),
        sa.Column("question", sa.String(32), primary_key=True),
        sa.Column("answer", sa.String(8), nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("turned_deg", sa.Float, nullable=False),
        sa.Column("voted_at", sa.Float, nullable=False),
    )
    op.create_table(
        "survey",
        sa.Column("rater", sa.String(16), sa.ForeignKey("raters.rater"), primary_key=True),
        sa.Column("item", sa.String(32), primary_key=True),
        sa.Column("answer", sa.Text, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("rater", sa.String(16), nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("audit_by_rater", "audit", ["rater"])


def downgrade() -> None:
    """Nothing older exists."""
    raise NotImplementedError("there is no version before the first")
