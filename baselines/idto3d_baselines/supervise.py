"""Runs one foreign program and whatever it starts: bounded in time and disk, measured, and ended for sure.

Started as a process of its own with one JSON line on stdin, it answers with one on stdout. It ends its
program when its own stdin closes, so a caller that was killed leaves nothing running. It uses psutil and the
standard library alone and is started by its file's path: nothing of this project is imported.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO, Any

import psutil

POLL = 0.1  # seconds between two looks at time, memory and disk
KEPT_HEAD, KEPT_TAIL = 64 * 1024, 192 * 1024  # bytes of each output stream
CHUNK = 16 * 1024
ENDING = 5.0  # seconds that killed processes have to be gone
BECOME_SUBREAPER = 36  # prctl(2), PR_SET_CHILD_SUBREAPER: orphans of ours stay descendants
LEAST_FILE = 4096  # bytes that even an empty file counts: a million of them fill a disk too
MIB = 2**20
BEYOND = 1.0  # MiB past the quota that one file may grow to: a quota that is just filled is not exceeded


class Kept:
    """The beginning and the end of what a program printed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._head, self._tail, self._total = b"", deque[bytes](), 0
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def text(self) -> str:
        """What was kept; whoever still holds the stream open is not waited for."""
        self._thread.join(timeout=1.0)
        tail = b"".join(self._tail)[-KEPT_TAIL:]
        left_out = self._total - len(self._head) - len(tail)
        middle = f"\n[{left_out} bytes left out]\n".encode() if left_out > 0 else b""
        return (self._head + middle + tail).decode("utf-8", "replace")

    def _read(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), CHUNK):
                self._total += len(data)
                room = KEPT_HEAD - len(self._head)
                self._head += data[: max(room, 0)]
                self._tail.append(data[max(room, 0) :])
                while len(self._tail) > KEPT_TAIL // CHUNK + 2 and self._tail:
                    self._tail.popleft()


def main() -> None:
    """Serve the one request."""
    request = json.loads(sys.stdin.readline())
    orphaned = threading.Event()

    def wait_for_the_end_of_stdin() -> None:
        sys.stdin.read()
        orphaned.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: orphaned.set())
    threading.Thread(target=wait_for_the_end_of_stdin, daemon=True).start()
    with contextlib.suppress(OSError, AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(BECOME_SUBREAPER, 1, 0, 0, 0)
    answer = supervise(request, orphaned)
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def supervise(request: dict[str, Any], orphaned: threading.Event) -> dict[str, Any]:
    """Runs the program to its end, or to that of its time or room.

    Args:
        request: argv, environment, folder (work folder), quota_folder, timeout_s, disk_mib, and `afterwards`,
            an argv that is run when all is over ([] for none).
        orphaned: set when nobody waits for the answer any more.

    Returns:
        ended ("exit", "timeout", "disk", "orphaned" or "not started"), code (exit code, negative for a
        signal), seconds, peak_memory_mib, disk_mib, stdout, stderr.
    """
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            request["argv"],
            cwd=request["folder"],
            env=request["environment"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return {
            "ended": "not started",
            "code": -1,
            "seconds": 0.0,
            "peak_memory_mib": 0.0,
            "disk_mib": 0.0,
            "stdout": "",
            "stderr": str(error),
        }
    _bound_files(process.pid, int((request["disk_mib"] + BEYOND) * MIB))
    assert process.stdout is not None
    assert process.stderr is not None
    streams = Kept(process.stdout), Kept(process.stderr)
    ended, peak, disk = "exit", 0.0, 0.0
    try:
        while process.poll() is None:
            peak = max(peak, _memory_mib())
            disk = _disk_mib(Path(request["quota_folder"]))
            if disk > request["disk_mib"]:
                ended = "disk"
            elif time.monotonic() - started > request["timeout_s"]:
                ended = "timeout"
            elif orphaned.is_set():
                ended = "orphaned"
            if ended != "exit":
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL)
    finally:
        seconds = time.monotonic() - started
        _end(process)
        if request["afterwards"]:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(request["afterwards"], capture_output=True, timeout=60, check=False)
    disk = max(disk, _disk_mib(Path(request["quota_folder"])))
    if ended == "exit" and disk > request["disk_mib"]:
        ended = "disk"
    return {
        "ended": ended,
        "code": process.returncode,
        "seconds": round(seconds, 3),
        "peak_memory_mib": round(peak, 1),
        "disk_mib": round(disk, 2),
        "stdout": streams[0].text(),
        "stderr": streams[1].text(),
    }


def _bound_files(pid: int, limit: int) -> None:
    """No single file fills the disk between two looks, and no core is dumped."""
    with contextlib.suppress(OSError, AttributeError, ImportError, psutil.Error):
        process = psutil.Process(pid)
        process.rlimit(psutil.RLIMIT_FSIZE, (limit, limit))
        process.rlimit(psutil.RLIMIT_CORE, (0, 0))


def _memory_mib() -> float:
    """Resident memory of all that descends from this process."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total / MIB


def _disk_mib(folder: Path) -> float:
    """What the files under a folder take, links not followed."""
    total = 0
    for place, _, names in os.walk(folder, followlinks=False):
        for name in names:
            with contextlib.suppress(OSError):
                blocks = os.lstat(os.path.join(place, name)).st_blocks  # noqa: PTH118
                total += max(512 * blocks, LEAST_FILE)
    return total / MIB


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills the process group, then every descendant that left it, and reaps them."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until = time.monotonic() + ENDING
    while (left := psutil.Process().children(recursive=True)) and time.monotonic() < until:
        for child in left:
            with contextlib.suppress(psutil.Error):
                child.kill()
        psutil.wait_procs(left, timeout=0.2)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


if __name__ == "__main__":
    main()
