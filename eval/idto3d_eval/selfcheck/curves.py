"""Curves of graded damage: in a line of text, and as a drawing of small panels, one a damage."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from idto3d.whole_file import write_whole
from idto3d_eval.charts import axis
from idto3d_eval.metrics import METRICS
from idto3d_eval.scene import Dot, Line, Place, Scene, Shape, Words, png, standalone_svg
from idto3d_eval.selfcheck.check import Graded
from idto3d_eval.selfcheck.modules import Outcome

BARS = "▁▂▃▄▅▆▇█"
PANEL, HEIGHT, GAP, ROW = 280.0, 172.0, 20.0, 3  # pixels of a panel, between two, and panels in a row
_LEFT, _TOP, _BOTTOM = 44.0, 44.0, 30.0  # of the field inside a panel
_CAPTION = 40  # letters of a line above it; two lines at most
_TICKS = 4  # at most, of the vertical axis


def sparkline(values: Sequence[float]) -> str:
    """Values as bars of eight heights between the least and the most; a gap where one is undefined."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    span = (high - low) or 1.0
    top = len(BARS) - 1
    return "".join(
        BARS[round(top * (value - low) / span)] if math.isfinite(value) else " " for value in values
    )


def write_curves(outcomes: Mapping[str, Outcome], folder: Path) -> None:
    """Draw the curves of every metric that has some as NAME.svg and NAME.png."""
    for name, outcome in outcomes.items():
        curves = [check for check in outcome.checks if isinstance(check, Graded)]
        if curves:
            scene = draw_curves(name, curves)
            write_whole(folder / f"{name}.svg", standalone_svg(scene))
            write_whole(folder / f"{name}.png", png(scene))


def draw_curves(name: str, curves: Sequence[Graded]) -> Scene:
    """A metric's curves, a panel each.

    Args:
        name: the metric's.
        curves: of it, at least one.
    """
    card = METRICS[name]
    title = card.title if card.unit == "1" else f"{card.title}, {card.unit}"
    rows = -(-len(curves) // ROW)
    columns = min(len(curves), ROW)
    shapes: list[Shape] = [Words((0.0, 16.0), title, bold=True, size=13)]
    for index, curve in enumerate(curves):
        dx, dy = index % ROW * (PANEL + GAP), 26.0 + index // ROW * (HEIGHT + GAP / 2)
        shapes += [shape.moved(dx, dy) for shape in _panel(curve)]
    width = columns * PANEL + (columns - 1) * GAP + 16.0
    return Scene(max(width, 420.0), 32.0 + rows * (HEIGHT + GAP / 2), title, tuple(shapes))


def _panel(curve: Graded) -> list[Shape]:
    finite = [value for value in curve.values if math.isfinite(value)]
    low, high, ticks = axis(min(finite, default=0.0), max(finite, default=1.0))
    bottom, right = HEIGHT - _BOTTOM, PANEL
    levels = curve.levels
    reach = (levels[-1] - levels[0]) or 1.0

    def place(level: float, value: float) -> Place:
        across = _LEFT + 8.0 + (right - _LEFT - 16.0) * (level - levels[0]) / reach
        return across, bottom - (bottom - _TOP) * (value - low) / ((high - low) or 1.0)

    caption = textwrap.wrap(curve.damage + ("" if curve.passed else ": FAILED"), _CAPTION)[:2]
    shapes: list[Shape] = [
        Words((_LEFT, _TOP - 12.0 - 14.0 * up), line, "faint", 11) for up, line in enumerate(caption[::-1])
    ]
    for tick in ticks[:: -(-len(ticks) // _TICKS)]:
        _, y = place(levels[0], tick)
        shapes.append(Line(((_LEFT, y), (right, y)), "line"))
        shapes.append(Words((_LEFT - 6.0, y + 4.0), f"{tick:g}", "faint", 10, "end"))
    for level in levels:
        x, _ = place(level, low)
        shapes.append(Words((x, bottom + 16.0), f"{level:g}", "faint", 10, "middle"))
    points = [place(*pair) for pair in zip(levels, curve.values, strict=True) if math.isfinite(pair[1])]
    if len(points) > 1:
        shapes.append(Line(tuple(points), "accent", 1.8))
    shapes += [Dot(point, 3.0, "accent") for point in points]
    return shapes
