"""Lines of methods over views, over distances and over people; bars by region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from idto3d_dashboard.drawing.style import colours, dashes, set_chart, symbols

if TYPE_CHECKING:
    import plotly.graph_objects as go

GREY = "#8C8C8C"  # in sight on light and on dark paper


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
    marks: bool = True,
    between: Mapping[str, tuple[Sequence[float | str], Sequence[float | None]]] | None = None,
    steps: bool = False,
) -> go.Figure:
    """A line a curve, in the colour that its row has on all pages.

    Args:
        curves: in the order of the legend.
        labels: of all rows of the run, which give the colours.
        x, y: titles of the axes.
        marks: whether points are marked.
        between: name -> points of lines that bound the scale, drawn grey.
        steps: whether lines rise in steps.
    """
    import plotly.graph_objects as go

    colour, mark, dash = colours(labels), symbols(labels), dashes(labels)
    named = {curve.label for curve in curves if not curve.other}
    figure = go.Figure()
    for curve in curves:
        figure.add_scatter(
            x=list(curve.x),
            y=list(curve.y),
            name=f"{curve.label}, {curve.other}" if curve.other else curve.label,
            legendgroup=curve.label,
            # A second line goes by its row's name: twice as many left a telephone no room for the chart.
            showlegend=not curve.other or curve.label not in named,
            mode="lines+markers" if marks and not curve.other else "lines",
            line={
                "color": colour[curve.label],
                "dash": "dot" if curve.other else dash[curve.label],
                "width": 1.5 if curve.other else 2,
                "shape": "hv" if steps else "linear",
            },
            marker={"symbol": mark[curve.label], "size": 7},
        )
    for at, (name, (places, values)) in enumerate((between or {}).items()):
        figure.add_scatter(
            x=list(places),
            y=list(values),
            name=name,
            mode="lines",
            line={"color": GREY, "dash": ("dash", "dot")[at % 2], "width": 1.5},
        )
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    # A row of the legend for about every third name, so that it does not lie on the chart.
    return set_chart(figure, 340 + 12 * (sum(line.showlegend is not False for line in figure.data) // 2))


def bar_chart(
    values: Mapping[str, Sequence[float | None]], places: Sequence[str], labels: Sequence[str], *, y: str
) -> go.Figure:
    """Bars of methods side by side at each place.

    Args:
        values: label -> one value a place, None where there is none.
        places: names under the bars.
        labels: of all rows of the run, which give the colours.
        y: the axis' title.
    """
    import plotly.graph_objects as go

    colour = colours(labels)
    hatched = {label: ("", "/", "x", ".")[at // 7 % 4] for at, label in enumerate(labels)}
    figure = go.Figure()
    for label, own in values.items():
        figure.add_bar(
            x=list(places),
            y=list(own),
            name=label,
            marker={"color": colour[label], "pattern": {"shape": hatched[label]}},
        )
    figure.update_yaxes(title=y, rangemode="tozero")
    return set_chart(figure, 340 + 12 * (len(values) // 2))
