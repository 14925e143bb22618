"""Pictures of a run's heads to look at: a sheet beside photos and the true heads, and a turntable."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d_eval.picture_grid import normal_colours
from idto3d_eval.store import Store

Picture = NDArray[np.uint8]
CELL, GAP = 104, 2  # pixels
PAPER = 250
TRUTH = "oracle"  # the row whose heads stand above, where a run has it
FRAMES, SWING = 16, 0.9  # of a turntable: pictures of one swing, and how far it goes, radians of yaw
FRAME_MS = 90
CLOSE = 0.27  # fovy of the turntable's camera, radians


@dataclass(frozen=True)
class Shelf:
    """Where a run keeps the heads of one method: what the runner's stages wrote."""

    run: Path
    method: str
    seed: int = 0

    def people(self, count: int) -> list[str]:
        """The first people of whom there are heads.

        Raises:
            UserError: there is none.
        """
        found = sorted(path.name for path in (self.run / "heads" / self.method).glob("*") if path.is_dir())
        if not found:
            raise UserError(
                f"Found no heads of '{self.method}' in '{self.run}', expected some; run the protocol first."
            )
        return found[:count]

    def head(self, person: str) -> Path:
        """The HeadAsset folder of a person."""
        return Store(self.run).artefact(f"heads/{self.method}/{person}/seed-{self.seed}")

    def views(self, person: str) -> Path:
        """The canonical pictures of a person's head."""
        return Store(self.run).artefact(f"views/{self.method}/{person}/seed-{self.seed}")

    def photos(self, person: str) -> list[Path]:
        """The photos that a person's head was made from."""
        return sorted((Store(self.run).artefact(f"identities/{person}") / "conditioning").iterdir())


def sheet(shelf: Shelf, people: int) -> bytes:
    """A JPEG: for each person photos on the left, expressions in columns; the true heads (where the run has
    them), the method's heads, and their normals below each other."""
    from idto3d.identity.photo import read_photo
    from idto3d_eval.views import read_views

    rows = []
    for person in shelf.people(people):
        drawn = read_views(shelf.views(person))
        view = next(spec.name for spec in drawn.views if spec.frontal)
        true = Shelf(shelf.run, TRUTH, shelf.seed).views(person)
        strips = [[drawn.colour(expression, view) for expression in drawn.expressions]]
        strips.append([normal_colours(*drawn.normals(expression, view)) for expression in drawn.expressions])
        if true.is_dir():
            strips.insert(0, [read_views(true).colour(expression, view) for expression in drawn.expressions])
        photos = [read_photo(path) for path in shelf.photos(person)]
        rows += [_row([photos[number % len(photos)], *strip]) for number, strip in enumerate(strips)]
        rows.append(np.full((3 * GAP, rows[-1].shape[1], 3), PAPER, np.uint8))
    return jpeg(np.concatenate(rows[:-1]))


def turntable(shelf: Shelf, people: int, workers: int, told: Callable[[int, int], None]) -> bytes:
    """A looping WebP: people in rows, expressions in columns, every head swinging from side to side."""
    from PIL import Image

    from idto3d.asset import read_manifest

    names = shelf.people(people)
    expressions = read_manifest(shelf.head(names[0])).expressions
    jobs = [(shelf.head(person), expression) for person in names for expression in expressions]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        heads = []
        for frames in pool.map(_swing, *zip(*jobs, strict=True)):
            heads.append(frames)
            told(len(heads), len(jobs))
    columns = len(expressions)
    pictures = [
        Image.fromarray(
            np.concatenate(
                [
                    _row([head[frame] for head in heads[at : at + columns]])
                    for at in range(0, len(heads), columns)
                ]
            )
        )
        for frame in range(FRAMES)
    ]
    buffer = io.BytesIO()
    # There and back.
    pictures[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=[*pictures[1:], *pictures[-2:0:-1]],
        duration=FRAME_MS,
        loop=0,
        quality=62,
        method=4,
    )
    return buffer.getvalue()


def _swing(head: Path, expression: str) -> list[Picture]:
    """One head from `FRAMES` yaws, under an even light."""
    from idto3d.asset import read_expression
    from idto3d.render.camera import Camera
    from idto3d.render.light import EnvironmentLight
    from idto3d.render.views import render_view

    mesh, light = read_expression(head, expression), EnvironmentLight.uniform(0.9)
    yaws = np.linspace(-SWING, SWING, FRAMES)
    cameras = [Camera(float(yaw), 0.0, 0.0, 1000.0, CLOSE, resolution=CELL) for yaw in yaws]
    return [render_view(mesh, camera, light).colour for camera in cameras]


def _row(pictures: Sequence[Picture]) -> Picture:
    """Pictures beside each other, each the middle square at `CELL` pixels."""
    return np.concatenate([_cell(picture) for picture in pictures], 1)


def _cell(picture: Picture) -> Picture:
    from PIL import Image, ImageOps

    square = ImageOps.fit(Image.fromarray(picture), (CELL, CELL), Image.Resampling.LANCZOS)
    padded = np.full((CELL + GAP, CELL + GAP, 3), PAPER, np.uint8)
    padded[:CELL, :CELL] = np.asarray(square)
    return padded


def jpeg(picture: Picture) -> bytes:
    """A picture [H, W, 3] as a JPEG for documentation."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def write_gallery(
    shelf: Shelf, out: Path, people: int, workers: int, told: Callable[[int, int], None]
) -> tuple[Path, Path]:
    """Write `heads.jpg` and `turntable.webp` into a folder and return their paths."""
    from idto3d.whole_file import write_whole

    out.mkdir(parents=True, exist_ok=True)
    pictures = {
        "heads.jpg": partial(sheet, shelf, people),
        "turntable.webp": partial(turntable, shelf, people, workers, told),
    }
    for name, make in pictures.items():
        write_whole(out / name, make())
    return out / "heads.jpg", out / "turntable.webp"
