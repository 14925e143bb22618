"""What a case of the hostile corpus is: the files that one reader is given, and what must become of them."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

REFUSED, ACCEPTED, EITHER = "refused", "accepted", "either"

Files = Mapping[str, bytes]  # name relative to the case's folder -> content; the first one is read


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        name: of the case, a word for its kind first; it makes the same files everywhere.
        reader: one of `readers.READERS`.
        make: its files; made when they are needed, since some are large.
        expected: whether the reader must refuse it, must take it, or may do either in an orderly way.
    """

    name: str
    reader: str
    make: Callable[[], Files]
    expected: str = REFUSED


def one(
    name: str, reader: str, file: str, make: Callable[[], bytes] | bytes, expected: str = REFUSED
) -> Case:
    """A case of one file."""
    return Case(name, reader, lambda: {file: make if isinstance(make, bytes) else make()}, expected)


def damaged(
    kind: str, reader: str, file: str, sound: Callable[[], bytes], cuts: int = 5, flips: int = 5
) -> Iterator[Case]:
    """A sound file cut at several places, with bits flipped, and with its middle exchanged for noise."""
    for part in range(cuts):
        yield one(f"{kind} cut {part}", reader, file, lambda part=part: _cut(sound(), part, cuts), EITHER)
    for seed in range(flips):
        yield one(f"{kind} flipped {seed}", reader, file, lambda seed=seed: flipped(sound(), seed), EITHER)
    yield one(f"{kind} noise inside", reader, file, lambda: _noise_inside(sound()), EITHER)
    yield one(f"{kind} twice", reader, file, lambda: sound() * 2, EITHER)


def flipped(data: bytes, seed: int, count: int = 8) -> bytes:
    """The bytes with some of them changed, the same for the same seed."""
    chosen = random.Random(zlib.crc32(data[:4096]) ^ seed)
    changed = bytearray(data)
    for _ in range(min(count, len(changed))):
        changed[chosen.randrange(len(changed))] = chosen.randrange(256)
    return bytes(changed)


def noise(length: int, seed: int = 0) -> bytes:
    """Random bytes, the same for the same seed."""
    return random.Random(seed).randbytes(length)


def _cut(data: bytes, part: int, parts: int) -> bytes:
    """The beginning of a file: nothing, a few bytes, or a share of it."""
    if part < 2:
        return data[: 9 * part]
    return data[: len(data) * (part - 1) // parts]


def _noise_inside(data: bytes) -> bytes:
    third = len(data) // 3
    return data[:third] + noise(third, 1) + data[2 * third :]
