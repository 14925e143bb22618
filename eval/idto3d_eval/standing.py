"""What of finished work does not stand: artefacts whose files were not kept, or are not those indexed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console

from idto3d_eval.plan import Plan
from idto3d_eval.store import Record, Store


def lacking_files(plan: Plan, known: Mapping[str, Record]) -> set[str]:
    """The known jobs that must be done again, since a job that is not known needs files that were not kept.

    A row's score needs all its heads and readings, and those their views, so that a row taken from an archive
    stands as a whole or is made again as a whole.
    """
    again: set[str] = set()
    for job in reversed(plan.jobs):
        if job.name not in known or job.name in again:
            again |= {need for need in job.needs if need in known and known[need].fileless}
    return again


class Intact:
    """Which artefacts of a run are whole. Each is looked at once: what this process wrote, or found whole, is
    taken to be so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._digests: dict[str, str] = {}  # job -> what its files were found to be

    def wrote(self, record: Record) -> None:
        """An artefact was written now."""
        self._digests[record.job] = record.digest

    def damaged(self, records: Iterable[Record]) -> list[str]:
        """Of finished jobs with files of their own, those whose files are not what was indexed."""
        asked = {
            record.job: record.digest
            for record in records
            if record.done and not record.fileless and self._digests.get(record.job) != record.digest
        }
        found = self._store.broken(asked) if asked else []
        self._digests |= {job: digest for job, digest in asked.items() if job not in found}
        return found


def damage_told(job: str) -> str:
    """The sentence for a damaged artefact."""
    return f"Found files of {job} that are not those that were indexed; it is made again."


def forget_damaged(plan: Plan, store: Store, console: Console) -> tuple[str, ...]:
    """Hashes every finished artefact of a plan, and makes those that are damaged ones that never finished.

    Returns:
        Their names, in the plan's order.
    """
    found = [record for job in plan.jobs if (record := store.record(job.name)) is not None]
    damaged = Intact(store).damaged(found)
    for job in damaged:
        console.print(damage_told(job), highlight=False, soft_wrap=True)
        store.forget(job)
    told = f"{len(damaged)} damaged" if damaged else "all whole"
    console.print(f"Artefacts hashed: {told}.", highlight=False)
    return tuple(damaged)
