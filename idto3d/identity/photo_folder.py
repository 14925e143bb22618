"""Which files a user means by "photos", and which of those show a face that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from idto3d.errors import UserError
from idto3d.identity.detector import Detector
from idto3d.identity.given_photo import read_given_photo
from idto3d.identity.reader import NoFace, Reader, read_faces

MOST_PHOTOS = 64  # of one person; each is held in memory while it is read


@dataclass(frozen=True)
class SkippedPhoto:
    """A file that no head is made from, and why."""

    path: Path
    reason: str


def photo_paths(given: Sequence[Path]) -> list[Path]:
    """Files as they were given, and folders as the files in them by name, each once; hidden files and
    folders inside are no photos.

    Raises:
        UserError: nothing given, nothing there, no file in a folder, or more than 64 files.
    """
    paths: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = [entry for entry in sorted(path.iterdir()) if entry.is_file() and entry.name[0] != "."]
            if not inside:
                raise UserError(f"Found no file in '{path}', expected photos of one person; add them there.")
            paths += inside
        elif path.is_file():
            paths.append(path)
        else:
            raise UserError(
                f"Found no photo at {path}, expected a readable image file or a folder of them; check the "
                "name."
            )
    first = {path.resolve(): number for number, path in reversed(list(enumerate(paths)))}
    paths = [paths[number] for number in sorted(first.values())]
    if not paths:
        raise UserError("Found 0 photos, expected at least 1; name photos of the person, or their folder.")
    if len(paths) > MOST_PHOTOS:
        raise UserError(
            f"Found {len(paths)} photos, expected at most {MOST_PHOTOS}; a head needs no more than a few."
        )
    return paths


def usable_photos(
    paths: Sequence[Path], reader: Reader | None, detector: Detector | None = None
) -> tuple[list[Path], list[SkippedPhoto]]:
    """The photos with a readable face, in their order, and what was left out.

    Args:
        paths: files; any of them may be no image.
        reader: looks for the face.
        detector: for photos whose face is small, and for all where there is no reader.

    Raises:
        UserError: none is usable; the sentence names the first and says why.
    """
    usable, skipped = [], []
    for path in paths:
        reason = _refusal(path, reader, detector)
        if reason is None:
            usable.append(path)
        else:
            skipped.append(SkippedPhoto(path, reason))
    if not usable:
        others = f" (and none in {len(skipped) - 1} more)" if len(skipped) > 1 else ""
        raise UserError(f"{skipped[0].reason.removesuffix('.')}{others}.")
    return usable, skipped


def _refusal(path: Path, reader: Reader | None, detector: Detector | None) -> str | None:
    """Why a file is no photo to make a head from; None where it is one."""
    try:
        image = read_given_photo(path)
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"Found no readable file at '{path.name}' ({error.strerror or error}), expected a photo."
    if reader is None:
        found = detector.detect(image) if detector else []
        why = "" if found else "no face was detected"
    else:
        read = read_faces(reader, [image], detector)[0]
        why = read.reason if isinstance(read, NoFace) else ""
    if not why:
        return None
    return (
        f"Found no readable face in '{path.name}' ({why}), expected one clearly visible face; "
        "replace or remove the photo."
    )
