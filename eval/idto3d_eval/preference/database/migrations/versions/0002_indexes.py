"""What an adaptive choice counts is read from indexes: a question's pairs in order, and a pair's votes."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COUNTED = ["question", "kind", "left", "right", "shown_at", "identity", "pair"]


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("trials_counted", "trials", COUNTED)
    op.create_index("votes_by_pair", "votes", ["pair", "answer"])


def downgrade() -> None:
    """Without them it is only slower."""
    op.drop_index("votes_by_pair", "votes")
    op.drop_index("trials_counted", "trials")
