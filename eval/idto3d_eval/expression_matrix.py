"""The picture of asked against read: for each method, which expression its heads show when one is asked for.

A row is what was asked, a column what the scoring reader finds; a disc's area is the share of heads. A
perfect method has full discs on the places where both are the same, ringed here; a statue has one column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from idto3d.expressions import EXPRESSIONS
from idto3d_eval.breakdowns import UNREAD
from idto3d_eval.scene import Dot, Line, Scene, Shape, Words, inline_svg

TITLE = "Expression asked and read"
NOTE = (
    "Rows: the expression asked for. Columns: the one that the scoring reader's coefficients are nearest "
    "to, in the same order, by their first letters; last, heads that could not be read. A disc's area is "
    "the share of heads; a ring marks where it belongs. The oracle's panel shows what the reading itself "
    "allows."
)
CELL, RADIUS = 25.0, 10.5
_LEFT, _TOP, _RIGHT, _BOTTOM = 86.0, 46.0, 8.0, 8.0
_SHORT = {"shout": "sho", "smirk": "smk", "smile": "smi", UNREAD: "—"}  # where three letters would meet
_COLUMNS = 2  # panels beside each other on a sheet


def figures(summary: Mapping[str, Any]) -> str:
    """The panels as figures of a page; "" where nothing was read."""
    drawn = [inline_svg(scene) for scene in _panels(summary)]
    shown = "".join(f"<figure>{figure}</figure>" for figure in drawn)
    return f"<p class='faint'>{escape(NOTE)}</p><div class=\"charts\">{shown}</div>" if drawn else ""


def panel(label: str, found: Mapping[str, Any]) -> Scene:
    """One method's matrix.

    Args:
        label: of the method.
        found: its entry of `breakdowns.expression_matrices`.
    """
    asked, read = list(found["shares"]), [*EXPRESSIONS, UNREAD]
    width = _LEFT + CELL * len(read) + _RIGHT
    height = _TOP + CELL * len(asked) + _BOTTOM
    heads = max(found["heads"].values(), default=0)
    shapes: list[Shape] = [
        Words((0, 15), label, size=13.5, bold=True),
        Words((width - _RIGHT, 15), f"{heads} heads a row", "faint", 11, "end"),
    ]
    for column, name in enumerate(read):
        x = _LEFT + CELL * (column + 0.5)
        shapes.append(Words((x, _TOP - 8), _SHORT.get(name, name[:3]), "faint", 10, "middle"))
        shapes.append(Line(((x, _TOP), (x, height - _BOTTOM)), "line"))
    for row, name in enumerate(asked):
        y = _TOP + CELL * (row + 0.5)
        shapes.append(Words((_LEFT - 8, y + 4), name.replace("_", " "), size=12, anchor="end"))
        shapes.append(Line(((_LEFT, y), (width - _RIGHT, y)), "line"))
        right = _LEFT + CELL * (read.index(name) + 0.5)
        shapes.append(Dot((right, y), RADIUS + 1.5, "faint", hollow=True))
        for other, share in found["shares"][name].items():
            x = _LEFT + CELL * (read.index(other) + 0.5)
            colour = "accent" if other == name else "s1" if other != UNREAD else "faint"
            shapes.append(Dot((x, y), RADIUS * math.sqrt(share), colour))
    return Scene(width, height, f"{TITLE}: {label}", tuple(shapes))


def sheet(summary: Mapping[str, Any]) -> Scene:
    """All methods on one sheet."""
    protocol = summary["protocol"]
    population = f"population: {protocol['population']['label']}"
    who = f"{protocol['name']} version {protocol['version']}, {population}"
    panels = _panels(summary)
    margin, head, gap = 24.0, 78.0, 26.0
    width = max((scene.width for scene in panels), default=420.0)
    height = max((scene.height for scene in panels), default=30.0)
    shapes: list[Shape] = [
        Words((margin, 32), TITLE, size=19, bold=True),
        Words((margin, 54), who, "faint", 12.5),
    ]
    if not panels:
        shapes.append(Words((margin, head + 18), "No row has an expression that was read.", "faint", 12))
    for index, scene in enumerate(panels):
        dx, dy = margin + index % _COLUMNS * (width + gap), head + index // _COLUMNS * (height + gap)
        shapes += [shape.moved(dx, dy) for shape in scene.shapes]
    rows = max(1, math.ceil(len(panels) / _COLUMNS))
    total = 2 * margin + _COLUMNS * width + gap
    return Scene(total, head + rows * (height + gap) + 6, f"{TITLE}: {who}", tuple(shapes))


def _panels(summary: Mapping[str, Any]) -> list[Scene]:
    """A panel a method that has one, in the order of the table."""
    found = summary["expression_matrices"]
    return [panel(row["label"], found[row["label"]]) for row in summary["rows"] if row["label"] in found]
