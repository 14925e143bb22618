"""Lines of methods over views, over distances and over people; bars by region."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from idto3d_dashboard.drawing.across import Across
from idto3d_dashboard.drawing.plane import (
    GREY,
    Place,
    bar,
    bounds,
    line,
    line_legend,
    mark,
    plane,
    rows_of,
    share,
    stepped,
)
from idto3d_dashboard.drawing.style import colours, dashes, symbols
from idto3d_eval.charts import axis


@dataclass(frozen=True)
class Curve:
    """A line: its row's label, its points, and for a second line of the same row, what tells it apart."""

    label: str
    x: Sequence[float | str]
    y: Sequence[float | None]
    other: str = ""


def line_chart(
    curves: Sequence[Curve],
    labels: Sequence[str],
    *,
    x: str,
    y: str,
    title: str = "",
    marks: bool = True,
    between: Mapping[str, tuple[Sequence[float | str], Sequence[float | None]]] | None = None,
    steps: bool = False,
) -> str:
    """A line a curve, in the colour that its row has on all pages, and the lines' names; as HTML.

    Args:
        curves: in the order of the legend.
        labels: of all rows of the run, which give the colours.
        x, y: titles of the axes.
        title: of the chart; what it shows upwards by default.
        marks: whether points are marked.
        between: name -> points of lines that bound the scale, drawn grey.
        steps: whether lines rise in steps.
    """
    colour, symbol, dash = colours(labels), symbols(labels), dashes(labels)
    grey = [Curve(name, *points) for name, points in (between or {}).items()]
    every = [*curves, *grey]
    ends = bounds(value for curve in every for value in curve.y)
    if ends is None:
        return ""
    low, high, ticks = axis(*ends)
    across = Across.of([place for curve in every for place in curve.x])
    parts, named = [], []
    for curve in curves:
        ink, kind = colour[curve.label], "dot" if curve.other else dash[curve.label]
        name = f"{curve.label}, {curve.other}" if curve.other else curve.label
        for piece in _pieces(curve, across, low, high):
            parts.append(line(stepped(piece) if steps else piece, ink, kind, name))
        if marks and not curve.other:
            parts += [
                mark((across.place(at), share(value, low, high)), ink, symbol[curve.label], told)
                for at, value in zip(curve.x, curve.y, strict=True)
                if value is not None and math.isfinite(value)
                for told in [f"{name}: {value:.3f} at {at}"]
            ]
        if not curve.other or all(one.label != curve.label for one in curves if not one.other):
            named.append((name, ink, kind))
    for at, curve in enumerate(grey):
        kind = ("dash", "dot")[at % 2]
        parts += [line(piece, GREY, kind, curve.label) for piece in _pieces(curve, across, low, high)]
        named.append((curve.label, GREY, kind))
    drawn = plane(
        parts,
        title=title or y,
        told=f"{title or y} against {x}: {len(every)} lines; their figures are in the file below",
        under=x,
        rows=rows_of(ticks, low, high),
        columns=across.columns(),
        named=bool(across.names),
    )
    return drawn + line_legend(named)


def _pieces(curve: Curve, across: Across, low: float, high: float) -> Iterator[list[Place]]:
    """A curve's places, taken apart where it has no value."""
    piece: list[Place] = []
    for at, value in zip(curve.x, curve.y, strict=True):
        if value is None or not math.isfinite(value):
            yield piece
            piece = []
        else:
            piece.append((across.place(at), share(value, low, high)))
    yield piece


def bar_chart(
    values: Mapping[str, Sequence[float | None]], places: Sequence[str], labels: Sequence[str], *, y: str
) -> str:
    """Bars of methods side by side at each place, and their names; as HTML.

    Args:
        values: label -> one value a place, None where there is none.
        places: names under the bars.
        labels: of all rows of the run, which give the colours.
        y: the axis' title.
    """
    ends = bounds(value for own in values.values() for value in own)
    if ends is None:
        return ""
    colour, dash = colours(labels), dashes(labels)
    low, high, ticks = axis(min(ends[0], 0.0), ends[1] or 1.0)
    room, wide = 100.0 / len(places), 80.0 / (len(places) * len(values))

    def up(value: float) -> float:
        return share(value, low, high)

    parts = [
        bar(
            room * (at + 0.1) + wide * number, wide, share(value, low, high), colour[label], dash[label], told
        )
        for number, (label, own) in enumerate(values.items())
        for at, value in enumerate(own)
        if value is not None and math.isfinite(value)
        for told in [f"{label}: {places[at]} {value:.3f}"]
    ]
    drawn = plane(
        parts,
        title=y,
        told=f"{y} by region of {len(values)} rows; their figures are in the table below",
        under="",
        rows=rows_of(ticks, low, high),
        columns=[(room * (at + 0.5), name) for at, name in enumerate(places)],
        named=True,
    )
    return drawn + line_legend([(label, colour[label], dash[label]) for label in values])
