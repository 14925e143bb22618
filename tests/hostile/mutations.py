"""Changes to a sound file that a fuzzer makes: of bytes, and of values where it is made of JSON or words."""

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Callable
from typing import Any

NUMBERS = (0, 1, -1, 127, 255, 256, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
WORDS = (
    *(b"nan", b"inf", b"-1", b"1e999", b"9" * 400, b"null", b"true", b"[]", b"{}", b"''", b"../../owned"),
    *(
        b"http://192.0.2.1/",
        b"\0",
        b"\xff",
        b"!!python/object:os.system",
        b"&a *a",
        b"[" * 300,
        b"{a: " * 100,
    ),
)
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        3.5,
        2**31,
        2**53,
        10**30,
        float("nan"),
        float("inf"),
        "",
        "a",
        "../../owned",
        "\ud800",
    ),
    *([], {}, [[]], [None], ["a"], {"a": 1}, [0] * 1000, "http://192.0.2.1/a", "a" * 5000),
)


def mutated(data: bytes, chance: random.Random, kind: str) -> bytes:
    """A file changed in one to four ways.

    Args:
        data: a sound or already changed file.
        chance: decides.
        kind: "bytes", "text", "json", "glb" or "safetensors".
    """
    ways = {"bytes": BYTES, "text": (*BYTES, *TEXT)}.get(kind, BYTES)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        if kind in STRUCTURES and chance.random() < 0.6:
            data = STRUCTURES[kind](data, chance)
        else:
            data = chance.choice(ways)(data, chance)
    return data


def _flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(changed), chance.choice((1, 1, 2, 8)))):
        changed[chance.randrange(len(changed))] = chance.choice((0, 255, chance.randrange(256)))
    return bytes(changed)


def _number(data: bytes, chance: random.Random) -> bytes:
    """A number of a place that counts or lengths may stand at."""
    form = chance.choice(("<H", ">H", "<I", ">I", "<Q"))
    written = struct.pack(form, chance.choice(NUMBERS) % 2 ** (8 * struct.calcsize(form)))
    place = chance.randrange(max(1, len(data)))
    return data[:place] + written + data[place + len(written) :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _without(data: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[min(end, start + 64) :]


def _again(data: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[start:end][:4096] * chance.choice((1, 2, 50)) + data[end:]


def _noise(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.randbytes(chance.choice((1, 4, 100))) + data[place:]


def _word(data: bytes, chance: random.Random) -> bytes:
    """A word or number in place of another."""
    found = list(re.finditer(rb"[\w.+-]+", data))
    if not found:
        return chance.choice(WORDS)
    where = chance.choice(found)
    return data[: where.start()] + chance.choice(WORDS) + data[where.end() :]


def _line(data: bytes, chance: random.Random) -> bytes:
    """A line gone, twice, or elsewhere."""
    lines = data.split(b"\n")
    taken = lines.pop(chance.randrange(len(lines)))
    for _ in range(chance.choice((0, 1, 2))):
        lines.insert(chance.randrange(len(lines) + 1), b" " * chance.choice((0, 0, 2)) + taken)
    return b"\n".join(lines)


def _json(data: bytes, chance: random.Random) -> bytes:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return _flip(data, chance)
    return json.dumps(_changed(document, chance)).encode("utf-8", "surrogatepass")


def _glb(data: bytes, chance: random.Random) -> bytes:
    """The JSON chunk of a GLB, lengths kept right."""
    if len(data) < 20:
        return _flip(data, chance)
    length = struct.unpack_from("<I", data, 12)[0]
    text = _json(data[20 : 20 + length].rstrip(b" "), chance)
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    return data[:8] + struct.pack("<II", 20 + len(text) + len(rest), len(text)) + data[16:20] + text + rest


def _safetensors(data: bytes, chance: random.Random) -> bytes:
    length = struct.unpack_from("<Q", data)[0] if len(data) >= 8 else 0
    if not 0 < length <= len(data) - 8:
        return _flip(data, chance)
    text = _json(data[8 : 8 + length], chance)
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def _changed(document: Any, chance: random.Random) -> Any:
    """A document with one of its values another, gone, or twice."""
    if isinstance(document, dict) and document and chance.random() < 0.9:
        key = chance.choice(list(document))
        rest = {name: value for name, value in document.items() if name != key}
        if chance.random() < 0.1:
            return rest
        return {**rest, key: _changed(document[key], chance)}
    if isinstance(document, list) and document and chance.random() < 0.9:
        place = chance.randrange(len(document))
        own = [] if chance.random() < 0.1 else [_changed(document[place], chance)]
        return [*document[:place], *own, *document[place + 1 :]]
    if isinstance(document, int) and not isinstance(document, bool) and chance.random() < 0.5:
        return chance.choice((document + 1, document - 1, -document, document * 1000, chance.choice(NUMBERS)))
    return chance.choice(VALUES)


Way = Callable[[bytes, random.Random], bytes]
BYTES: tuple[Way, ...] = (_flip, _flip, _flip, _number, _number, _cut, _without, _again, _noise)
TEXT: tuple[Way, ...] = (_word, _word, _word, _line)
STRUCTURES: dict[str, Way] = {"json": _json, "glb": _glb, "safetensors": _safetensors}
