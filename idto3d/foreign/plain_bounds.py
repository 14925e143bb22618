"""What a foreign OBJ or PLY must keep to before it is decoded: sizes, counts, and nothing but a surface."""

from __future__ import annotations

import re

from idto3d.asset import AssetError
from idto3d.glb_bounds import MAX_ELEMENTS, refused

MAX_TEXT_BYTES = 256 * 2**20
MAX_HEADER_BYTES = 64 * 1024
MAX_FACES = MAX_ELEMENTS // 3
MAX_LINE = 4096  # characters: a face of a hundred corners is shorter

_PLY_FORMATS = ("ascii", "binary_little_endian", "binary_big_endian")
_PLY_BYTES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "float", "int32", "uint32", "float32"), 4),
    **dict.fromkeys(("double", "float64"), 8),
}


def check_obj(data: bytes, where: str) -> None:
    """Refuse an OBJ that is too large, no text, or has no faces.

    Raises:
        AssetError: with the first thing found.
    """
    _check_size(data, where)
    if b"\0" in data:
        raise refused(where, "bytes that are no text", "an OBJ file")
    counts = {
        name: len(re.findall(rb"(?m)^[ \t]*" + name + rb"[ \t]", data)) for name in (b"v", b"vt", b"vn", b"f")
    }
    if max(counts[b"v"], counts[b"vt"], counts[b"vn"]) > MAX_ELEMENTS or counts[b"f"] > MAX_FACES:
        raise refused(
            where,
            f"{counts[b'v']} vertices and {counts[b'f']} faces",
            f"at most {MAX_ELEMENTS} and {MAX_FACES}",
        )
    if not counts[b"v"] or not counts[b"f"]:
        raise refused(where, f"{counts[b'v']} vertices and {counts[b'f']} faces", "a surface")
    if max(map(len, data.splitlines())) > MAX_LINE:
        raise refused(where, "a line of over 4,096 characters", "one vertex or face a line")


def check_ply(data: bytes, where: str) -> None:
    """Refuse a PLY whose header promises what the file cannot hold, or anything but vertices and faces.

    Raises:
        AssetError: with the first thing found.
    """
    _check_size(data, where)
    end = data.find(b"end_header", 0, MAX_HEADER_BYTES)
    if not data.startswith(b"ply") or end < 0:
        raise refused(where, "no PLY header", "a .ply file")
    lines = [line.split() for line in data[:end].decode("latin-1").splitlines()[1:]]
    words = next((line for line in lines if line and line[0] == "format"), [])
    if len(words) < 2 or words[1] not in _PLY_FORMATS:
        raise refused(where, "no known PLY format", " or ".join(_PLY_FORMATS))
    least, counts = _promised(lines, where)
    if set(counts) - {"vertex", "face"} or not counts.get("vertex") or not counts.get("face"):
        raise refused(where, f"the elements {_named(counts)}", "vertices and faces")
    if counts["vertex"] > MAX_ELEMENTS or counts["face"] > MAX_FACES:
        raise refused(
            where,
            f"{counts['vertex']} vertices and {counts['face']} faces",
            f"at most {MAX_ELEMENTS} and {MAX_FACES}",
        )
    if words[1] != "ascii" and least > len(data) - end:
        raise refused(where, f"{len(data) - end} bytes of at least {least}", "the whole file")


def _promised(lines: list[list[str]], where: str) -> tuple[int, dict[str, int]]:
    """The least bytes that the header's elements take in a binary file, and the count of each."""
    counts: dict[str, int] = {}
    least, name = 0, ""
    for words in lines:
        if not words or words[0] in ("format", "comment", "obj_info"):
            continue
        if words[0] == "element" and len(words) == 3 and _is_count(words[2]):
            name = words[1]
            if name in counts:
                raise refused(where, f"the element {name!r:.20} twice", "each once")
            counts[name] = int(words[2])
        elif words[0] == "property" and name and words[1:2] == ["list"] and len(words) == 5:
            least += counts[name] * _width(words[2], where)
        elif words[0] == "property" and name and len(words) == 3:
            least += counts[name] * _width(words[1], where)
        else:
            raise refused(where, f"the header line {' '.join(words)!r:.40}", "elements and their properties")
    return least, counts


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 12


def _named(counts: dict[str, int]) -> str:
    return ", ".join(f"{name!r:.20}" for name in list(counts)[:4]) or "none"


def _width(kind: str, where: str) -> int:
    if kind not in _PLY_BYTES:
        raise refused(where, f"a property of type {kind!r:.20}", "a number")
    return _PLY_BYTES[kind]


def _check_size(data: bytes, where: str) -> None:
    if len(data) > MAX_TEXT_BYTES:
        raise AssetError(
            f"Found {len(data)} bytes in '{where}', expected at most {MAX_TEXT_BYTES}; use fewer faces."
        )
