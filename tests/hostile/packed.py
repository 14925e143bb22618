"""Hostile archives of runs: zips that climb, unpack without end, lie about sizes, or hold pickles."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from idto3d_protocols.loader import load_protocol
from tests.hostile.case import ACCEPTED, Case, damaged, noise, one

READER = "archive"
JOB = "gallery"
RECORD = {"job": JOB, "key": "0" * 64, "status": "done", "digest": "0" * 64}


def cases() -> Iterator[Case]:
    """All of them."""
    yield one("archive sound", READER, "a.zip", archive, ACCEPTED)
    yield from damaged("archive", READER, "a.zip", archive, 5, 10)
    for name, member in _members().items():
        yield one(f"archive {name}", READER, "a.zip", lambda member=member: archive(member()))
    for name, change in _headers().items():
        yield one(f"archive {name}", READER, "a.zip", lambda change=change: archive(**change))
    for name, make in _zips().items():
        yield one(f"archive {name}", READER, "a.zip", make)


def archive(
    members: Mapping[str, bytes] | None = None, records: list[Any] | None = None, **header: Any
) -> bytes:
    """An archive of one job; its header tells of all members, rightly unless `header` says otherwise."""
    found = {"protocol.json": _protocol(), **(members or {f"files/{JOB}/a.npz": npz(a=np.zeros(4))})}
    told = {
        "schema_version": 1,
        "records": [RECORD] if records is None else records,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in found.items()},
        **header,
    }
    return zipped({"archive.json": json.dumps(told).encode(), **found})


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for name, data in members.items():
            packed.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def npz(**arrays: Any) -> bytes:
    """Arrays as numpy packs them."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    """An array's file with any header."""
    text = header.encode() + b"\n"
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(text))
        + text
        + data
    )


@functools.cache
def _protocol() -> bytes:
    return load_protocol("smoke").model_dump_json().encode()


def _array(header: str, data: bytes = b"", version: int = 1) -> dict[str, bytes]:
    return {f"files/{JOB}/a.npz": zipped({"a.npy": npy(header, data, version)})}


def _members() -> dict[str, Any]:
    def named(name: str, data: bytes = b"{}") -> Any:
        return lambda: {name: data}

    plain = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }"
    return {
        "climbs": named("../../owned.json"),
        "climbs inside": named(f"files/{JOB}/../../owned.json"),
        "absolute": named("/tmp/owned.json"),
        "backslashes": named("files\\gallery\\a.json"),
        "drive": named("C:/owned.json"),
        "other job": named("files/views/a/b/seed-0/a.json"),
        "pickle": named(f"files/{JOB}/a.pkl", b"\x80\x04."),
        "picture": named(f"files/{JOB}/a.png"),
        "array of objects": lambda: _array(plain % ("|O", "(1,)"), b"\x80\x04N."),
        "array endless": lambda: _array(plain % ("<f8", "(99999999999999, 9999999)")),
        "array overflow": lambda: _array(plain % ("<f8", "(2305843009213693952, 8)")),
        "array negative": lambda: _array(plain % ("<f8", "(-1, 3)")),
        "array header code": lambda: _array("__import__('os').system('touch owned')"),
        "array header deep": lambda: _array("{'descr': " + "(" * 5_000 + ")" * 5_000 + "}"),
        "array header nested lists": lambda: _array(plain % ("<f8", "[" * 90 + "]" * 90)),
        "array version 9": lambda: _array(plain % ("<f8", "(1,)"), bytes(8), 9),
        "array empty header": lambda: _array(""),
        "array of records": lambda: _array(
            "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }"
        ),
        "array cut": lambda: {f"files/{JOB}/a.npz": npz(a=np.arange(9_000))[:300]},
        "arrays many": lambda: {f"files/{JOB}/a.npz": npz(**{f"a{n}": np.zeros(1) for n in range(80)})},
        "array bomb": lambda: {f"files/{JOB}/a.npz": npz(a=np.zeros(12_000_000))},
        "rows nested": lambda: {f"files/{JOB}/rows.json": b"[" * 100_000},
        "rows of numbers": lambda: {f"files/{JOB}/rows.json": b"[1, 2]"},
        "rows of nan": lambda: {f"files/{JOB}/rows.json": b'[["a", "b", "c", 0, "d", NaN, ""]]'},
        "rows huge": lambda: {f"files/{JOB}/rows.json": b"[" + b"0," * 10_000_000 + b"0]"},
    }


def _headers() -> dict[str, dict[str, Any]]:
    return {
        "schema 2": {"schema_version": 2},
        "schema text": {"schema_version": "1"},
        "records none": {"records": []},
        "records twice": {"records": [RECORD, RECORD]},
        "record of a path": {"records": [{**RECORD, "job": "../../owned"}]},
        "record of nan": {"records": [{**RECORD, "seconds": float("nan")}]},
        "record unknown field": {"records": [{**RECORD, "made": "up"}]},
        "record key short": {"records": [{**RECORD, "key": "0"}]},
        "record job list": {"records": [{**RECORD, "job": ["a"]}]},
        "files wrong": {"files": {"protocol.json": "0" * 64}},
        "files as list": {"files": []},
        "another field": {"more": 1},
    }


def _zips() -> dict[str, Any]:
    def bomb() -> bytes:
        return zipped({f"files/{JOB}/{n}.json": bytes(30_000_000) for n in range(12)})

    def twice() -> bytes:
        buffer = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as packed:
            warnings.simplefilter("ignore")
            packed.writestr("archive.json", b"{}")
            packed.writestr("archive.json", b"[]")
        return buffer.getvalue()

    def lying(size: int) -> bytes:
        """The list of members says another size than the member has."""
        data = bytearray(archive())
        place = data.index(b"PK\x01\x02")
        data[place + 24 : place + 28] = struct.pack("<L", size)
        return bytes(data)

    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 65_535, 65_535, 2**32 - 2, 0, 0)
    return {
        "zip bomb": bomb,
        "member twice": twice,
        "size lied small": lambda: lying(10),
        "size lied large": lambda: lying(2**31),
        "many members": lambda: zipped({f"{n}": b"" for n in range(60_000)}, zipfile.ZIP_STORED),
        "endless directory": end,
        "end alone": b"PK\x05\x06" + bytes(18),
        "comment": archive()[:-2] + b"\x05\0abcde",
        "zip64": b"PK\x06\x06" + noise(100) + b"PK\x06\x07" + bytes(16) + b"PK\x05\x06" + bytes(18),
        "bzip2": lambda: zipped({"archive.json": b"{}"}, zipfile.ZIP_BZIP2),
        "lzma": lambda: zipped({"archive.json": b"{}"}, zipfile.ZIP_LZMA),
        "encrypted": lambda: _flagged(archive(), 1),
        "no header": lambda: zipped({"protocol.json": _protocol()}),
        "header nested": lambda: zipped({"archive.json": b"[" * 300_000}),
        "header large": lambda: zipped({"archive.json": b'{"a": "' + b"a" * 31_000_000 + b'"}'}),
        "no protocol": lambda: zipped({"archive.json": b'{"schema_version": 1, "records": [], "files": {}}'}),
        "a jar": lambda: zipped({"META-INF/MANIFEST.MF": b"Main-Class: a\n"}),
        "text": b"not a zip",
        "empty": b"",
        "noise": noise(9_000),
    }


def _flagged(data: bytes, flag: int) -> bytes:
    """All members marked with a flag, encryption for one."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := changed.find(mark, place + 1)) >= 0:
            changed[place + offset] |= flag
    return bytes(changed)
