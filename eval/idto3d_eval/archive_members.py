"""What may stand in an archive's members: arrays without pickle and of a bounded size, and score rows."""

from __future__ import annotations

import io
import json
import math
import zipfile
from typing import IO

import numpy as np

MAX_ARRAYS = 64
MAX_ARRAY_BYTES = 64 * 2**20  # of all arrays of one file, unpacked
MAX_ROWS = 200_000
_HALF_UP_TO = 2048.0  # a half keeps eleven bits: whole pixels up to here, 1/4096 for cosines


def halved(data: bytes) -> bytes:
    """An .npz with its single and double precision numbers as halves, where those can hold them.

    Args:
        data: an .npz that this program wrote.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for name, array in arrays.items():
        finite = np.abs(array[np.isfinite(array)]) if array.dtype.kind == "f" else None
        if finite is not None and (finite.size == 0 or finite.max() <= _HALF_UP_TO):
            arrays[name] = array.astype(np.float16)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)  # dates every member 1980-01-01
    return buffer.getvalue()


def check_arrays(data: bytes) -> None:
    """Refuses an .npz that would unpack to more than it may, or needs pickle.

    Raises:
        ValueError: what is wrong with it.
        zipfile.BadZipFile: it is no .npz.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        entries = packed.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        if len(entries) > MAX_ARRAYS or unpacked > MAX_ARRAY_BYTES:
            raise ValueError(f"{len(entries)} arrays of {unpacked} bytes")
        for entry in entries:
            with packed.open(entry) as stream:
                _check_array(entry, stream)


def check_rows(data: bytes) -> None:
    """Refuses score rows that are not what `tables.write_rows` writes.

    Raises:
        ValueError: what is wrong with them.
        RecursionError: they are nested.
    """
    lines = json.loads(data)
    if not isinstance(lines, list) or len(lines) > MAX_ROWS:
        raise ValueError("score rows that are no list, or too long a one")
    for line in lines:
        if not isinstance(line, list) or len(line) != 7:
            raise ValueError("a score row that has not seven parts")
        *texts, metric, value, reason = line[:3] + line[4:]
        if not all(isinstance(text, str) for text in (*texts, metric, reason)) or type(line[3]) is not int:
            raise ValueError("a score row with a name that is no text")
        known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not known and (value is not None or not reason):
            raise ValueError("a score row without a finite number or a reason")


def _check_array(entry: zipfile.ZipInfo, stream: IO[bytes]) -> None:
    """The header of one array: a plain type, and as many bytes as the member has."""
    major, minor = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if (major, minor) not in read:
        raise ValueError(f"an array of format {major}.{minor}")
    shape, _, dtype = read[major, minor](stream)
    if dtype.hasobject:
        raise ValueError("an array of Python objects")
    size = math.prod(shape) * dtype.itemsize
    if any(side < 0 for side in shape) or size > MAX_ARRAY_BYTES or size > entry.file_size:
        raise ValueError(f"an array {shape} that its file does not hold")
