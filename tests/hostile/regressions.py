"""What fuzzing found: small files that a reader once failed on, kept as they were.

Each lies in `found/` as READER.NUMBER.SUFFIX; what the file is called when it is read follows from the reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.hostile.case import EITHER, Case, one

FOLDER = Path(__file__).with_name("found")


def cases() -> Iterator[Case]:
    """All that are kept."""
    for path in sorted(FOLDER.glob("*.*.*")):
        reader, number, suffix = path.name.split(".")
        name = NAMES.get(reader, f"a.{suffix}")
        yield one(f"found {reader} {number} {suffix}", reader, name, path.read_bytes, EITHER)


NAMES = {
    "head": "neutral.glb",
    "scores": "scores.parquet",
    "manifest": "asset.json",
    "directions": "word_directions.safetensors",
}
