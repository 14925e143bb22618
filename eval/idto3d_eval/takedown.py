"""Takedown by id: a person's photographs, and in every run all that was made from them or shows them.

What was computed over several people, them among them, is void and goes too: a run's score jobs, tables,
pictures and report, and archives of it. Heads of other people stay, unless that person's photos conditioned
them. What was copied elsewhere (an export, a page on a server) cannot be known here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from idto3d.errors import UserError
from idto3d_eval.added_identities import ID, identities_folder
from idto3d_eval.archive_file import ArchiveError, read_archive
from idto3d_eval.job_names import head_jobs, person_jobs, shape_jobs
from idto3d_eval.plan_scores import scored_rows
from idto3d_eval.results import EARLIER_SCORES, FILES
from idto3d_eval.run_folder import PEOPLE, PROTOCOL_FILE, SUMMARY, protocol_of
from idto3d_eval.store import Store
from idto3d_eval.table_files import FOLDER as TABLES
from idto3d_protocols.schema import Protocol

VOID = "void.json"
BESIDE = ("leaks.json", PEOPLE)  # further files of a run that name people
ARCHIVES = "*.zip"


@dataclass(frozen=True)
class Removed:
    """What one takedown removed.

    Attributes:
        photographs: whether the store held any.
        jobs: of runs, each `RUN/JOB`.
        void: results that were computed with that person too, as sentences.
    """

    identity: str
    photographs: bool
    jobs: tuple[str, ...]
    void: tuple[str, ...]


def take_down(identity: str, runs: Path) -> Removed:
    """Remove a person everywhere under the store and a folder of runs; a second call finds nothing.

    Args:
        identity: their id.
        runs: folder of runs, with archives anywhere in it.

    Raises:
        UserError: no such id anywhere, or a run that another process is at work on; what was removed before
            it stays removed, and the same command goes on.
    """
    if not ID.match(identity):
        raise UserError(f"Found the id {identity[:80]!r}, expected letters, digits, - and _.")
    jobs: list[str] = []
    void: list[str] = []
    for run in _runs_with(identity, runs):
        with Store(run).locked():
            removed = _clear_run(run, identity)
        jobs += [f"{run.name}/{job}" for job in removed]
        void.append(f"{run.name}: every row of its table, its report and its pictures")
    for archive in _archives_with(identity, runs):
        archive.unlink()
        void.append(f"{archive.relative_to(runs)}: the archive, which held their readings")
    own = identities_folder() / identity
    there = own.is_dir()
    if there:
        shutil.rmtree(own)
    if not there and not jobs and not void:
        raise UserError(
            f"Found nothing of {identity!r} in {identities_folder()} or {runs}, expected an id that was "
            "added or that a run names; see idto3d-eval identities ls."
        )
    return Removed(identity, there, tuple(jobs), tuple(void))


def _runs_with(identity: str, runs: Path) -> Iterator[Path]:
    for path in sorted(runs.glob(f"*/{PROTOCOL_FILE}")):
        try:
            protocol = protocol_of(Store(path.parent))
        except UserError:
            # A run of an older schema: its names are looked at as they stand.
            if identity in path.read_text(encoding="utf-8", errors="replace"):
                raise UserError(
                    f"Found a run at {path.parent} that names {identity!r} and cannot be read, expected one "
                    "of this version; remove that folder, and give the same command again."
                ) from None
            continue
        if identity in protocol.population.identities and _anything_left(path.parent, protocol, identity):
            yield path.parent


def _anything_left(run: Path, protocol: Protocol, identity: str) -> bool:
    return (run / SUMMARY).exists() or any(
        (run / job).exists() or (run / "index" / f"{job}.json").exists() for job in _jobs(protocol, identity)
    )


def _jobs(protocol: Protocol, identity: str) -> list[str]:
    """Jobs that hold something of a person, and those that were computed with them."""
    jobs, scored = person_jobs(protocol, identity), scored_rows(protocol)
    for row in protocol.methods:
        for name in protocol.population.identities:
            if identity in (name, protocol.conditioning_identity(row, name)):
                jobs += head_jobs(protocol, row, name)
                for label in (label for label, of in scored.items() if of is row):
                    jobs += shape_jobs(protocol, label, name)
    return [*jobs, *(f"scores/{label}" for label in scored)]


def _clear_run(run: Path, identity: str) -> list[str]:
    """Remove a person's jobs, and tables and pictures of all; says in the run's folder that it is void."""
    protocol = protocol_of(Store(run))
    removed = []
    for name in (*FILES, *BESIDE):
        (run / name).unlink(missing_ok=True)
    for earlier in run.glob(EARLIER_SCORES):
        earlier.unlink()
    shutil.rmtree(run / TABLES, ignore_errors=True)
    (run / "index" / f"{SUMMARY}.json").unlink(missing_ok=True)
    for job in _jobs(protocol, identity):
        (run / "logs" / f"{job}.log").unlink(missing_ok=True)
        record = run / "index" / f"{job}.json"
        if record.exists() or (run / job).exists():
            removed.append(job)
        record.unlink(missing_ok=True)
        shutil.rmtree(run / job, ignore_errors=True)
        if (run / job).exists():
            raise UserError(f"Found {run / job} still there, expected it gone; remove it by hand.")
        for place in (run, run / "index", run / "logs"):
            _remove_if_empty((place / job).parent, place)
    told = {"removed": identity, "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "jobs": removed}
    before = json.loads((run / VOID).read_text(encoding="utf-8")) if (run / VOID).is_file() else []
    Store(run).write(VOID, json.dumps([*before, told], indent=1) + "\n")
    return removed


def _remove_if_empty(folder: Path, up_to: Path) -> None:
    """Remove folders that nothing is left in, since they are named as the person."""
    while folder != up_to and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _archives_with(identity: str, runs: Path) -> Iterator[Path]:
    for path in sorted(runs.rglob(ARCHIVES)) if runs.is_dir() else ():
        try:
            if identity in read_archive(path).protocol.population.identities:
                yield path
        except ArchiveError:
            continue
