"""Worker processes and the messages between them and the run: one job at a time each, killed as a group."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

# Whatever parallel loops a library brings, they follow one of these.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

Session = tuple[int, int]


@dataclass(frozen=True)
class Message:
    """What a worker said: progress, or the end of a job."""

    worker: int
    job: str
    status: str  # "progress", "done", "failed", "full_disk" or "died"
    fields: Mapping[str, Any]


class Pool:
    """Up to `size` workers with the same thread count; they are started when first needed."""

    def __init__(self, size: int, threads: int, stages: str, log: Path) -> None:
        """
        Args:
            size: workers at once.
            threads: pinned in each.
            stages: `module:name` of the table of stages.
            log: where a worker's own words go, outside of jobs.
        """
        self.size, self.threads = size, threads
        self._stages, self._log = stages, log
        self._workers: dict[int, _Worker] = {}
        self._messages: queue.Queue[Message] = queue.Queue()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            worker.kill()

    def idle(self) -> list[int]:
        """The workers that could take a job now."""
        return [index for index in range(self.size) if not self._busy(index)]

    def submit(self, index: int, request: Mapping[str, Any]) -> None:
        """Gives a job to an idle worker; a process never makes heads of two sessions."""
        worker, session = self._workers.get(index), _session(request)
        if worker is not None and session is not None and worker.session not in (None, session):
            worker.retire()
            worker = None
        if worker is None:
            worker = _Worker(index, self.threads, self._stages, self._log, self._messages)
            self._workers[index] = worker
        worker.session = worker.session if session is None else session
        worker.start(request)

    def messages(self, seconds: float) -> Iterator[Message]:
        """Waits up to `seconds` for a message, then yields all there are."""
        with contextlib.suppress(queue.Empty):
            message = self._messages.get(timeout=seconds)
            while True:
                yield self._heard(message)
                message = self._messages.get_nowait()

    def _busy(self, index: int) -> bool:
        worker = self._workers.get(index)
        return worker is not None and worker.job is not None

    def _heard(self, message: Message) -> Message:
        """Frees the worker that a message is from; one that died is told with the job it was given last."""
        if message.status == "died":
            worker = self._workers.pop(message.worker)
            worker.kill()
            return replace(message, job=worker.job or "")
        if message.status != "progress":
            self._workers[message.worker].job = None
        return message


class _Worker:
    """One process and the thread that listens to it."""

    def __init__(
        self, index: int, threads: int, stages: str, log: Path, messages: queue.Queue[Message]
    ) -> None:
        self.job: str | None = None
        self.session: Session | None = None  # whose heads it makes; None as long as it made none
        self._retired = False
        self._index, self._messages = index, messages
        environment = dict(os.environ)
        environment |= dict.fromkeys(THREAD_VARIABLES, str(threads))
        environment |= {"PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "idto3d_eval.worker", stages],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                bufsize=1,
                start_new_session=True,  # Ctrl-C reaches the run alone, which ends the group
            )
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, request: Mapping[str, Any]) -> None:
        """Sends a job; a worker that is gone is told about by `_listen`."""
        self.job = str(request["job"])
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def retire(self) -> None:
        """Ends an idle process; nobody is told."""
        self._retired = True
        self.kill()

    def kill(self) -> None:
        """Ends the process and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            for line in self._process.stdout:
                fields = json.loads(line)
                self._messages.put(Message(self._index, fields["job"], fields["status"], fields))
        code = self._process.wait()
        if not self._retired:
            self._messages.put(Message(self._index, "", "died", {"reason": _ending(code)}))


def _session(request: Mapping[str, Any]) -> Session | None:
    """Which session makes a head: its repeat and its threads; None for jobs that make none."""
    keyed = request.get("key_inputs", {})
    return (keyed["repeat"], keyed["threads"]) if request.get("stage") == "generate" else None


def _ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{hint}"
