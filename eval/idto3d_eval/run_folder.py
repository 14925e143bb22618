"""Whose run a folder is: the protocol that it was begun with, and what became of its jobs."""

from __future__ import annotations

from collections.abc import Iterable

from idto3d.errors import UserError
from idto3d_eval.store import Record, Store
from idto3d_protocols.schema import Protocol

PROTOCOL_FILE = "protocol.json"
SUMMARY, SCORES, COSTS = "summary.json", "scores.parquet", "costs.parquet"
PEOPLE = "people.json"  # which groups synthetic people belong to
BY_IDENTITY = "by_identity.parquet"  # one mean an identity of every method and metric
SUMMARY_SCHEMA = 2
AS_PHOTOS = "_as_photos"


def protocol_of(store: Store) -> Protocol:
    """The protocol of a run.

    Raises:
        UserError: the folder holds no run.
    """
    try:
        return Protocol.model_validate_json((store.root / PROTOCOL_FILE).read_bytes(), strict=True)
    except (OSError, ValueError):
        raise UserError(
            f"Found no run at {store.root}, expected its {PROTOCOL_FILE}; run its protocol first."
        ) from None


def records_of(store: Store, jobs: Iterable[str]) -> dict[str, Record]:
    """The records of some jobs; one that never finished counts as failed."""
    return {job: store.record(job) or Record(job, "", "failed", "", "not made yet") for job in jobs}
