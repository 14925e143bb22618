"""Where a run's files lie: whatever a page opens is asked for here, and lies inside the run's folder."""

from __future__ import annotations

from pathlib import Path

from idto3d.errors import UserError

Stamp = tuple[str, int, int]


def inside(root: Path, *parts: str) -> Path:
    """A place in a run's folder, with all links followed; whether something is there is for the caller.

    Args:
        root: the run's folder.
        parts: names below it, such as "heads/oracle" and "heldout-0000".

    Raises:
        UserError: the place lies outside, by "..", by a link, or because it is no path.
    """
    home = root.resolve()
    try:
        place = home.joinpath(*parts).resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, or a zero byte
        place = home.parent
    if not place.is_relative_to(home):
        raise UserError(
            f"Found {'/'.join(parts)!r} leading out of the run {root.name}, expected a file inside its "
            "folder; put the file itself there."
        )
    return place


def stamp(path: Path) -> Stamp:
    """What tells a file's contents from earlier ones: name, time of change, size; zeros where it is not."""
    try:
        told = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), told.st_mtime_ns, told.st_size
