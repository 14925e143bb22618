"""A CSV of pictures as frames of guidance's data: one line a picture, with a header.

| column | what |
|---|---|
| subject | whose picture it is; needed |
| image | path, from the file's own folder; needed |
| expression | one of the 13 names; empty: not told |
| mask | path of a picture, white where the person is |
| normals | path of a normal map, 0.5 + 0.5 n, x right, y up, z to the viewer |
| yaw, pitch, roll | of the camera, degrees: yaw > 0 to the person's left, pitch > 0 above; roll optional |
| distance, fovy | mm from the target, full vertical angle in degrees |
| target_x, target_y, target_z | mm from between the eyes; the head's centre if empty |
| sex, age, skin, hair, hair_colour, beard | words of `idto3d.attributes` |
| licence | of this picture, or the consent that it is used under |

Yaw, pitch, distance and fovy together are the whole camera, and the picture must be square. Yaw and pitch
alone are taken as true and the rest is fitted; fovy alone is the lens. A line that does not fit is left out
and named with its number.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS
from idto3d.render.camera import HEAD_CENTRE, Camera
from idto3d.train.frames import Frame, Layout, Picture

NEEDED = ("subject", "image")
NUMBERS = ("yaw", "pitch", "roll", "distance", "fovy", "target_x", "target_y", "target_z")
COLUMNS = (*NEEDED, "expression", "mask", "normals", *NUMBERS, *Attributes.GROUPS, "licence")


def read_picture_list(path: Path, *, licence: str | None = None) -> Layout:
    """The frames of a CSV file; see the module for its columns.

    Args:
        path: UTF-8, comma-separated.
        licence: for lines without one.

    Raises:
        UserError: no such file, a missing or unknown column, or no licence anywhere.
    """
    if not path.is_file():
        raise UserError(f"Found no file at '{path}', expected a CSV of pictures; check the name.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        columns = [name.strip() for name in rows.fieldnames or ()]
        wrong = [name for name in columns if name not in COLUMNS]
        if wrong or not set(NEEDED) <= set(columns):
            problem = (
                f"an unknown column '{wrong[0]}'" if wrong else f"the columns {', '.join(columns) or 'none'}"
            )
            raise UserError(
                f"Found {problem} in '{path.name}', expected subject and image, and of the others only "
                f"{', '.join(COLUMNS[2:])}; correct the header."
            )
        if licence is None and "licence" not in columns:
            raise UserError(
                f"Found no licence for the pictures of '{path.name}', expected a column 'licence' or "
                "--licence; say under which licence or consent they are used."
            )
        frames: list[Frame] = []
        refused: list[tuple[str, str]] = []
        licences: set[str] = set()
        for cells in rows:
            where = f"{path.name}, line {rows.line_num}"
            row = {
                key.strip(): value.strip()
                for key, value in cells.items()
                if isinstance(key, str) and isinstance(value, str)
            }
            try:
                if None in cells:
                    raise ValueError("more cells than the header has columns")
                own = row.get("licence") or licence
                if not own:
                    raise ValueError("no licence, and no --licence for lines without one")
                frames.append(_frame(row, path.parent, where))
                licences.add(own)
            except ValueError as error:
                refused.append((where, str(error)))
    return Layout("csv", tuple((frame,) for frame in frames), tuple(sorted(licences)), (), tuple(refused))


def _frame(row: Mapping[str, str], folder: Path, where: str) -> Frame:
    """One line as a frame; ValueError says what is wrong with it."""
    for name in NEEDED:
        if not row.get(name):
            raise ValueError(f"no {name}")
    expression = row.get("expression", "")
    if expression and expression not in EXPRESSIONS:
        raise ValueError(f"no expression '{expression}' among {', '.join(EXPRESSIONS)}")
    paths = {name: folder / row[name] for name in ("image", "mask", "normals") if row.get(name)}
    for name, path in paths.items():
        if not path.is_file():
            raise ValueError(f"no {name} at '{row[name]}'")
    numbers = {name: _number(row, name) for name in NUMBERS}
    camera, angles, fovy = _camera(numbers)
    return Frame(
        subject=row["subject"],
        name=where,
        picture=Picture(paths["image"]),
        expressions=(expression,) if expression else (),
        mask=paths.get("mask"),
        normals=paths.get("normals"),
        fovy=fovy,
        camera=camera,
        angles=angles,
        attributes=tuple(_word(row, group, words) for group, words in Attributes.GROUPS.items()),
    )


def _camera(
    numbers: Mapping[str, float | None],
) -> tuple[Camera | None, tuple[float, float, float] | None, float | None]:
    """What a line says of its camera: all of it, its angles (radians), its lens (radians)."""
    yaw, pitch, distance, fovy = (numbers[name] for name in ("yaw", "pitch", "distance", "fovy"))
    if (yaw is None) != (pitch is None):
        raise ValueError("only one of yaw and pitch; both or neither say where the camera stands")
    if fovy is not None and not 1 < fovy < 120:
        raise ValueError(f"fovy {fovy:g}, expected degrees between 1 and 120")
    if distance is not None and (yaw is None or fovy is None):
        raise ValueError("a distance without yaw, pitch and fovy")
    lens = None if fovy is None else float(np.radians(fovy))
    if yaw is None or pitch is None:
        return None, None, lens
    if abs(pitch) >= 89:
        raise ValueError(f"pitch {pitch:g}, expected degrees between -89 and 89")
    angles = (float(np.radians(yaw)), float(np.radians(pitch)), float(np.radians(numbers["roll"] or 0.0)))
    if distance is None or lens is None:
        return None, angles, lens
    if distance <= 150:
        raise ValueError(f"distance {distance:g}, expected mm beyond the head, more than 150")
    places = [numbers[name] for name in ("target_x", "target_y", "target_z")]
    x, y, z = (other if place is None else place for place, other in zip(places, HEAD_CENTRE, strict=True))
    return Camera(*angles, distance, lens, (x, y, z)), None, lens


def _number(row: Mapping[str, str], name: str) -> float | None:
    if not row.get(name):
        return None
    try:
        value = float(row[name])
    except ValueError:
        raise ValueError(f"{name} '{row[name]}', expected a number") from None
    if not np.isfinite(value):
        raise ValueError(f"{name} '{row[name]}', expected a finite number")
    return value


def _word(row: Mapping[str, str], group: str, words: tuple[str, ...]) -> int:
    if not row.get(group):
        return -1
    if row[group] not in words:
        raise ValueError(f"{group} '{row[group]}', expected one of {', '.join(words)}")
    return words.index(row[group])
