"""A run whose finished work lies in a store that several machines reach; its folder here is the working copy.

In the store: `artefacts/<job>/<digest>/<file>`, which never change, one record a job in `index/`, which is
written after them, `results/` with tables and report, and `lease/`. Who holds the lease writes, all others
are refused. What others finished is known from their records, and its files are brought when something is
made from them.
"""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from idto3d.errors import UserError
from idto3d_eval.disk import full_disk_is_told, sync_tree, write_atomically
from idto3d_eval.lease import Lease
from idto3d_eval.run_folder import PROTOCOL_FILE, SUMMARY
from idto3d_eval.sender import (
    AT_ONCE,
    INDEX,
    RESULTS,
    Sender,
    Sent,
    artefact_place,
    digest_of,
    record_place,
)
from idto3d_eval.shared_objects import Patience, SharedObjects
from idto3d_eval.store import Damaged, Record, Store

OWN = ".shared"  # what the working copy remembers of the store


class SharedStore(Store):
    """The folder of one run, and its store. Records of this process are sent beside the run."""

    def __init__(
        self,
        root: Path,
        url: str,
        told: Callable[[str], None] = lambda _: None,
        *,
        patience: Patience | None = None,
    ) -> None:
        """
        Args:
            root: the working copy, of this process alone.
            url: of the store.
            told: called with sentences about it.
            patience: how long a store that is away is asked again.

        Raises:
            UserError: there is no library for such a URL.
        """
        super().__init__(root)
        self._url, self._told = url, told
        self._objects = SharedObjects(url, patience, told, kept=str(root))
        self._listed: frozenset[str] = frozenset()  # jobs whose records the store had at the start
        self._known: dict[str, Record] | None = None  # those records, once one is asked for
        self._remote: dict[str, Record] = {}  # jobs whose files are in the store alone
        self._bringing = threading.RLock()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run's folder and the store for this process.

        Raises:
            UserError: another process is at work on either, or the store is of another protocol.
            StoreAway: the store does not answer.
            DiskFull: when the folder cannot be made.
        """
        with super().locked(), full_disk_is_told(self.root):
            lease = Lease(self._objects, self._place_name())
            lease.take(self._told)
            self._sent = Sent(self.root / OWN / "sent", self._url)
            self._sender = Sender(self._objects, lease.require, self._sent)
            self._require = lease.require
            try:
                self._compare_protocols()
                names = self._objects.names(INDEX)
                self._listed = frozenset(name[len(INDEX) + 1 : -len(".json")] for name in names)
                yield
                self._sender.flush()
            finally:
                self._sender.close()
                lease.release()

    def artefact(self, job: str) -> Path:
        """Where a finished job's files lie, brought from the store if they were not here.

        Raises:
            Damaged: the store does not have them whole.
        """
        with self._bringing:
            if job in self._remote and not self._bring(job):
                raise Damaged([job])
        return super().artefact(job)

    def record(self, job: str) -> Record | None:
        """What is known of a job that stands, here or by the store."""
        return self._remote.get(job) or super().record(job)

    def current(self, job: str, key: str) -> Record | None:
        """The record of a job that is finished for exactly this key: here, or where others finished it."""
        here = super().current(job, key)
        if here is not None and (here.fileless or job in self._remote or here in self._sent):
            return here
        there = self._there(job)
        if there is None or there.key != key or there.retry:
            if job == SUMMARY:
                return None  # the tables may not have been sent either: they are written and sent anew
            if here is not None:
                self._send(here)
            return here
        if here is not None and here.digest == there.digest:
            self._sent.add(here)
            return here
        return self._take_over(there)

    def commit(self, partial: Path, record: Record) -> Record:
        """Places and indexes an artefact here, and has it sent."""
        self._remote.pop(record.job, None)
        complete = super().commit(partial, record)
        self._send(complete)
        return complete

    def note(self, record: Record) -> Record:
        """Indexes a job without files of its own, and has it sent; the tables' record after the tables."""
        self._remote.pop(record.job, None)
        if record.job == SUMMARY:
            self._sender.flush()
        noted = super().note(record)
        self._send(noted)
        return noted

    def write(self, name: str, content: bytes | str) -> Path:
        """Writes one file of the run's root here, and has it sent.

        Raises:
            UserError: it says whose run this is, and the store is of another protocol.
            DiskFull: when there is no room.
        """
        if name == PROTOCOL_FILE:
            self._refuse_other(content.encode() if isinstance(content, str) else content)
        path = super().write(name, content)
        self._sender.file(name, content.encode() if isinstance(content, str) else content)
        return path

    def carried(self, records: Sequence[Record]) -> dict[str, Any]:
        """The store, and where in it artefacts lie, with their digests."""
        return {
            "url": self._url if "://" in self._url else str(Path(self._url).absolute()),
            "inputs": {record.job: [artefact_place(record), record.digest] for record in records},
        }

    def broken(self, jobs: Mapping[str, str]) -> list[str]:
        """The jobs, of {job: digest}, whose files are whole neither here nor in the store."""
        here = super().broken({job: digest for job, digest in jobs.items() if job not in self._remote})
        for job in here:
            known = (self._there(job), super().record(job))
            same = [record for record in known if record is not None and record.digest == jobs[job]]
            self._remote.update((record.job, record) for record in same[:1])
        asked = [job for job in jobs if job in self._remote]
        with ThreadPoolExecutor(AT_ONCE) as beside:
            brought = dict(zip(asked, beside.map(self._bring, asked), strict=True))
        for job in here:
            if brought.get(job):
                self._told(
                    f"Found files of {job} that are not those that were indexed; the store's are taken."
                )
        return [job for job in jobs if not brought.get(job, job not in here)]

    def forget(self, job: str) -> None:
        """Makes a job one that never finished, in the store too."""
        self._remote.pop(job, None)
        here = self.record(job)
        super().forget(job)
        if job in self._listed or (here is not None and here in self._sent):
            self._sender.flush()
            self._require()
            self._objects.remove(record_place(job))
            self._listed -= {job}

    def _send(self, record: Record) -> None:
        """Has a record sent, with its files; this machine's failures and what an archive told are not."""
        if record.retry or record.fileless:
            return
        has_files = record.done and record.job != SUMMARY
        self._sender.job(record, self._files(record.job) if has_files else None)

    def _there(self, job: str) -> Record | None:
        """The store's record of a job, as it was at the start."""
        if job not in self._listed:
            return None
        if self._known is None:
            found = self._objects.get(record_place(name) for name in self._listed)
            records = (_record(content) for content in found.values())
            self._known = {record.job: record for record in records if record is not None}
        return self._known.get(job)

    def _take_over(self, there: Record) -> Record:
        """Lets a job stand by the store's record. Files are brought when they are asked for; a failure has
        none, and the tables are brought at once."""
        if there.job == SUMMARY:
            self._bring_results()
        if there.done and there.job != SUMMARY:
            self._remote[there.job] = there
            return there
        super().note(there)
        self._sent.add(there)
        return there

    def _bring(self, job: str) -> bool:
        """Brings a job's files; False where the store does not have them whole."""
        there = self._remote[job]
        place = artefact_place(there)
        found = self._objects.get(self._objects.names(place))
        files = {name[len(place) + 1 :]: content for name, content in found.items()}
        if digest_of(files) != there.digest:
            return False
        partial = self.partial()
        with full_disk_is_told(self.root):
            for name, content in files.items():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                (partial / name).write_bytes(content)
            sync_tree(partial)
            self._place(partial, job)
            self._write_record(there)
        self._sent.add(there)
        self._remote.pop(job, None)
        return True

    def _bring_results(self) -> None:
        for name, content in self._objects.get(self._objects.names(RESULTS)).items():
            with full_disk_is_told(self.root):
                write_atomically(self.root / name[len(RESULTS) + 1 :], content)

    def _compare_protocols(self) -> None:
        """Refuses a store of another protocol than the folder's; sends the folder's where it has none."""
        name = f"{RESULTS}/{PROTOCOL_FILE}"
        self._protocol = self._objects.get([name]).get(name)
        here = self.root / PROTOCOL_FILE
        if here.is_file():
            self._refuse_other(here.read_bytes())
            if self._protocol is None:
                self._sender.file(PROTOCOL_FILE, here.read_bytes())

    def _refuse_other(self, protocol: bytes) -> None:
        """Raises UserError where the store's protocol is of another name or version."""
        there = self._protocol
        if there is not None and _names(there) != _names(protocol):
            raise UserError(
                f"Found a run of {' version '.join(_names(there))} in {self._url}, expected one of "
                f"{' version '.join(_names(protocol))}; name another prefix with --store."
            )

    def _place_name(self) -> str:
        """A name of this folder that no other has: whoever holds its lock is the one at work in it."""
        path = self.root / OWN / "id"
        if not path.is_file():
            write_atomically(path, uuid.uuid4().hex.encode())
        return f"{socket.gethostname()}:{self.root.absolute()}:{path.read_text()}"


def _record(content: bytes) -> Record | None:
    try:
        return Record(**json.loads(content))
    except (ValueError, TypeError):
        return None


def _names(protocol: bytes) -> tuple[str, str]:
    """Name and version of a protocol's JSON."""
    try:
        found = json.loads(protocol)
        return str(found["name"]), str(found["version"])
    except (ValueError, KeyError, TypeError):
        return "an unreadable protocol", "?"
