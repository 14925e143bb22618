"""A run's folder: finished artefacts, one index record a job, and writes that survive a kill at any byte.

An artefact is written into `.partial/`, fsynced, renamed into place, and only then indexed. A job counts as
finished when its record carries the key of today's inputs and its files are there; anything else is redone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from idto3d.errors import UserError
from idto3d_eval.disk import full_disk_is_told, sync_folder, sync_tree, write_atomically
from idto3d_eval.keys import folder_digest

READ_AT_ONCE = 1 << 16  # bytes; a record is a small part of it


class Damaged(UserError):
    """Files of finished jobs that are not those that were indexed."""

    def __init__(self, jobs: Sequence[str]) -> None:
        self.jobs = tuple(jobs)
        others = f" and of {len(self.jobs) - 1} more jobs" if len(self.jobs) > 1 else ""
        super().__init__(
            f"Found files of {self.jobs[0]}{others} that are not those that were indexed, expected them as "
            "the run wrote them; give its `run` command again with --check, which makes them anew."
        )


@dataclass(frozen=True)
class Record:
    """What the index remembers of one job."""

    job: str
    key: str
    status: str  # "done" or "failed"
    digest: str  # of the artefact's files; for a failed job, of its reason
    reason: str = ""
    retry: bool = False  # a failure of the machine rather than of the method: the next run tries again
    seconds: float = 0.0
    peak_memory_mib: float = 0.0
    guidance_calls: int = 0
    threads: int = 0
    device: str = ""  # what it ran on
    device_memory_mib: float = 0.0  # of a GPU
    energy_joules: float | None = None  # of the whole package or card; None where no counter tells
    energy_note: str = ""  # which counters, or why there is none
    facts: dict[str, Any] = field(default_factory=dict)  # what else the stage reported
    archived: str = ""  # sha256 of the archive that it was taken from; "" for what this folder made
    fileless: bool = False  # its files were not kept as they were: it stands by its digest

    @property
    def done(self) -> bool:
        """Whether the artefact is there to be used."""
        return self.status == "done"


_FIELDS = frozenset(member.name for member in fields(Record))


class Store:
    """The folder of one run. Only the process that holds `locked()` writes through it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._place_text = str(root)
        self._partial = root / ".partial"

    def artefact(self, job: str) -> Path:
        """Where a finished job's files lie."""
        return self._files(job)

    def log(self, job: str) -> Path:
        """Where a job's output and its traceback lie."""
        return self.root / "logs" / f"{job}.log"

    def record(self, job: str) -> Record | None:
        """What is known of a job; None when it never finished, or its record cannot be read."""
        # Plain strings and descriptors: of a hundred thousand jobs, paths and files as objects took longer
        # than reading them.
        try:
            found = _record_of(json.loads(_text_of(f"{self._place_text}/index/{job}.json")))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        if found.done and not found.fileless and not os.path.exists(f"{self._place_text}/{job}"):  # noqa: PTH110
            return None
        return found

    def current(self, job: str, key: str) -> Record | None:
        """The record of a job when it is finished for exactly this key, else None."""
        found = self.record(job)
        return found if found is not None and found.key == key and not found.retry else None

    def partial(self) -> Path:
        """A new empty folder on the same disk, to write an artefact into before `commit`.

        Raises:
            DiskFull: when there is no room for it.
        """
        folder = self._partial / uuid.uuid4().hex
        with full_disk_is_told(self.root):
            folder.mkdir(parents=True)
        return folder

    def commit(self, partial: Path, record: Record) -> Record:
        """Puts a written artefact in its place and indexes it; a kill in between leaves it unfinished.

        Args:
            partial: the folder from `partial()`, with the artefact's files.
            record: all but the digest, which is computed here.

        Raises:
            DiskFull: when there is no room; nothing finished before is touched.
        """
        with full_disk_is_told(self.root):
            sync_tree(partial)
            complete = Record(**{**asdict(record), "digest": folder_digest(partial)})
            self._place(partial, record.job)
            self._write_record(complete)
        return complete

    def adopt(self, record: Record, files: Mapping[str, bytes]) -> Record:
        """Indexes a job that was done elsewhere, with as many of its files as were kept.

        Args:
            record: whole, with the digest of all the files that the job made.
            files: file name -> content; none for a job known by its digest alone.

        Raises:
            DiskFull: when there is no room.
        """
        if files:
            partial = self.partial()
            with full_disk_is_told(self.root):
                for name, content in files.items():
                    (partial / name).write_bytes(content)
                sync_tree(partial)
                self._place(partial, record.job)
        return self.note(record)

    def note(self, record: Record) -> Record:
        """Indexes a job without files of its own: one that failed, or the tables of the run.

        Raises:
            DiskFull: when there is no room for the record.
        """
        with full_disk_is_told(self.root):
            self._write_record(record)
        return record

    def write(self, name: str, content: bytes | str) -> Path:
        """Writes one file of the run's root atomically.

        Raises:
            DiskFull: when there is no room; the file that was there stays.
        """
        path = self.root / name
        with full_disk_is_told(self.root):
            write_atomically(path, content.encode() if isinstance(content, str) else content)
        return path

    def carried(self, records: Sequence[Record]) -> dict[str, Any]:  # noqa: ARG002
        """Where machines that do not see this folder find artefacts; empty where there is no such place."""
        return {}

    def broken(self, jobs: Mapping[str, str]) -> list[str]:
        """The jobs, of {job: digest}, whose files on disk are not those indexed, or not readable."""
        return [job for job, digest in jobs.items() if _digest_of(self._files(job)) != digest]

    def forget(self, job: str) -> None:
        """Makes a job one that never finished; its files stay until it is done again."""
        self._record_path(job).unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run for this process; leftovers of a killed one are swept away.

        Raises:
            UserError: when another process is at work on the same run.
            DiskFull: when the folder cannot be made.
        """
        with full_disk_is_told(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            handle = (self.root / ".lock").open("a+")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"Found another process at work on {self.root}, expected one at a time; "
                    "wait for it, or stop it and run the same command again."
                ) from None
            shutil.rmtree(self._partial, ignore_errors=True)
            try:
                yield
            finally:
                shutil.rmtree(self._partial, ignore_errors=True)

    def _files(self, job: str) -> Path:
        return self.root / job

    def _place(self, partial: Path, job: str) -> None:
        """Renames a written folder to where a job's files lie; the job is unfinished until it is indexed."""
        self._record_path(job).unlink(missing_ok=True)
        target = self._files(job)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rename(self._partial / uuid.uuid4().hex)
        partial.rename(target)
        sync_folder(target.parent)

    def _record_path(self, job: str) -> Path:
        return self.root / "index" / f"{job}.json"

    def _write_record(self, record: Record) -> None:
        text = json.dumps(asdict(record), sort_keys=True, indent=1)
        write_atomically(self._record_path(record.job), text.encode())


def _record_of(told: Any) -> Record:
    """The record of these fields.

    Raises:
        TypeError: fields that no record has, or too few.
    """
    if not isinstance(told, dict) or told.keys() != _FIELDS:
        return Record(**told)  # an older one, or none
    # Without the checks that a frozen class makes of each field it is made in a third of the time.
    found = object.__new__(Record)
    vars(found).update(told)
    return found


def _text_of(path: str) -> str:
    """What a small file holds."""
    handle = os.open(path, os.O_RDONLY)
    try:
        parts = [os.read(handle, READ_AT_ONCE)]
        while len(parts[-1]) == READ_AT_ONCE:
            parts.append(os.read(handle, READ_AT_ONCE))
        return str(b"".join(parts), "utf-8")
    finally:
        os.close(handle)


def _digest_of(folder: Path) -> str:
    """Of an artefact's files; "" where the disk does not give them."""
    try:
        return folder_digest(folder)
    except OSError:
        return ""
