"""What fuzzing found: small files that a reader once failed on, kept as they were.

Each lies in `found/` as READER.CHECKSUM.FILE, where FILE is what it is called when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.hostile.case import EITHER, Case, one

FOLDER = Path(__file__).with_name("found")


def cases() -> Iterator[Case]:
    """All that are kept."""
    for path in sorted(FOLDER.glob("*.*.*")):
        reader, checksum, file = path.name.split(".", 2)
        yield one(f"found {reader} {checksum}", reader, file.replace("+", "/"), path.read_bytes, EITHER)
