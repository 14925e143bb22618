"""Pictures of a run as a page shows them: bounded before they are decoded, made small, kept by content."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

import streamlit

from idto3d.glb_bounds import IMAGE_FORMATS, MAX_PIXELS, brief
from idto3d_dashboard.reading.files import inside, stamp

MAX_BYTES = 32 * 2**20  # of a picture's file: 4096² pixels of a photo stay far below
KEPT = 4000  # small pictures held at once, of about 5 kB


@dataclass(frozen=True)
class Picture:
    """A small picture as a data URI, or why there is none; and where its file lies in the run's folder."""

    source: str
    reason: str
    place: str


def picture(root: Path, place: str, side: int) -> Picture:
    """A picture of a run, at most so many pixels wide and high."""
    path = inside(root, place)
    if path is None:
        return Picture("", "no such picture in the run's folder", place)
    return Picture(*_small(*stamp(path), side), place)


def folder_of(root: Path, place: str) -> tuple[str, ...]:
    """Places of a folder's files, in the order of their names; none where it is missing."""
    try:
        return tuple(f"{place}/{path.name}" for path in sorted((root / place).iterdir()))
    except OSError:
        return ()


@streamlit.cache_resource(max_entries=KEPT, show_spinner=False)
def _small(path: str, changed: int, size: int, side: int) -> tuple[str, str]:
    """Data URI and reason, one of which is empty."""
    del changed  # a part of the key alone: another picture, read anew
    from PIL import Image

    if size > MAX_BYTES:
        return "", f"a picture of {size} bytes, expected at most {MAX_BYTES}"
    try:
        with Image.open(path, formats=IMAGE_FORMATS) as opened:  # reads the header alone
            width, height = opened.size
            if width * height > MAX_PIXELS:
                return "", f"a picture of {width} × {height}, expected at most {MAX_PIXELS} pixels"
            opened.draft("RGB", (side, side))
            image = opened.convert("RGB")
    except Exception as error:  # a foreign picture in a foreign decoder: whatever it raises is one bad file
        return "", f"no picture that can be read ({brief(error)})"
    image.thumbnail((side, side))
    written = io.BytesIO()
    image.save(written, "WEBP", quality=86)
    return f"data:image/webp;base64,{b64encode(written.getvalue()).decode()}", ""
