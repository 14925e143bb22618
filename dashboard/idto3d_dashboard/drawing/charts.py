"""Charts from plain data: quality against cost, curves. Each returns the figure and its rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from idto3d_dashboard.drawing.curves import GREY, Curve, line_chart
from idto3d_dashboard.drawing.style import colours, set_chart, symbols

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars

Entry = Mapping[str, Any]
_TICKS = [part * 10.0**power for power in range(-3, 6) for part in (1, 2, 5)]
Drawn = tuple["go.Figure", "polars.DataFrame"]


def quality_cost(panel: Any, labels: Sequence[str], chosen: Sequence[str]) -> Drawn:
    """A panel of `idto3d_eval.quality_cost`: quality with its interval against cost, one mark a chosen row.

    The line joins the best of all rows, chosen or not.
    """
    import plotly.graph_objects as go
    import polars

    from idto3d_eval.quality_cost import front

    tones, marks = colours(labels), symbols(labels)
    figure = go.Figure()
    best = front(panel.points)
    if best:
        figure.add_scatter(
            x=[point.cost for point in best],
            y=[point.value for point in best],
            mode="lines",
            line={"shape": "hv", "width": 1, "color": GREY},
            hoverinfo="skip",
            showlegend=False,
        )
    shown = [point for point in panel.points if point.label in chosen]
    # One trace for all rows and one legend for all panels: a page of several such charts is there sooner.
    figure.add_scatter(
        x=[point.cost for point in shown],
        y=[point.value for point in shown],
        text=[point.label for point in shown],
        error_y={
            "array": [_span(point.value, point.high) for point in shown],
            "arrayminus": [_span(point.low, point.value) for point in shown],
            "color": GREY,
        },
        mode="markers",
        marker={
            "color": [tones[point.label] for point in shown],
            "symbol": [marks[point.label] + ("" if point.ranked else "-open") for point in shown],
            "size": 10,
            "opacity": 1.0,
        },
        hovertemplate="%{text}: %{y:.3f} at %{x:,.4~r}<extra></extra>",
        showlegend=False,
    )
    named: dict[float, list[str]] = {}
    for label, value in panel.brackets:
        named.setdefault(round(value, 2), []).append(label)
    for value, names in named.items():
        figure.add_hline(
            y=value,
            line_dash="dash",
            line_width=1,
            annotation_text=", ".join(names),
            annotation_position="top left",
            opacity=0.6,
        )
    if all(point.cost > 0 for point in panel.points):
        figure.update_xaxes(type="log", tickvals=_TICKS, ticktext=[f"{tick:g}" for tick in _TICKS])
    figure.update_xaxes(title=panel.cost)
    figure.update_layout(title=panel.metric)  # a longer one does not fit a telephone
    rows = [
        {
            "method": point.label,
            "cost": point.cost,
            "value": point.value,
            "low": point.low,
            "high": point.high,
            "ranked": point.ranked,
        }
        for point in shown
    ]
    return set_chart(figure, 360), polars.DataFrame(rows, infer_schema_length=None)


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
    figure = line_chart(curves, labels, x=told["x"], y=told["y"], marks=False, between=between)
    figure.update_layout(title=told["title"])
    rows = [
        {"series": name, told["x"]: float(x), told["y"]: y}
        for name, points in shown.items()
        for x, y in points
    ]
    return figure, polars.DataFrame(rows, infer_schema_length=None)


def _axes(points: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    return [point[0] for point in points], [point[1] for point in points]


def _span(low: float, high: float) -> float | None:
    """The length of a whisker; None where there is no interval."""
    return high - low if math.isfinite(high - low) else None
