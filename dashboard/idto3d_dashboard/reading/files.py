"""Files of a run, found by a path that a summary or a row gave, and never outside of the run's folder."""

from __future__ import annotations

from pathlib import Path


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
