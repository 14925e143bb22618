"""The result table as a terminal shows it: as many columns as fit, the most telling first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from idto3d_eval.figures_text import heading, interval, mark, memory, number, seconds, valid
from idto3d_eval.paper_numbers import HEADS, NOTE, TITLE, paper_row

# What to keep where columns do not fit, in this order.
PRIORITY = ("calibrated_identity", "now_median", "joint", "expression_accuracy", "rank1", "face_coverage")
_COLUMN, _TIME = 18, 18  # characters of a figure with its interval, and of what a head costs


class ResultTable:
    """The headline figures of a run, block by block; rich asks it for the width there is."""

    def __init__(self, summary: Mapping[str, Any]) -> None:
        """
        Args:
            summary: as `summary.json` holds it.
        """
        self._summary = summary

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        summary = self._summary
        protocol = summary["protocol"]
        names = max([len(row["label"]) for row in summary["rows"]] + [20])
        metrics = _fitting(summary["metrics"], options.max_width - names - _TIME - 2)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("method", no_wrap=True)
        for metric in metrics:
            table.add_column(heading(metric), justify="right")
        table.add_column("a head", justify="right", no_wrap=True)
        for block, title in summary["blocks"].items():
            rows = [row for row in summary["rows"] if row["block"] == block]
            if rows:
                table.add_row(Text(title.lower(), style="dim italic"))
            for row in rows:
                cells = [_cell(row["cells"].get(metric["name"]), metric["unit"]) for metric in metrics]
                table.add_row(_name(row), *cells, _cost(row["costs"]))
        people = protocol["population"]
        yield Text(
            f"{protocol['name']} version {protocol['version']}, population: {people['label']}, "
            f"{len(people['identities'])} identities",
            style="bold",
        )
        yield table
        level = f"{protocol['statistics']['level']:.0%}"
        yield Text(
            "★ best of its block; = cannot be told from the best (paired on identity, Holm); "
            f"[{level} interval]",
            style="dim",
        )
        if summary.get("paper_numbers"):
            yield _papers(summary["paper_numbers"])
        if summary["failures"]:
            first, count = summary["failures"][0], len(summary["failures"])
            reason = f"{count} failed, the first {first['job']}: {first['reason']}"
            yield Text(reason, style="red")


def _papers(entries: Sequence[Mapping[str, Any]]) -> Table:
    """A table of its own, which shares no column with the result's."""
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), title=f"{TITLE}. {NOTE}", title_justify="left"
    )
    for name in HEADS:
        table.add_column(name, overflow="fold")
    for entry in entries:
        table.add_row(*(Text(cell) for cell in paper_row(entry)))
    return table


def _fitting(metrics: Sequence[Mapping[str, Any]], room: int) -> list[Mapping[str, Any]]:
    """The headline metrics that fit, in their usual order."""
    shown = [metric for metric in metrics if metric["headline"]]
    by_priority = sorted(
        shown,
        key=lambda metric: PRIORITY.index(metric["name"]) if metric["name"] in PRIORITY else len(PRIORITY),
    )
    kept = [metric["name"] for metric in by_priority[: max(1, room // _COLUMN)]]
    return [metric for metric in shown if metric["name"] in kept]


def _name(row: Mapping[str, Any]) -> Text:
    notes = [row["kind"]] + ([f"{row['heads']['made']} of {row['heads']['total']} heads"] * _incomplete(row))
    notes += ["from an archive"] if row.get("archived") else []
    notes += ["unranked"] if row["unranked"] else []
    return Text.assemble(row["label"], "\n", ("  " + ", ".join(notes), "dim"))


def _cost(costs: Mapping[str, Any]) -> Text:
    """Seconds and peak memory of a head, and under them its guidance calls."""
    spent, allowed = number(costs["guidance_calls_a_head"], "calls"), costs.get("guidance_calls_allowed")
    if allowed is not None and costs["guidance_calls_exactly"]:
        spent = f"{spent}/{allowed:,}"
    told = f"{spent} calls" + (" declared" if costs.get("guidance_calls_are") == "declared" else "")
    first = f"{seconds(costs['seconds_a_head'])}, {memory(costs['peak_memory_mib'])}"
    return Text.assemble(first, "\n", (told, "dim"))


def _incomplete(row: Mapping[str, Any]) -> int:
    return int(row["heads"]["made"] < row["heads"]["total"])


def _cell(cell: Mapping[str, Any] | None, unit: str) -> Text:
    if cell is None:
        return Text("")
    value = f"{mark(cell)} {number(cell['value'], unit)}".strip()
    under = interval(cell, unit) or valid(cell)
    return Text.assemble((value, "bold" if cell["best"] else ""), "\n", (under, "dim"))
