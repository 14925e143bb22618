"""Children that read hostile files, kept alive over many of them, and replaced when one was too much."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self

from tests.hostile.case import ACCEPTED, EITHER, REFUSED, Case
from tests.hostile.make_corpus import write_case
from tests.hostile.readers import READERS

ROOT = Path(__file__).parents[2]
SECONDS = 5.0  # of the processor, a file; the clock of a machine that others use too tells of them
CLOCK = 60.0  # seconds after which a child that waits for something is ended
START = 300.0  # seconds for the imports
MIB = 1024
SLOW = ("face_adapter", "directions", "weights")  # they import torch and diffusers
LONGEST = 1000  # characters of a sentence


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        outcome: "accepted", "refused", "raised", "crashed" or "late".
        sentence: what the user is told, or what was raised.
        trace: of what was raised.
        seconds: of the processor.
        mib: of memory beyond what the process held before.
        seen: network, programs and files outside of its folder that were asked for.
    """

    outcome: str
    sentence: str = ""
    trace: str = ""
    seconds: float = 0.0
    mib: float = 0.0
    seen: tuple[str, ...] = field(default_factory=tuple)

    def faults(self, expected: str = EITHER) -> list[str]:
        """What is not as it should be."""
        found = list(self.seen)
        if self.outcome not in (ACCEPTED, REFUSED):
            found.append(f"{self.outcome}: {self.sentence} {self.trace}")
        elif expected not in (EITHER, self.outcome):
            found.append(f"{self.outcome}, expected it {expected}: {self.sentence}")
        if self.outcome == REFUSED and not is_one_sentence(self.sentence):
            found.append(f"not one sentence: {self.sentence!r:.400}")
        if self.seconds > SECONDS:
            found.append(f"{self.seconds:.1f} seconds")
        if self.mib > MIB:
            found.append(f"{self.mib:.0f} MiB")
        return found


def is_one_sentence(text: str) -> bool:
    """One line of a few words that begins and ends as sentences do, and shows no traceback."""
    plain = bool(text) and text[:1].isupper() and text.endswith(".") and len(text) <= LONGEST
    return plain and text.isprintable() and "Traceback" not in text


class Jail:
    """One child, started when first needed and again after each that it lost."""

    def __init__(self, readers: Iterable[str] = READERS, extra: Mapping[str, str] | None = None) -> None:
        self._readers, self._extra = tuple(readers), dict(extra or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._home = tempfile.TemporaryDirectory(prefix="hostile-")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._end()
        self._home.cleanup()

    def read(self, case: Case) -> Outcome:
        """What becomes of a case."""
        folder = Path(self._home.name) / "case"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        path = write_case(case, folder)
        self._start()
        request = {"reader": case.reader, "path": str(path), "folder": str(folder)}
        answer = self._asked(request)
        if answer is None:
            return self._lost()
        answer["seen"] = tuple(answer["seen"])
        return Outcome(**answer)

    def _start(self) -> None:
        if self._process is not None:
            return
        kept = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH")
        home = Path(self._home.name) / "home"
        home.mkdir(exist_ok=True)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {
            "HOME": str(home),
            "TMPDIR": str(home),
            "IDTO3D_CACHE": str(home / "cache"),
            "MALLOC_ARENA_MAX": "1",
            **threads,
            **self._extra,
        }
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(ROOT), *filter(None, [environment.get("PYTHONPATH", "")])]
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.child", ",".join(self._readers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(Path(self._home.name) / "stderr").open("wb"),
            env=environment,
            cwd=home,
            start_new_session=True,
        )
        if self._line(START) is None:
            raise RuntimeError(f"the child did not start: {self._last_words()}")

    def _asked(self, request: dict[str, str]) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        return self._line(CLOCK)

    def _line(self, seconds: float) -> dict[str, Any] | None:
        """The next answer; None where there is none in time."""
        assert self._process is not None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        line = self._process.stdout.readline() if ready else b""
        answer: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        return answer

    def _lost(self) -> Outcome:
        """Tells how the child was lost, and ends it where it still runs."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code, words = self._process.poll(), self._last_words()
        self._end()
        if code is None:
            return Outcome("late", f"no answer in {CLOCK:g} seconds")
        return Outcome("crashed", f"exit code {code}: {words}")

    def _last_words(self) -> str:
        return (Path(self._home.name) / "stderr").read_bytes()[-600:].decode("utf-8", "replace")

    def _end(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None


def read_all(cases: Iterable[Case], extra: Mapping[str, str] | None = None) -> dict[str, Outcome]:
    """What becomes of all cases, by name, read by two children.

    One imports what takes long to import and begins with the cases that need it; the other has none of that.
    """
    slow, others = Queue[Case](), Queue[Case]()
    for case in cases:
        (slow if case.reader in SLOW else others).put(case)
    outcomes: dict[str, Outcome] = {}
    failures: list[Exception] = []

    def work(readers: Iterable[str], queues: Iterable[Queue[Case]]) -> None:
        try:
            with Jail(readers, extra) as jail:
                for queue in queues:
                    with contextlib.suppress(Empty):
                        while True:
                            case = queue.get_nowait()
                            outcomes[case.name] = jail.read(case)
        except Exception as error:
            failures.append(error)

    quick = [name for name in READERS if name not in SLOW]
    threads = [
        threading.Thread(target=work, args=(quick, [others])),
        threading.Thread(target=work, args=(READERS, [slow, others])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return outcomes
