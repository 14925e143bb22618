"""The file that a run's archive is: a zip of plain JSON and arrays, the same bytes for the same run, and
trusted in nothing when it is read.

    archive.json                   every job's record, and the sha256 of every other member
    protocol.json                  what was run
    files/JOB/NAME                 tables, references, readings; no head, no picture, no pickle
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from idto3d.errors import UserError
from idto3d_eval.archive_members import check_arrays, check_rows
from idto3d_eval.keys import content_key
from idto3d_eval.tables import ROWS_FILE
from idto3d_protocols.schema import Protocol

MIB = 2**20
MAX_BYTES = 128 * MIB  # of the file; twelve people and twenty rows take 7 MiB
MAX_UNPACKED = 256 * MIB
MAX_MEMBER = 32 * MIB
MAX_MEMBERS = 50_000
_MAX_DIRECTORY = 8 * MIB  # of the zip's own list of members, read before anything is
_HEADER, _PROTOCOL, _FILES = "archive.json", "protocol.json", "files/"
_ID, _LABEL = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", r"[a-z][a-z0-9_]{0,79}"
_BY = f"(_by/{_LABEL})?"  # another recogniser's readings
_JOB = re.compile(
    rf"gallery{_BY}|(photos|references){_BY}/{_ID}|(identities|appearance_references)/{_ID}|scores/{_LABEL}|"
    rf"shapes/{_LABEL}/{_ID}|"
    rf"(features{_BY}|heads|views|appearance|environments|sessions)/{_LABEL}/{_ID}/seed-[0-9]{{1,10}}"
)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(json|npz)")
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can say: no member tells when it was made

# What the libraries raise for members that are not what they should be.
_DAMAGE = (
    ValueError,
    KeyError,
    EOFError,
    OSError,
    OverflowError,
    RecursionError,
    NotImplementedError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)

Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ArchiveError(UserError):
    """A file that is no archive, or not the one that was written."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ArchivedRecord(_Model):
    """What the index remembered of a job; see `store.Record`."""

    job: Annotated[str, Field(max_length=256)]
    key: Sha
    status: Literal["done", "failed"]
    digest: Sha
    reason: Annotated[str, Field(max_length=200_000)] = ""
    seconds: Annotated[float, Field(ge=0)] = 0.0
    peak_memory_mib: Annotated[float, Field(ge=0)] = 0.0
    guidance_calls: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=0)] = 0
    device: Annotated[str, Field(max_length=200)] = ""
    device_memory_mib: Annotated[float, Field(ge=0)] = 0.0
    energy_joules: Annotated[float, Field(ge=0)] | None = None
    energy_note: Annotated[str, Field(max_length=1000)] = ""
    facts: dict[str, JsonValue] = {}


class Header(_Model):
    """`archive.json`."""

    schema_version: Literal[1]
    records: Annotated[tuple[ArchivedRecord, ...], Field(max_length=MAX_MEMBERS * 4)]
    files: dict[str, Sha]


@dataclass(frozen=True)
class Archive:
    """An archive that was read and found whole."""

    sha256: str
    protocol: Protocol
    records: tuple[ArchivedRecord, ...]
    files: Mapping[str, Mapping[str, bytes]]  # job -> file name -> content


def archive_bytes(
    protocol: Protocol, records: tuple[ArchivedRecord, ...], files: Mapping[str, Mapping[str, bytes]]
) -> bytes:
    """The file's content; equal arguments give equal bytes with one version of zlib.

    Args:
        protocol: what was run.
        records: of all jobs, those without files among them.
        files: job -> file name -> content.
    """
    members = {f"{_FILES}{job}/{name}": data for job, own in files.items() for name, data in own.items()}
    members[_PROTOCOL] = (protocol.model_dump_json(indent=1) + "\n").encode()
    header = Header(
        schema_version=1,
        records=tuple(sorted(records, key=lambda record: record.job)),
        files={name: _sha256(data) for name, data in sorted(members.items())},
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, data in [(_HEADER, header.model_dump_json().encode()), *sorted(members.items())]:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same on every system
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".npz") else zipfile.ZIP_DEFLATED
            packed.writestr(entry, data)
    return buffer.getvalue()


def read_archive(path: Path) -> Archive:
    """Reads and checks a whole archive; nothing of it is decoded before its size is known to be bounded.

    Raises:
        ArchiveError: missing, truncated, too large, or not what `archive_bytes` writes.
    """
    data = _read(path)
    try:
        members = _members(data)
        header = Header.model_validate_json(members.pop(_HEADER), strict=True)
        if {name: _sha256(content) for name, content in members.items()} != header.files:
            raise ValueError("its members are not those that it lists")
        protocol = Protocol.model_validate_json(members.pop(_PROTOCOL), strict=True)
        return Archive(_sha256(data), protocol, header.records, _by_job(header.records, members))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _damaged(path, f"field {where or 'of its header'}: {first['msg']}") from None
    except _DAMAGE as error:
        raise _damaged(path, str(error) or type(error).__name__) from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ArchiveError(
            f"Found no readable archive at {path} ({error.strerror}), expected a file that "
            "'idto3d-eval archive' wrote; check the path."
        ) from None
    if len(data) > MAX_BYTES:
        raise ArchiveError(
            f"Found more than {MAX_BYTES // MIB} MiB at {path}, expected an archive within that; it holds no "
            "heads and no pictures, so check what this is."
        )
    return data


def _members(data: bytes) -> dict[str, bytes]:
    """All members, after their list was found short enough to be read and its sums small enough."""
    _check_directory(data)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        entries = packed.infolist()
        names = [entry.filename for entry in entries]
        if len(entries) > MAX_MEMBERS or len(set(names)) < len(names):
            raise ValueError(f"{len(entries)} members, expected each once and at most {MAX_MEMBERS}")
        if any(entry.file_size > MAX_MEMBER for entry in entries):
            raise ValueError(f"a member of more than {MAX_MEMBER // MIB} MiB")
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
            raise ValueError(f"more than {MAX_UNPACKED // MIB} MiB when unpacked")
        found = {}
        for entry in entries:
            if entry.flag_bits & 0x1 or entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise ValueError(f"member {entry.filename[:80]!r} packed in a way that archives are not")
            with packed.open(entry) as stream:
                found[entry.filename] = stream.read(entry.file_size + 1)  # checked against its CRC
        return found


def _check_directory(data: bytes) -> None:
    """The zip's end record, before the library trusts it: its list of members must be short."""
    end = data[-22:]
    if len(end) < 22 or end[:4] != b"PK\x05\x06" or end[20:] != b"\0\0" or data[-42:-38] == b"PK\x06\x07":
        raise ValueError("its end is missing")
    count, size = struct.unpack("<HL", end[10:16])
    if count > MAX_MEMBERS or size > _MAX_DIRECTORY:
        raise ValueError(f"{count} members in a list of {size} bytes")


def _by_job(records: tuple[ArchivedRecord, ...], members: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """The members under the jobs that they belong to, each checked for what it claims to be."""
    jobs = {record.job for record in records if record.status == "done"}
    if len({record.job for record in records}) < len(records):
        raise ValueError("a job with two records")
    for record in records:
        if not _JOB.fullmatch(record.job):
            raise ValueError(f"a job called {record.job[:80]!r}")
    found: dict[str, dict[str, bytes]] = {}
    for path, content in members.items():
        job, _, name = path.removeprefix(_FILES).rpartition("/")
        if not path.startswith(_FILES) or job not in jobs or not _FILE.fullmatch(name):
            raise ValueError(f"a member called {path[:80]!r}")
        if name == ROWS_FILE:
            check_rows(content)
        elif name.endswith(".npz"):
            check_arrays(content)
        found.setdefault(job, {})[name] = content
    return found


def content_digest(files: Mapping[str, bytes]) -> str:
    """The digest that `keys.folder_digest` finds once these files lie in a folder."""
    return content_key({name: _sha256(data) for name, data in files.items()})


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _damaged(path: Path, what: str) -> ArchiveError:
    told = json.dumps(" ".join(what.split())[:200], ensure_ascii=False)[1:-1].rstrip(".")
    return ArchiveError(
        f"Found a damaged archive at {path} ({told}), expected it as 'idto3d-eval archive' wrote it; fetch "
        "or write it again."
    )
