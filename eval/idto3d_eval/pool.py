"""Worker processes on this machine: one job at a time each, killed as a group. The executor `local`."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from idto3d_eval.environment import handed_on
from idto3d_eval.executor import Message, Session, session_of, worker_variables
from idto3d_eval.memory_watch import held_mib
from idto3d_eval.plan import Job

WATCHED_S = 0.5  # between two looks at the memory of jobs that declare how much they take


@dataclass(frozen=True)
class _Heard:
    """A message, and which worker it is from."""

    worker: int
    message: Message


class Pool:
    """Up to `size` workers with the same thread count; they are started when first needed."""

    def __init__(self, size: int, threads: int, stages: str, log: Path, asked: Collection[str] = ()) -> None:
        """
        Args:
            size: workers at once.
            threads: pinned in each.
            stages: `module:name` of the table of stages.
            log: where a worker's own words go, outside of jobs.
            asked: environment variables that methods' files ask for.
        """
        self.size, self.threads = size, threads
        self._stages, self._log, self._asked = stages, log, asked
        self._workers: dict[int, _Worker] = {}
        self._messages: queue.Queue[_Heard] = queue.Queue()
        self._given_up: dict[str, str] = {}  # job -> why
        self._watched = 0.0

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            worker.kill()

    def shape(self, job: Job) -> str:  # noqa: ARG002  any worker does any job
        """All jobs wait for a worker."""
        return ""

    def room(self, shape: str) -> bool:  # noqa: ARG002
        """Whether a worker has nothing to do."""
        return any(not self._busy(index) for index in range(self.size))

    def submit(self, job: Job, request: Mapping[str, Any]) -> None:
        """Gives a job to an idle worker; a process never makes heads of two sessions."""
        index = next(index for index in range(self.size) if not self._busy(index))
        worker, session = self._workers.get(index), session_of(request)
        if worker is not None and session is not None and worker.session not in (None, session):
            worker.retire()
            worker = None
        if worker is None:
            environment = {**handed_on(self._asked), **worker_variables(self.threads)}
            worker = _Worker(index, environment, self._stages, self._log, self._messages)
            self._workers[index] = worker
        worker.session = worker.session if session is None else session
        worker.limit_mib = job.resources.memory_mib
        worker.start(request)

    def messages(self, seconds: float) -> Iterator[Message]:
        """Waits up to `seconds` for a message, then yields all there are."""
        self._watch()
        with contextlib.suppress(queue.Empty):
            heard = self._messages.get(timeout=seconds)
            while True:
                yield self._told(heard)
                heard = self._messages.get_nowait()

    def give_up(self, job: str, reason: str) -> None:
        """Kills the worker that a job was given to."""
        for worker in self._workers.values():
            if worker.job == job:
                self._given_up[job] = reason
                worker.kill()

    def _watch(self) -> None:
        """Ends jobs that hold more memory than they declare, before the system ends what it likes."""
        now = time.monotonic()
        if now - self._watched < WATCHED_S:
            return
        self._watched = now
        for worker in self._workers.values():
            limit = worker.limit_mib
            if worker.job is None or not limit or worker.job in self._given_up:
                continue
            held = held_mib(worker.process, limit)
            if held > limit:
                told = f"it held {held:.0f} MiB of memory, more than the {limit:g} MiB that it declares"
                self.give_up(worker.job, f"{told}, and was ended")

    def _busy(self, index: int) -> bool:
        worker = self._workers.get(index)
        return worker is not None and worker.job is not None

    def _told(self, heard: _Heard) -> Message:
        """Frees the worker that a message is from; one that died is told with the job it was given last."""
        message = heard.message
        if message.status == "died":
            worker = self._workers.pop(heard.worker)
            worker.kill()
            job = worker.job or ""
            given_up = job in self._given_up
            reason = self._given_up.pop(job, message.fields["reason"])
            return replace(message, job=job, fields={"reason": reason, "given_up": given_up})
        if message.status != "progress":
            self._workers[heard.worker].job = None
        return message


class _Worker:
    """One process and the thread that listens to it."""

    def __init__(
        self,
        index: int,
        environment: Mapping[str, str],
        stages: str,
        log: Path,
        messages: queue.Queue[_Heard],
    ) -> None:
        self.job: str | None = None
        self.limit_mib = 0.0  # of memory that its job declares
        self.session: Session | None = None  # whose heads it makes; None as long as it made none
        self._retired = False
        self._index, self._messages = index, messages
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

    @property
    def process(self) -> int:
        """Its number."""
        return self._process.pid

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
                self._messages.put(_Heard(self._index, Message(fields["job"], fields["status"], fields)))
        code = self._process.wait()
        if not self._retired:
            self._messages.put(_Heard(self._index, Message("", "died", {"reason": _ending(code)})))


def _ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{hint}"
