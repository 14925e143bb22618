"""The public folder layouts of NeRSemble (Kirschstein et al. 2023) as frames of guidance's data.

Two versions are read, as their own repositories describe them (tobias-kirschstein/nersemble, the data
manager's docstring; tobias-kirschstein/nersemble-data, constants and README):

    version 1 (frames)    030/camera_params.json
                          030/sequences/EMO-1-shout+laugh/frame_00000/images-2x-73fps/cam_222200037.png
                          …/frame_00000/alpha_map-73fps/cam_222200037.png   (also without "-73fps")
    version 2 (videos)    030/calibration/camera_params.json
                          030/sequences/EMO-1-shout+laugh/images/cam_222200037.mp4

`camera_params.json` holds `world_2_cam` (4×4 by camera, OpenCV's axes) and one `intrinsics` (3×3, for
pictures of 2200 × 3208 pixels) for all 16 cameras. Masks of version 2, and normal maps of either, are no
part of the public data: one's own are found in the sequence's `frame_00012/alpha_map/` and
`frame_00012/normals/`, by the camera's name.

A sequence holds several expressions and no label says when: it offers its candidates (and neutral), and each
moment is told as the nearest of them by the reader, or not at all where that is not clear. The shipped reader
never saw a real face: a file of labels says it better.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS
from idto3d.train.frames import Frame, Layout, Lens, Picture

CAMERAS = 16
CALIBRATED_WIDTH = 2200  # pixels; of the pictures that the intrinsics are for
# By what the names of the sequences say; which frames show it is read.
SEQUENCES: dict[str, tuple[str, ...]] = {
    "EMO-1-shout+laugh": ("shout", "laugh"),
    "EMO-2-surprise+fear": ("surprise", "fear"),
    "EMO-3-angry+sad": ("anger", "sadness"),
    "EMO-4-disgust+happy": ("disgust", "smile"),
    "EXP-2-eyes": ("eyes_closed",),
    "EXP-3-cheeks+nose": ("cheek_puff",),
    "EXP-4-lips": ("kiss",),
}
LICENCE = (
    "NeRSemble: given on request, under the terms that were agreed to then; ask its authors before anything "
    "made from it is passed on"
)
IMAGE_FOLDERS = ("images-2x-73fps", "images-2x", "images")
MASK_FOLDERS = ("alpha_map-73fps", "alpha_map")
NORMAL_FOLDERS = ("normals",)


def read_nersemble(
    folder: Path, *, moments: int = 12, labels: Path | None = None, licence: str | None = None
) -> Layout:
    """The frames of a NeRSemble folder.

    Args:
        folder: that holds the participants' folders.
        moments: evenly spaced times taken of each mapped sequence.
        labels: CSV of participant, sequence, frame, expression, which says what single frames show; others
            of its sequences are left out.
        licence: in place of `LICENCE`.

    Raises:
        UserError: no participant's folder there, or a malformed file of labels.
    """
    people = sorted(path.parent for path in folder.glob("*/sequences") if path.is_dir())
    if not people:
        raise UserError(
            f"Found no participant in '{folder}', expected folders such as 030/sequences; name the folder "
            "that NeRSemble was downloaded to."
        )
    named = None if labels is None else _labels(labels)
    found: list[tuple[Frame, ...]] = []
    unmapped: set[str] = set()
    refused: list[tuple[str, str]] = []
    versions: set[str] = set()
    for person in people:
        try:
            lens, outside = _calibration(person)
        except UserError as error:
            refused.append((person.name, str(error)))
            continue
        for sequence in sorted(path for path in (person / "sequences").iterdir() if path.is_dir()):
            if sequence.name not in SEQUENCES:
                unmapped.add(sequence.name)
                continue
            version, times = _times(sequence)
            if not times:
                refused.append((f"{person.name}/{sequence.name}", "no frame and no readable video in it"))
                continue
            versions.add(version)
            told = None if named is None else named.get((person.name, sequence.name), {})
            for time in _chosen(times, moments) if told is None else sorted(set(told) & set(times)):
                shown = (EXPRESSIONS[0], *SEQUENCES[sequence.name]) if told is None else (told[time],)
                found.append(tuple(_frames(person.name, sequence, time, shown, lens, outside, refused)))
    names = " and ".join(sorted(versions)) or "no sequences"
    return Layout(
        name=f"nersemble, {names}",
        moments=tuple(moment for moment in found if moment),
        licences=(licence or LICENCE,),
        unmapped=tuple(sorted(unmapped)),
        refused=tuple(refused),
        facts={
            "sequences": {name: list(shown) for name, shown in SEQUENCES.items()},
            "labels": "read by the reader" if labels is None else labels.name,
            "never_mapped": [
                name for name in EXPRESSIONS[1:] if not any(name in shown for shown in SEQUENCES.values())
            ],
        },
    )


def _calibration(person: Path) -> tuple[Lens, dict[str, tuple[tuple[float, ...], ...]]]:
    places = [person / "calibration" / "camera_params.json", person / "camera_params.json"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise UserError(f"no camera_params.json in {person.name} or {person.name}/calibration")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        matrix = np.asarray(content["intrinsics"], np.float64).reshape(3, 3)
        matrix[:2, 2] += 0.5  # pixel centres at + 0.5
        outside = {
            str(serial): _rows(np.asarray(pose, np.float64).reshape(4, 4))
            for serial, pose in content["world_2_cam"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"camera_params.json of {person.name} is malformed ({error})") from error
    return Lens(_rows(matrix), CALIBRATED_WIDTH), outside


def _times(sequence: Path) -> tuple[str, list[int]]:
    """Which version a sequence is of, and the numbers of its frames."""
    videos = sorted((sequence / "images").glob("cam_*.mp4"))
    if videos:
        video = cv2.VideoCapture(str(videos[0]))
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        video.release()
        return "version 2 (videos)", list(range(max(0, count)))
    frames = [path for path in sequence.glob("frame_*") if _first(path, IMAGE_FOLDERS) is not None]
    numbers = (re.fullmatch(r"frame_(\d+)", path.name) for path in frames)
    return "version 1 (frames)", sorted(int(number[1]) for number in numbers if number)


def _chosen(times: list[int], count: int) -> list[int]:
    picked = np.linspace(0, len(times) - 1, min(count, len(times))).round().astype(int)
    return [times[i] for i in picked]


def _frames(
    person: str,
    sequence: Path,
    time: int,
    shown: tuple[str, ...],
    lens: Lens,
    outside: Mapping[str, tuple[tuple[float, ...], ...]],
    refused: list[tuple[str, str]],
) -> Iterable[Frame]:
    moment = sequence / f"frame_{time:05d}"
    images = _first(moment, IMAGE_FOLDERS)
    paths = sorted(images.glob("cam_*.*")) if images else sorted((sequence / "images").glob("cam_*.mp4"))
    for path in paths:
        serial = path.stem.removeprefix("cam_")
        name = f"{person}/{sequence.name}/{time:05d}/{serial}"
        if serial not in outside:
            refused.append((name, "its camera is not in camera_params.json"))
            continue
        yield Frame(
            subject=person,
            name=name,
            picture=Picture(path, None if images else time),
            expressions=shown,
            mask=_beside(moment, MASK_FOLDERS, path.stem),
            normals=_beside(moment, NORMAL_FOLDERS, path.stem),
            lens=lens,
            world_to_camera=outside[serial],
        )


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _beside(folder: Path, names: tuple[str, ...], stem: str) -> Path | None:
    return next((path for name in names if (path := folder / name / f"{stem}.png").is_file()), None)


def _labels(path: Path) -> dict[tuple[str, str], dict[int, str]]:
    found: dict[tuple[str, str], dict[int, str]] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        for row in rows:
            try:
                name = row["expression"].strip()
                if name not in EXPRESSIONS:
                    raise ValueError(f"no expression {name!r}")
                person = row["participant"].strip().zfill(3)
                found.setdefault((person, row["sequence"].strip()), {})[int(row["frame"])] = name
            except (KeyError, ValueError, AttributeError) as error:
                raise UserError(
                    f"Found a malformed line {rows.line_num} in '{path.name}' ({error}), expected "
                    f"participant, sequence, frame and one of {', '.join(EXPRESSIONS)}; correct it."
                ) from error
    return found


def _rows(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)
