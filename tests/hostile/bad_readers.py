"""Readers that do what no reader may, so that the watch over them can be tested."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from idto3d.errors import UserError


def reads(path: Path) -> None:
    path.read_bytes()
    (path.parent / "beside").write_bytes(b"")


def writes_elsewhere(path: Path) -> None:
    (path.parents[1] / "owned").write_bytes(b"")


def makes_folders_elsewhere(path: Path) -> None:
    (path.parents[1] / "owned").mkdir()


def connects(_: Path) -> None:
    socket.create_connection(("192.0.2.1", 80), timeout=0.1)


def starts_a_program(_: Path) -> None:
    subprocess.run(["true"], check=False)


def takes_memory(_: Path) -> None:
    bytearray(1_200_000_000)


def takes_time(_: Path) -> None:
    until = time.process_time() + 5.2
    while time.process_time() < until:
        pass


def dies(_: Path) -> None:
    os.kill(os.getpid(), 11)


def raises(_: Path) -> None:
    raise ZeroDivisionError


def tells_two_lines(_: Path) -> None:
    raise UserError("Found a.\nFound b.")


READERS = {
    each.__name__: each
    for each in (
        *(reads, writes_elsewhere, makes_folders_elsewhere, connects, starts_a_program),
        *(takes_memory, takes_time, dies, raises, tells_two_lines),
    )
}
