"""Sends what a run finishes to its shared store, beside the run: files first, the record of them last.

What was sent is noted in the run's folder, so that the next run sends what this one could not, and nothing
twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from idto3d_eval.keys import content_key
from idto3d_eval.shared_objects import SharedObjects
from idto3d_eval.store import Record

AT_ONCE = 8
WAITING = 64  # jobs that may wait to be sent; then the run waits too
INDEX, ARTEFACTS, RESULTS = "index", "artefacts", "results"


class Sender:
    """Threads that send, and the one failure that ended them."""

    def __init__(self, objects: SharedObjects, require: Callable[[], None], sent: Sent) -> None:
        """
        Args:
            objects: of the store.
            require: raises where this process may not write (any more); called before every record.
            sent: what was sent before.
        """
        self._objects, self._require, self._sent = objects, require, sent
        # A thread for each of so many kinds of names: what is sent of one job keeps its order.
        self._threads = [ThreadPoolExecutor(1, thread_name_prefix="send") for _ in range(AT_ONCE)]
        self._room = threading.Semaphore(WAITING)
        self._under_way: set[Future[None]] = set()
        self._lock = threading.Lock()
        self._failure: Exception | None = None

    def job(self, record: Record, folder: Path | None) -> None:
        """Sends a finished job's files, if it has any, then its record.

        Raises:
            StoreAway, StoreRefused, LeaseLost: of something sent before; nothing is sent any more.
        """
        self._begin(record.job, lambda: self._send_job(record, folder))

    def file(self, name: str, content: bytes) -> None:
        """Sends a file of the run's results.

        Raises:
            StoreAway, StoreRefused, LeaseLost: as above.
        """
        self._begin(name, lambda: self._send_file(name, content))

    def flush(self) -> None:
        """Waits until all is sent.

        Raises:
            StoreAway, StoreRefused, LeaseLost: something could not be.
        """
        for future in self._snapshot():
            with contextlib.suppress(Exception):
                future.result()
        self.check()

    def check(self) -> None:
        """Raises what ended the sending, if anything did."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Drops what was not begun, and does not wait for a store that is away."""
        self._objects.stop()
        for thread in self._threads:
            thread.shutdown(wait=False, cancel_futures=True)

    def _begin(self, name: str, action: Callable[[], None]) -> None:
        while not self._room.acquire(timeout=0.5):
            self.check()
        self.check()
        future = self._threads[zlib.crc32(name.encode()) % AT_ONCE].submit(self._try, action)
        with self._lock:
            self._under_way.add(future)
        future.add_done_callback(self._over)

    def _over(self, future: Future[None]) -> None:
        self._room.release()
        with self._lock:
            self._under_way.discard(future)

    def _snapshot(self) -> list[Future[None]]:
        with self._lock:
            return list(self._under_way)

    def _try(self, action: Callable[[], None]) -> None:
        if self._failure is not None:
            return
        try:
            action()
        except Exception as error:
            self._failure = self._failure or error

    def _send_job(self, record: Record, folder: Path | None) -> None:
        if folder is not None:
            files = files_of(folder)
            if digest_of(files) != record.digest:
                return  # made again meanwhile, or damaged: what comes next tells
            place = artefact_place(record)
            self._objects.put({f"{place}/{name}": content for name, content in files.items()})
        self._require()
        self._objects.put({record_place(record.job): record_text(record).encode()})
        self._sent.add(record)

    def _send_file(self, name: str, content: bytes) -> None:
        self._require()
        self._objects.put({f"{RESULTS}/{name}": content})


class Sent:
    """A note in the run's folder of the records that the store has: a line each, added as they are sent."""

    def __init__(self, path: Path, url: str) -> None:
        self._path, self._lock = path, threading.Lock()
        self._lines: set[str] = set()
        with contextlib.suppress(OSError, UnicodeDecodeError):
            first, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
            self._lines = set(lines) if first == url else set()
        if not self._lines:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{url}\n", encoding="utf-8")

    def __contains__(self, record: Record) -> bool:
        return _line(record) in self._lines

    def add(self, record: Record) -> None:
        """Notes a record; one that a kill cuts short is sent again, which does no harm."""
        line = _line(record)
        with self._lock:
            if line not in self._lines:
                self._lines.add(line)
                with self._path.open("a", encoding="utf-8") as stream:
                    stream.write(f"{line}\n")


def files_of(folder: Path) -> dict[str, bytes]:
    """All files of an artefact by their names in it."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def digest_of(files: Mapping[str, bytes]) -> str:
    """What `keys.folder_digest` says of a folder with these files."""
    return content_key({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})


def record_place(job: str) -> str:
    """Where a job's record lies in the store."""
    return f"{INDEX}/{job}.json"


def artefact_place(record: Record) -> str:
    """Where a job's files lie: never changed once they are written, since their digest is in it."""
    return f"{ARTEFACTS}/{record.job}/{record.digest}"


def record_text(record: Record) -> str:
    """A record as the store keeps it."""
    return json.dumps(asdict(record), sort_keys=True, indent=1)


def _line(record: Record) -> str:
    return f"{hashlib.sha256(record_text(record).encode()).hexdigest()[:24]} {record.job}"
