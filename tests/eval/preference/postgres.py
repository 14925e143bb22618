"""A PostgreSQL of a test's own, where apt's package is installed."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> list[Path]:
    """Where its programs lie, the newest version last; empty where it is not installed."""
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL of its own, from apt's package, gone afterwards; its URL."""
    own = programs()[-1]
    data, port = folder / "postgres", random.Random(os.getpid()).randint(20_000, 40_000)
    data.mkdir()
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        shutil.chown(data, "postgres", "postgres")
        for part in (folder, *folder.parents[:1]):
            part.chmod(part.stat().st_mode | 0o011)
        as_user = ["runuser", "-u", "postgres", "--"]

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")

    run(str(own / "initdb"), "-D", str(data), "-A", "trust", "-U", "study", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
    run(str(own / "pg_ctl"), "-D", str(data), "-w", "-l", str(data / "log"), "-o", options, "start")
    try:
        yield f"postgresql://study@127.0.0.1:{port}/postgres"
    finally:
        run(str(own / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
