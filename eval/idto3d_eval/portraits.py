"""What each method of a run is known for, a picture each: its heads of some people from all around, in colour
and in clay, beside a photo and the true head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.asset import TexturedMesh, read_expression, read_manifest
from idto3d.identity.photo import read_photo
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight
from idto3d.render.views import render_view
from idto3d.whole_file import write_whole
from idto3d_eval.gallery import TRUTH, Shelf, jpeg
from idto3d_eval.run_folder import protocol_of
from idto3d_eval.store import Store

Picture = NDArray[np.uint8]
CELL = 150  # pixels
YAWS = (0.0, 40.0, 90.0, 180.0)  # degrees
CLAY = 205  # sRGB
CLOSE = 0.29  # fovy, radians
LAMP = np.array([[0.6, 0.7, 0.5]])
LAMP_LIGHT, AMBIENT = 0.62, 0.28


def write_portraits(run: Path, out: Path, people: int) -> list[Path]:
    """Write `LABEL.jpg` for every row of a run that has heads, and return their paths.

    A row of a picture is a person: a photo, the true head where the run has it, the head from four sides, its
    shape in clay from two, and its last expression.

    Args:
        run: a run's folder, finished or under way.
        out: the folder to write to.
        people: how many, the first ones.

    Raises:
        UserError: the folder holds no run.
    """
    protocol = protocol_of(Store(run))
    seed, names = protocol.seeds[0], protocol.population.identities[:people]
    written = []
    for row in protocol.methods:
        shelf = Shelf(run, row.label, seed)
        rows = [_portrait(shelf, person) for person in names if shelf.head(person).is_dir()]
        if rows:
            path = out / f"{row.label}.jpg"
            write_whole(path, jpeg(np.concatenate(rows)))
            written.append(path)
    return written


def _portrait(shelf: Shelf, person: str) -> Picture:
    """One person's row, [CELL, N CELL, 3]."""
    head, true = shelf.head(person), Shelf(shelf.run, TRUTH, shelf.seed).head(person)
    expressions = read_manifest(head).expressions
    neutral, last = read_expression(head, expressions[0]), read_expression(head, expressions[-1])
    shown = [_square(read_photo(shelf.photos(person)[0]))]
    if true.is_dir():
        shown.append(_view(read_expression(true, expressions[0]), 0.0))
    shown += [_view(neutral, yaw) for yaw in YAWS]
    shown += [_view(_in_clay(neutral), yaw) for yaw in YAWS[:2]]
    shown.append(_view(last, 0.0))
    return np.concatenate(shown, 1)


def _view(mesh: TexturedMesh, yaw: float) -> Picture:
    camera = Camera(float(np.radians(yaw)), 0.0, 0.0, 1000.0, CLOSE, resolution=CELL)
    # The lamp goes with the camera, so that a back is as well lit as a face.
    turn = camera.rotation()
    lamp = LAMP / np.linalg.norm(LAMP) @ turn
    light = EnvironmentLight.from_lamps(lamp, np.full((1, 3), LAMP_LIGHT), np.full(3, AMBIENT))
    return render_view(mesh, camera, light, supersample=2).colour


def _in_clay(mesh: TexturedMesh) -> TexturedMesh:
    return replace(mesh, albedo=np.full_like(mesh.albedo, CLAY))


def _square(photo: Picture) -> Picture:
    from PIL import Image, ImageOps

    return np.asarray(ImageOps.fit(Image.fromarray(photo), (CELL, CELL), Image.Resampling.LANCZOS))
