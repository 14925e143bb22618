"""Rows of captioned pictures on one sheet, and a head's expressions as such a sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from idto3d.render.camera import Camera
    from idto3d.render.light import EnvironmentLight

_GAP = 6
_LINE = 18  # pixels of a caption's height
_PAPER, _INK = (250, 250, 248), (35, 38, 42)
_SMALL_PHOTOS = 6


@dataclass(frozen=True)
class Cell:
    """One picture [H, W, 3] uint8 with what stands under it; None for the picture leaves its place empty."""

    picture: NDArray[np.uint8] | None
    caption: str = ""


def grid_png(rows: Sequence[Sequence[Cell]], side: int = 160) -> bytes:
    """A PNG of rows of cells, each picture brought into a square of `side` pixels."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    step, height = side + _GAP, side + _LINE + _GAP
    width = max((len(row) for row in rows), default=1) * step + _GAP
    canvas = Image.new("RGB", (width, max(len(rows), 1) * height + _GAP), _PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for line, row in enumerate(rows):
        for column, cell in enumerate(row):
            x, y = _GAP + column * step, _GAP + line * height
            if cell.picture is not None:
                shown = ImageOps.fit(Image.fromarray(cell.picture), (side, side), Image.Resampling.LANCZOS)
                canvas.paste(shown, (x, y))
            caption = cell.caption
            while draw.textlength(caption, font=font) > side:
                caption = caption.rstrip("…")[:-1] + "…"
            draw.text((x, y + side + 1), caption, fill=_INK, font=font)
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def head_preview(asset: Path, photos: Sequence[Path] = (), columns: int = 7, side: int = 160) -> bytes:
    """A PNG of a head: its photos above, then each expression from the front, its normals under its colour.

    Args:
        asset: a HeadAsset.
        photos: what it was made from; the first six are shown.
        columns: expressions a row.
        side: pixels of a picture's side.
    """
    from idto3d.asset import read_expression, read_manifest
    from idto3d.identity.photo import read_photo
    from idto3d.render.views import render_view

    camera, light = front_view(side)
    colours, normals = [], []
    for name in read_manifest(asset).expressions:
        view = render_view(read_expression(asset, name), camera, light)
        colours.append(Cell(view.colour, name.replace("_", " ")))
        normals.append(Cell(normal_colours(view.normals, view.mask)))
    rows: list[list[Cell]] = []
    if photos:
        rows.append([Cell(read_photo(path), path.name) for path in photos[:_SMALL_PHOTOS]])
    for start in range(0, len(colours), columns):
        rows += [colours[start : start + columns], normals[start : start + columns]]
    return grid_png(rows, side)


def front_view(side: int) -> tuple[Camera, EnvironmentLight]:
    """Camera and light of the protocols' first frontal view, with `side` pixels a side."""
    from idto3d_eval.views import view_specs
    from idto3d_protocols.loader import load_protocol

    front = next(view for view in view_specs(load_protocol("quickstart")) if view.frontal)
    return replace(front.camera, resolution=side), front.light


def normal_colours(normals: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Camera-space normals [H, W, 3] as the usual colours, on grey."""
    shown = np.where(mask[..., None], 0.5 + 0.5 * normals, 0.5)
    return np.asarray((shown * 255.0).round(), np.uint8)
