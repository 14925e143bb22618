"""How much memory a process and all that it started hold together, as the kernel counts it."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")
KIB_A_MIB = 1024.0


def held_mib(process: int, above: float = 0.0) -> float:
    """MiB that a process and its descendants hold; 0 where there is no /proc.

    Pages that several of them share count once where that decides, which takes the kernel longer to tell.

    Args:
        process: its number.
        above: what is to be decided: a sum at most as large is given as it was found at first.
    """
    members = [process, *descendants(process)]
    resident = sum(_kib(member, "status", "VmRSS:") for member in members) / KIB_A_MIB
    if resident <= above or len(members) == 1:
        return resident
    return sum(_kib(member, "smaps_rollup", "Pss:") for member in members) / KIB_A_MIB


def descendants(process: int) -> list[int]:
    """All that a process started, and what those started."""
    children: dict[int, list[int]] = defaultdict(list)
    for stat in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name may hold anything, closing brackets included; what follows it cannot.
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
            children[parent].append(int(stat.parent.name))
    found, waiting = [], list(children.get(process, ()))
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting += children.get(each, ())
    return found


def _kib(process: int, file: str, line: str) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for text in (PROC / str(process) / file).read_text().splitlines():
            if text.startswith(line):
                return int(text.split()[1])
    return 0
