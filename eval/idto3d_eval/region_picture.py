"""A picture of the regions in which geometry is told, on heads of any topology."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.heat_map import PAPER, draw_coloured
from idto3d_eval.metrics.geometry_regions import REGIONS, region_of
from idto3d_eval.picture_grid import Cell, grid_png

Floats = NDArray[np.float64]

# Okabe and Ito's colours, which the colour-blind tell apart; none is light grey.
COLOURS = np.array(
    [
        [230, 159, 0],
        [213, 94, 0],
        [0, 114, 178],
        [204, 121, 167],
        [86, 180, 233],
        [0, 158, 115],
        [240, 228, 66],
        [140, 140, 140],
        [225, 225, 225],
    ],
    np.uint8,
)


def region_sheet(heads: Sequence[tuple[str, Floats, NDArray[np.int64], Floats]], side: int = 220) -> bytes:
    """A PNG: a row for each head, seen from all around, and what the colours mean.

    Args:
        heads: (name, vertices [V, 3] mm, faces [F, 3], landmarks [7, 3] mm).
        side: pixels of a picture.
    """
    rows = []
    for name, vertices, faces, landmarks in heads:
        # A face has one region: faces are drawn apart, each in its region's colour.
        corners = vertices[faces]
        colours = np.repeat(COLOURS[region_of(corners.mean(axis=1), landmarks)], 3, axis=0)
        apart = corners.reshape(-1, 3) - landmarks[:4].mean(axis=0)
        own = np.arange(faces.size).reshape(-1, 3)
        pictures = draw_coloured(apart, own, colours, side).values()
        rows.append([Cell(picture, name * (column == 0)) for column, picture in enumerate(pictures)])
    rows[-1].append(Cell(_key(side)))
    return grid_png(rows, side)


def _key(side: int) -> NDArray[np.uint8]:
    """Which colour is which region, [side, side, 3]."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (side, side), (PAPER, PAPER, PAPER))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    for line, name in enumerate((*REGIONS, "no region")):
        y = 8 + 22 * line
        draw.rectangle((10, y, 30, y + 14), fill=tuple(int(part) for part in COLOURS[line]))
        draw.text((38, y), name, fill=(35, 38, 42), font=font)
    return np.asarray(image)
