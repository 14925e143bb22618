"""Quality against cost: a mark a row with its interval, the best for each cost, and the scale's brackets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from idto3d_dashboard.drawing.across import Across
from idto3d_dashboard.drawing.plane import GREY, line, mark, plane, rows_of, share, stepped, whisker
from idto3d_dashboard.drawing.style import colours, symbols
from idto3d_eval.charts import axis
from idto3d_eval.quality_cost import Panel, Point, front

if TYPE_CHECKING:
    import polars

HOW_TO_READ = (
    "Whiskers: the interval of the table. The line joins what no ranked row beats at its cost or less; "
    "dashed lines are rows that bracket the scale. Faint marks: unranked rows."
)


def quality_cost(panel: Panel, labels: Sequence[str], chosen: Sequence[str]) -> tuple[str, polars.DataFrame]:
    """A panel as HTML, and its rows. The line joins the best of all rows, chosen or not.

    Args:
        panel: one metric against one cost.
        labels: all rows of the run, which colours and marks follow.
        chosen: of them, those that are drawn.
    """
    import polars

    shown = [point for point in panel.points if point.label in chosen]
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
    return _drawn(panel, shown, labels), polars.DataFrame(rows, infer_schema_length=None)


def _drawn(panel: Panel, shown: Sequence[Point], labels: Sequence[str]) -> str:
    ends = [end for point in panel.points for end in (point.value, point.low, point.high)]
    ends = [end for end in (*ends, *(value for _, value in panel.brackets)) if math.isfinite(end)]
    low, high, ticks = axis(min(ends), max(ends))
    across = Across.of_costs([point.cost for point in panel.points])
    tones, marks = colours(labels), symbols(labels)

    def up(value: float) -> float:
        return share(value, low, high)

    named: dict[float, list[str]] = {}
    for label, value in panel.brackets:
        named.setdefault(round(value, 2), []).append(label)
    parts = [
        f'<s class="bracket" style="bottom:{up(value):.2f}%"><b>{escape(", ".join(names))}</b></s>'
        for value, names in named.items()
    ]
    best = [(across.place(point.cost), up(point.value)) for point in front(panel.points)]
    parts.append(line(stepped(best), GREY))
    for point in shown:
        left = across.place(point.cost)
        if math.isfinite(point.high - point.low):
            parts.append(whisker(left, up(point.low), up(point.high)))
        told = f"{point.label}: {point.value:.3f} at {point.cost:,.4g} {panel.cost}"
        tone, symbol = tones[point.label], marks[point.label]
        parts.append(mark((left, up(point.value)), tone, symbol, told, faint=not point.ranked))
    return plane(
        parts,
        title=panel.metric,
        told=f"{panel.metric} against {panel.cost}: {len(shown)} rows; their figures are in the file below",
        under=f"{panel.cost}{', logarithmic' if across.logarithmic else ''}",
        rows=rows_of(ticks, low, high),
        columns=across.columns(),
    )
