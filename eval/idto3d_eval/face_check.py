"""Whether a photo shows a face, and the part of it that is kept: the face with room around it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from idto3d.identity.detector import Detector
    from idto3d.identity.reader import Reader

JPEG_QUALITY = 95
ROOM = 1.8  # sides of a face's box that are kept around it: what `idto3d.identity.reader` first looks at


@dataclass(frozen=True)
class FaceCheck:
    """What looks for the face in a photo, and how it is called in the record."""

    name: str
    reader: Reader | None = None
    detector: Detector | None = None


def face_of(path: Path, check: FaceCheck) -> np.ndarray[Any, Any]:
    """A photo [H, W, 3] uint8, cut to its largest face with room where a detector finds it.

    Raises:
        UserError: it cannot be decoded within bounds, has no face, or one too small to be read.
    """
    from idto3d.identity.given_photo import read_given_photo
    from idto3d.identity.photo import SMALLEST_SIDE
    from idto3d.identity.reader import NoFace, read_faces

    image = read_given_photo(path)
    if check.detector is not None:
        found = check.detector.detect(image)
        cut = _cut(image, found[0].box) if found else None
        if cut is not None and min(cut.shape[:2]) >= SMALLEST_SIDE:
            return cut
        why = "no face was detected" if cut is None else f"its face is {min(cut.shape[:2])} pixels wide"
    else:
        assert check.reader is not None
        read = read_faces(check.reader, [image])[0]
        if not isinstance(read, NoFace):
            return image
        why = read.reason
    raise UserError(
        f"Found no readable face in {path.name!r} of {path.parent.name!r} ({why}), expected one clearly "
        "visible face; replace or remove the photo."
    )


def _cut(image: np.ndarray[Any, Any], box: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The square of `ROOM` sides around a box, as far as the image goes."""
    left, top, width, height = (float(number) for number in box)
    half = 0.5 * ROOM * max(width, height)
    x, y = left + width / 2, top + height / 2
    rows = slice(max(0, round(y - half)), min(image.shape[0], round(y + half)))
    columns = slice(max(0, round(x - half)), min(image.shape[1], round(x + half)))
    return image[rows, columns]


def write_face(image: np.ndarray[Any, Any], path: Path) -> None:
    """Write a cut photo as a JPEG without anything beside its pixels."""
    from PIL import Image

    Image.fromarray(image).save(path, quality=JPEG_QUALITY, subsampling=0)
