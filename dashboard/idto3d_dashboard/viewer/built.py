"""Where the bundle lies: `viewer.js`, `viewer.classic.js` for pages opened from disk, `viewer.css`."""

from __future__ import annotations

from pathlib import Path

from idto3d.errors import UserError

FILES = ("viewer.js", "viewer.classic.js", "viewer.css", "rater.js", "rater.css", "three.LICENSE.txt")
_BUILD = Path(__file__).parent / "build"


def built_file(name: str) -> Path:
    """A file of the bundle.

    Args:
        name: one of `FILES`.

    Raises:
        UserError: there is no such file, or the viewer has not been built.
    """
    if name not in FILES:
        raise UserError(
            f"Found viewer file {name!r}, expected one of {', '.join(FILES)}; choose one of these."
        )
    path = _BUILD / name
    if not path.is_file():
        raise UserError(
            f"Found no built 3D viewer ('{name}' is missing), expected the one that installing makes; "
            "run 'pip install .' again where npm's registry can be reached."
        )
    return path
