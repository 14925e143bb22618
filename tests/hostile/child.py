"""A process that reads hostile files: bounded in memory, without network, watched for what it writes.

    python -m tests.hostile.child READER,…

A JSON line with reader, path and folder in; one with outcome, sentence, seconds of the processor and MiB out.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from idto3d.errors import UserError

READERS = import_module(os.environ.get("HOSTILE_READERS", "tests.hostile.readers")).READERS
GIB = 2**30
CACHE = os.path.realpath(os.environ.get("IDTO3D_CACHE", "/nowhere"))  # what the package computes once
MEMORY = GIB  # beyond what the imports took
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.truncate",
}
CHANGED = {"os.rename": (0, 2), "os.link": (0, 2), "os.symlink": (1, 2)}  # which arguments are changed
NETWORK = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
PROGRAMS = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "os.fork", "os.spawn"}


class Watch:
    """Refuses network, programs, and writing outside of one folder, and remembers who asked for it."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """The audit hook (PEP 578)."""
        if self.folder is None:
            return
        if event in NETWORK or event in PROGRAMS:
            self._refuse(f"{event} {args!r:.120}")
        if event == "open" and isinstance(args[2], int) and args[2] & WRITES:
            self._check(args[0], event)
        elif event in CHANGES:
            for place in args[slice(*CHANGED.get(event, (0, 1)))]:
                self._check(place, event)

    def _check(self, place: object, event: str) -> None:
        if isinstance(place, str | bytes | os.PathLike):
            real = os.path.realpath(os.fsdecode(place))
            own = real in (self.folder, os.devnull) or real.startswith((f"{self.folder}{os.sep}", CACHE))
            if not own:
                self._refuse(f"{event} {real}")

    def _refuse(self, what: str) -> None:
        self.seen.append(what)
        raise PermissionError(f"a hostile file made its reader ask for {what}")


def main() -> None:
    """Serve until the parent closes the pipe."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    _warm(sys.argv[1].split(","))
    gc.collect()
    gc.freeze()  # what was imported is not looked through again after each file
    watch = Watch()
    sys.addaudithook(watch)
    limit = _size_mib("VmSize") * 2**20 + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies.write(json.dumps({"outcome": "ready"}) + "\n")
    for line in sys.stdin:
        request = json.loads(line)
        replies.write(json.dumps(answer(request, watch)) + "\n")


def answer(request: dict[str, str], watch: Watch) -> dict[str, Any]:
    """Reads one file."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew (proc(5))
    before, started = _size_mib("VmRSS"), time.process_time()
    watch.seen, watch.folder = [], os.path.realpath(request["folder"])
    os.chdir(request["folder"])
    found = {"outcome": "accepted", "sentence": "", "trace": ""}
    try:
        READERS[request["reader"]](Path(request["path"]))
    except UserError as error:
        found |= {"outcome": "refused", "sentence": str(error)}
    except BaseException as error:
        found |= {"outcome": "raised", "sentence": repr(error)[:300], "trace": traceback.format_exc()[-4000:]}
    finally:
        watch.folder = None
    seconds = time.process_time() - started
    return {**found, "seconds": seconds, "mib": _size_mib("VmHWM") - before, "seen": watch.seen}


def _warm(readers: Iterable[str]) -> None:
    """Imports all that the readers do, on files that are not there."""
    for name in readers:
        try:
            READERS[name](Path("nowhere") / f"{name}.onnx")
        except Exception:  # imports are what this is for
            continue


def _size_mib(what: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) // 1024
    return 0


if __name__ == "__main__":
    main()
