"""Charts from plain data: intervals, quality against cost, curves. Each returns the figure and its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from idto3d_dashboard.drawing.curves import GREY, Curve, line_chart
from idto3d_dashboard.drawing.style import colours, set_chart, symbols
from idto3d_eval.figures_text import heading

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars

Entry = Mapping[str, Any]
_TICKS = [part * 10.0**power for power in range(-3, 6) for part in (1, 2, 5)]
Drawn = tuple["go.Figure", "polars.DataFrame"]


def intervals(cells: Mapping[str, Entry], metric: Entry, labels: Sequence[str]) -> Drawn:
    """A metric of every row: the figure and its interval, in the table's order.

    Args:
        cells: label -> cell; rows without one are left out.
        metric: its card.
        labels: all rows of the run, which colours follow.
    """
    import plotly.graph_objects as go
    import polars

    tones, marks = colours(labels), symbols(labels)
    known = [label for label in labels if label in cells and cells[label]["value"] is not None]
    values = [cells[label]["value"] for label in known]
    low, high = (
        [_or(cells[label][end], value) for label, value in zip(known, values, strict=True)]
        for end in ("low", "high")
    )
    # One trace for all rows: a page of many such charts is there sooner.
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=known,
            error_x={
                "array": [end - value for end, value in zip(high, values, strict=True)],
                "arrayminus": [value - end for end, value in zip(low, values, strict=True)],
                "thickness": 2,
                "color": GREY,
            },
            mode="markers",
            marker={
                "color": [tones[label] for label in known],
                "symbol": [marks[label] for label in known],
                "size": 10,
            },
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(title=heading(metric), showlegend=False)
    rows = [
        {"method": label, **{key: cells[label][key] for key in ("value", "low", "high", "valid", "total")}}
        for label in known
    ]
    return set_chart(figure, 90 + 26 * max(len(known), 2)), polars.DataFrame(rows, infer_schema_length=None)


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
    for point in shown:
        known = point.low == point.low
        figure.add_scatter(
            x=[point.cost],
            y=[point.value],
            error_y={"array": [point.high - point.value], "arrayminus": [point.value - point.low]}
            if known
            else None,
            mode="markers",
            marker={
                "color": tones.get(point.label),
                "symbol": marks.get(point.label, "circle") + ("" if point.ranked else "-open"),
                "size": 10,
            },
            name=point.label,
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
    figure.update_layout(title=f"{panel.metric} against {panel.cost}")
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
    return set_chart(figure, 400), polars.DataFrame(rows, infer_schema_length=None)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def curve(told: Entry, labels: Sequence[str], chosen: Sequence[str]) -> Drawn:
    """A curve of the report: `{title, x, y, series}`; rows that are not chosen are left out, others stay.

    Args:
        told: the curve.
        labels: all rows of the run, which colours follow.
        chosen: of them, those to draw.
    """
    import polars

    shown = {name: points for name, points in told["series"].items() if name in chosen or name not in labels}
    curves = [Curve(name, *_axes(points)) for name, points in shown.items() if name in labels]
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
