"""A run without its heads and pictures: what a long table needs to be continued elsewhere.

Of each row that is scored, an archive keeps the records of all jobs (keys, digests, costs), the score rows,
and the readings in half precision; of what rows share, photos' readings, references and gallery, exactly.
Heads and views are known by their digests alone, so that a row is taken as a whole or made again as a whole
(`standing.lacking_files`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from idto3d.errors import UserError
from idto3d.whole_file import write_whole
from idto3d_eval.archive_file import (
    Archive,
    ArchivedRecord,
    ArchiveError,
    archive_bytes,
    content_digest,
    read_archive,
)
from idto3d_eval.archive_members import halved
from idto3d_eval.job_names import row_jobs, shared_jobs
from idto3d_eval.plan_recognisers import BY
from idto3d_eval.plan_scores import scored_rows
from idto3d_eval.run_folder import protocol_of
from idto3d_eval.store import Record, Store
from idto3d_protocols.schema import Protocol

_SHARED = ("photos", "references", "gallery")
WHOLE = (*_SHARED, "scores", *(kind + BY for kind in _SHARED))  # kept to the byte
READINGS = ("features", "features" + BY)  # kept in half precision


@dataclass(frozen=True)
class Packed:
    """What went into an archive, and which rows did not."""

    path: Path
    rows: tuple[str, ...]
    left_out: tuple[str, ...]
    size: int  # bytes


def write_archive(run: Path, out: Path) -> Packed:
    """Packs the rows of a run whose scoring is done; rows that are under way are left out.

    Args:
        run: a run's folder.
        out: the file to write; the same run gives the same bytes.

    Raises:
        UserError: the folder holds no run, or no row of it is scored.
    """
    store = Store(run)
    protocol = protocol_of(store)
    rows = scored_rows(protocol)
    jobs = {label: row_jobs(protocol, label, row) for label, row in rows.items()}
    found = {job: store.record(job) for label in rows for job in jobs[label]}
    complete = tuple(label for label in rows if all(_settled(found[job]) for job in jobs[label]))
    if not complete:
        raise UserError(
            f"Found no row in {run} that is scored, expected at least one; run its protocol first."
        )
    shared = shared_jobs(protocol)
    names = [*shared, *(job for label in complete for job in jobs[label])]
    records = {
        name: record for name in names if (record := store.record(name)) is not None and not record.retry
    }
    files = {name: own for name, record in records.items() if record.done and (own := _files(store, name))}
    packed = archive_bytes(protocol, tuple(_archived(record) for record in records.values()), files)
    write_whole(out, packed)
    left_out = tuple(label for label in rows if label not in complete)
    return Packed(out, complete, left_out, len(packed))


def take_archive(store: Store, path: Path, protocol: Protocol) -> Archive:
    """Puts an archive's records and files into a run's folder, beside what the run made itself.

    Whether a record is of any use is decided by its key, as for every record.

    Args:
        store: of the run, locked.
        path: what `write_archive` wrote.
        protocol: what is run.

    Raises:
        ArchiveError: the archive is damaged, or of another protocol or version.
        DiskFull: no room is left.
    """
    archive = read_archive(path)
    mine, other = (protocol.name, protocol.version), (archive.protocol.name, archive.protocol.version)
    if mine != other:
        raise ArchiveError(
            f"Found an archive of {other[0]} version {other[1]} at {path}, expected one of {mine[0]} version "
            f"{mine[1]}; two protocols or versions never share a table."
        )
    for archived in archive.records:
        _check_whole(archived, archive.files.get(archived.job, {}), path)
    for archived in archive.records:
        own = store.record(archived.job)
        if own is not None and not own.retry and own.archived in {"", archive.sha256}:
            continue
        files = archive.files.get(archived.job, {})
        fileless = _kind(archived.job) not in WHOLE
        record = Record(**archived.model_dump(), archived=archive.sha256, fileless=fileless)
        store.adopt(record, files)
    return archive


def _settled(record: Record | None) -> bool:
    return record is not None and not record.retry


def _files(store: Store, job: str) -> dict[str, bytes]:
    """What an archive keeps of a finished job's files."""
    folder, kind = store.artefact(job), _kind(job)
    if kind not in (*WHOLE, *READINGS) or not folder.is_dir():
        return {}
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    if kind in READINGS:
        files = {name: halved(data) if name.endswith(".npz") else data for name, data in files.items()}
    return files


def _archived(record: Record) -> ArchivedRecord:
    kept = ArchivedRecord.model_fields
    return ArchivedRecord(**{name: value for name, value in vars(record).items() if name in kept})


def _check_whole(record: ArchivedRecord, files: Mapping[str, bytes], path: Path) -> None:
    """What is kept to the byte must be what the record was made of."""
    kept = record.status == "done" and _kind(record.job) in WHOLE
    if kept and content_digest(files) != record.digest:
        raise ArchiveError(
            f"Found other files of {record.job} in {path} than its record tells of, expected those that were "
            "scored; fetch or write the archive again."
        )


def _kind(job: str) -> str:
    return job.partition("/")[0]
