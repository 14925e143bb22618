"""The contract between a schedule and the processes, here or on other machines, that do its jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from idto3d_eval.plan import Job

# Whatever parallel loops a library brings, they follow one of these.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

Session = tuple[int, int]


@dataclass(frozen=True)
class Message:
    """What was heard of a job: progress, or its end.

    Attributes:
        job: its name.
        status: "progress", "done", "failed", "full_disk", or "died" where its process or its machine is gone.
        fields: of a worker's answer.
    """

    job: str
    status: str
    fields: Mapping[str, Any]


class Executor(Protocol):
    """Does jobs, each in a process of its own kind of session; used as a context, whose end ends them all."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None: ...

    def shape(self, job: Job) -> str:
        """What a job waits for room of; jobs of one shape are handed out in order."""
        ...

    def room(self, shape: str) -> bool:
        """Whether a job of a shape can be handed over now, so that none waits long elsewhere than here."""
        ...

    def submit(self, job: Job, request: Mapping[str, Any]) -> None:
        """Hand a job over."""
        ...

    def messages(self, seconds: float) -> Iterator[Message]:
        """Wait up to `seconds` for a message, then yield all there are."""
        ...

    def give_up(self, job: str, reason: str) -> None:
        """End a job under way with all that it started; a message that it died, with the reason, follows."""
        ...


def session_of(request: Mapping[str, Any]) -> Session | None:
    """Which session makes a head: its repeat and its threads; None for jobs that make none.

    A process never makes heads of two sessions.
    """
    keyed = request.get("key_inputs", {})
    return (keyed["repeat"], keyed["threads"]) if request.get("stage") == "generate" else None


def worker_variables(threads: int) -> dict[str, str]:
    """The environment variables that a worker needs beside its parent's."""
    pinned = dict.fromkeys(THREAD_VARIABLES, str(threads))
    return {**pinned, "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
