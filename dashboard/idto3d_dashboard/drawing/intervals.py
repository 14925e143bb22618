"""A metric of every row: its figure in words, and beside it on a common axis with its interval.

A table rather than a chart of Plotly's: it reads without hovering, and a browser has it at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from idto3d_dashboard.drawing.style import colours, symbols
from idto3d_eval.charts import axis
from idto3d_eval.figures_text import heading, interval, number

if TYPE_CHECKING:
    import polars

Entry = Mapping[str, Any]
_NUMBERS = 3  # parts of the axis that are numbered, about


def interval_table(cells: Mapping[str, Entry], metric: Entry, labels: Sequence[str]) -> str:
    """The figures as HTML, in the table's order; "" where there is none.

    Args:
        cells: label -> cell; rows without a figure are left out.
        metric: its card.
        labels: all rows of the run, which colours follow.
    """
    shown = {label: cells[label] for label in _known(cells, labels)}
    ends = [
        cell[part] for cell in shown.values() for part in ("value", "low", "high") if cell[part] is not None
    ]
    if not ends:
        return ""
    low, high, ticks = axis(min(ends), max(ends))
    tones, marks = colours(labels), symbols(labels)

    def place(value: float) -> float:
        return 100.0 * (value - low) / (high - low)

    body = []
    for label, cell in shown.items():
        at = f"left:{place(cell['value']):.2f}%;background:{tones[label]}"
        drawn = f'<i class="mark {marks[label]}" style="{at}"></i>'
        if cell["low"] is not None and cell["high"] is not None:
            left, right = place(cell["low"]), place(cell["high"])
            drawn = f'<i class="whisker" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>{drawn}'
        unit = metric["unit"]
        body.append(
            f'<tr><th scope="row">{escape(label).replace("_", "_<wbr>")}</th>'
            f"<td>{number(cell['value'], unit)}<small>{interval(cell, unit)}</small></td>"
            f'<td class="track"><div aria-hidden="true">{drawn}</div></td></tr>'
        )
    parts = len(ticks) - 1
    numbers = "".join(
        f'<span style="left:{100 * at / parts:.1f}%">{ticks[at]:g}</span>'
        for at in range(0, len(ticks), math.ceil(parts / _NUMBERS))
    )
    return (
        f'<table class="idto3d intervals" style="--parts:{parts}">'
        f"<caption>{escape(heading(metric))}</caption>"
        '<thead><tr><th scope="col">method</th><th scope="col">figure</th>'
        f'<th class="track"><div>{numbers}</div></th></tr></thead><tbody>{"".join(body)}</tbody></table>'
    )


def interval_rows(cells: Mapping[str, Entry], labels: Sequence[str]) -> polars.DataFrame:
    """The figures that are shown, for a download."""
    import polars

    rows = [
        {"method": label, **{key: cells[label][key] for key in ("value", "low", "high", "valid", "total")}}
        for label in _known(cells, labels)
    ]
    return polars.DataFrame(rows, infer_schema_length=None)


def _known(cells: Mapping[str, Entry], labels: Sequence[str]) -> list[str]:
    return [label for label in labels if label in cells and cells[label]["value"] is not None]
