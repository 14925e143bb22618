"""The result table as a reviewer sees it: figures with intervals, marks, coverage, cost and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from idto3d_dashboard.drawing.tables import html_table
from idto3d_eval.figures_text import (
    calls,
    heading,
    interval,
    labels,
    mark,
    memory,
    number,
    seconds,
    valid,
)
from idto3d_eval.summary_text import population_sentence

if TYPE_CHECKING:
    import polars

Entry = Mapping[str, Any]


def population(summary: Entry) -> str:
    """Who was measured, with the label that synthetic results carry."""
    return population_sentence(summary["protocol"])


def headline(summary: Entry, chosen: Sequence[str]) -> str:
    """The headline figures of the chosen rows as an HTML table, block by block."""
    metrics = [metric for metric in summary["metrics"] if metric["headline"]]
    lines: list[list[str]] = []
    for block, title in summary["blocks"].items():
        rows = [row for row in summary["rows"] if row["block"] == block and row["label"] in chosen]
        lines += [[escape(title)]] if rows else []
        lines += [_line(row, metrics) for row in rows]
    return html_table(["method", *map(heading, metrics), "a head"], lines)


def legend(summary: Entry) -> str:
    """What marks and brackets mean."""
    level = f"{summary['protocol']['statistics']['level']:.0%}"
    return (
        f"★ best of its block; = cannot be told from the best (paired on identity, Holm). Brackets: {level} "
        f"interval, bootstrap over identities. {' '.join(summary.get('notes', ()))}"
    )


def cells_of(summary: Entry, metric: str, chosen: Sequence[str]) -> dict[str, Entry]:
    """Label -> figure of a metric, of the chosen rows that have one."""
    rows = (row for row in summary["rows"] if row["label"] in chosen and metric in row["cells"])
    return {row["label"]: row["cells"][metric] for row in rows}


def rows(summary: Entry, chosen: Sequence[str]) -> polars.DataFrame:
    """All figures of the chosen rows, a line a figure, for a download."""
    import polars

    lines = [
        {
            "method": row["label"],
            "metric": name,
            **{key: cell.get(key) for key in ("value", "low", "high", "valid", "total", "reason")},
        }
        for row in summary["rows"]
        if row["label"] in chosen
        for name, cell in row["cells"].items()
    ]
    return polars.DataFrame(lines, infer_schema_length=None)


def _line(row: Entry, metrics: Sequence[Entry]) -> list[str]:
    told = escape(", ".join(labels(row)))
    name = f'<b title="{escape(row["summary"])}">{escape(row["label"])}</b><small>{told}</small>'
    costs = row["costs"]
    spent = f"{seconds(costs['seconds_a_head'])}"
    spent += f'<small title="{escape(calls(costs))}">{_calls(costs)}</small>'
    spent += f"<small>{memory(costs['peak_memory_mib'])}</small>"
    return [name, *(_cell(row["cells"].get(metric["name"]), metric["unit"]) for metric in metrics), spent]


def _calls(costs: Entry) -> str:
    spent = costs["guidance_calls_a_head"]
    return "" if spent is None else f"{number(spent, 'calls')} calls"


def _cell(cell: Entry | None, unit: str) -> str:
    if cell is None:
        return ""
    if cell["value"] is None:
        return f"–<small>{escape(cell['reason'])}</small>"
    small = [text for text in (interval(cell, unit), valid(cell)) if text]
    return f"<b>{mark(cell)} {number(cell['value'], unit)}</b>" + "".join(
        f"<small>{text}</small>" for text in small
    )
