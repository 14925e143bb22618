"""Files of a run, found by a path that a summary or a row gave, and never outside of the run's folder."""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[str, int, int]


def inside(folder: Path, path: str) -> Path | None:
    """A file of a run; None where there is none, or where the path or a link leads out of the run.

    Args:
        folder: of the run.
        path: relative to it.
    """
    root = folder.resolve()
    try:
        found = (root / path).resolve(strict=True)
    except (OSError, ValueError):
        return None
    return found if found.is_relative_to(root) and found.is_file() else None


def stamp(path: Path) -> Stamp:
    """What tells a file's contents from earlier ones: name, time of change, size; zeros where it is not."""
    try:
        told = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), told.st_mtime_ns, told.st_size
