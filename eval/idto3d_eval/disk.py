"""Files written whole or not at all, and a full disk told in one sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from idto3d.errors import UserError

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskFull(UserError):
    """No room is left for an artefact; what was finished before is untouched."""


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that after a kill or a power cut it is the old one or the new one, whole.

    Raises:
        OSError: when it cannot be written; the old file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def full_disk_is_told(folder: Path) -> Iterator[None]:
    """Turns the system's "no space left" into one sentence.

    Raises:
        DiskFull: in place of an OSError that says the disk or the quota is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        raise disk_full(folder) from error


def disk_full(folder: Path) -> DiskFull:
    """The sentence for a full disk, with what is left of it."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free / 2**20
    return DiskFull(
        f"Found {free:.1f} MiB free on the disk that holds {folder}, expected room for the next artefact; "
        "everything finished is kept, so free some space and run the same command again."
    )


def is_full_disk(error: BaseException) -> bool:
    """Whether a full disk lies behind an exception, however many libraries wrapped it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, DiskFull):
            return True
        if isinstance(current, OSError) and current.errno in FULL_DISK:
            return True
        if "no space left on device" in str(current).lower():
            return True
        current = current.__cause__ or current.__context__
    return False


def sync_tree(folder: Path) -> None:
    """Brings all files and names under a folder to the disk itself."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            _sync_file(path)
        else:
            sync_folder(path)
    sync_folder(folder)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Brings a folder's list of names to the disk itself."""
    _sync_file(folder)
