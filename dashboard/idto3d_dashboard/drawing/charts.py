"""Curves from plain data, as a figure and its rows, and the legend that charts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from idto3d_dashboard.drawing.curves import Curve, line_chart
from idto3d_dashboard.drawing.style import colours, symbols

if TYPE_CHECKING:
    import polars

Entry = Mapping[str, Any]
Drawn = tuple[str, "polars.DataFrame"]


def legend(labels: Sequence[str], chosen: Sequence[str]) -> str:
    """The chosen rows beside their marks, as HTML; for charts that have none of their own.

    Args:
        labels: all rows of the run, which colours follow.
        chosen: of them, those that are named.
    """
    tones, marks = colours(labels), symbols(labels)
    rows = "".join(
        f'<li><i class="mark {marks[label]}" style="background:{tones[label]}"></i>{escape(label)}</li>'
        for label in labels
        if label in chosen
    )
    return f'<ul class="idto3d legend" aria-label="Methods and their marks">{rows}</ul>'


def curve(told: Entry, labels: Sequence[str], chosen: Sequence[str]) -> Drawn:
    """A curve of the report: `{title, x, y, series}`; rows that are not chosen are left out, others stay.

    Args:
        told: the curve.
        labels: all rows of the run, which colours follow.
        chosen: of them, those to draw.
    """
    import polars

    shown = {name: points for name, points in told["series"].items() if name in chosen or name not in labels}
    curves = [Curve(name, *_axes(shown[name])) for name in labels if name in shown]
    between = {name: _axes(points) for name, points in shown.items() if name not in labels}
    title, x, y = told["title"], told["x"], told["y"]
    drawn = line_chart(curves, labels, x=x, y=y, title=title, marks=False, between=between)
    rows = [
        {"series": name, told["x"]: float(x), told["y"]: y}
        for name, points in shown.items()
        for x, y in points
    ]
    return drawn, polars.DataFrame(rows, infer_schema_length=None)


def _axes(points: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    return [point[0] for point in points], [point[1] for point in points]
