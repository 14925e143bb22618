"""Sentences of a table's cells and notes that every format says alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from idto3d_eval.figures_text import NONE, interval, number, signed
from idto3d_eval.table_of import MetricTable

Entry = Mapping[str, Any]
DETAIL_HEADS = (
    "method",
    "metric",
    "figure",
    "interval",
    "n",
    "why not",
    "worst and best case",
    "rank",
    "to the best",
    "effect",
    "p (Holm)",
)


def detail_rows(table: MetricTable) -> list[tuple[str, list[list[str]]]]:
    """(Title of a block, its rows): everything that stands behind each figure, a line a method and metric."""
    found = []
    for _, title, rows in table.by_block():
        lines = [
            [row["label"], metric["title"], *details(cell, metric["unit"])]
            for metric in table.metrics
            for row in rows
            if (cell := table.cells.get((row["label"], metric["name"]))) is not None
        ]
        found.append((title, lines))
    return found


def details(cell: Entry, unit: str) -> list[str]:
    """A cell's figure, interval, coverage, why not, bounds, rank, gap to the best, effect and p."""
    gap = cell.get("to_best")
    return [
        number(cell["value"], unit),
        interval(cell, unit) or NONE,
        f"{cell['valid']} of {cell['total']}",
        why_not(cell),
        worst_and_best(cell, unit),
        rank(cell),
        "the best" if cell["best"] else (signed(gap["value"], unit) if gap else NONE),
        signed(gap["effect"], "1") if gap else NONE,
        number(cell.get("p_holm"), "1"),
    ]


def why_not(cell: Entry, most: int = 2) -> str:
    """Reasons of what is missing with their number, the most frequent first."""
    reasons: Sequence[tuple[str, int]] = cell.get("why_not") or ()
    if not reasons:
        return cell["reason"] or ""
    told = [f"{count} × {reason}" for reason, count in reasons[:most]]
    left = sum(count for _, count in reasons[most:])
    return "; ".join([*told, *([f"{left} × other reasons"] if left else [])])


def worst_and_best(cell: Entry, unit: str) -> str:
    """The figure if all that is missing were as bad, or as good, as can be; "" where nothing is missing."""
    if cell["valid"] == cell["total"] or (cell.get("least") is None and cell.get("most") is None):
        return NONE
    ends = [cell.get("least"), cell.get("most")]
    told = [number(end, unit) if end is not None else "unbounded" for end in ends]
    return " to ".join(told)


def rank(cell: Entry) -> str:
    """Bounds of a method's rank in its block."""
    found = cell.get("rank")
    if not found:
        return NONE
    return str(found[0]) if found[0] == found[1] else f"{found[0]}–{found[1]}"


def set_lines(table: MetricTable) -> list[tuple[str, str, str]]:
    """(Block's title, metric's title, sets): what cannot be told apart, a set between bars."""
    titles = table.summary["blocks"]
    return [
        (
            titles[block],
            metric["title"],
            " | ".join(", ".join(run) for run in table.sets[block, metric["name"]]),
        )
        for metric in table.metrics
        for block in titles
        if (block, metric["name"]) in table.sets
    ]


def notes(table: MetricTable) -> list[str]:
    """What a reader must know of the marks."""
    people = len(table.summary["protocol"]["population"]["identities"])
    return [
        f"Brackets: {table.level} interval over {people} identities. Best of each block marked; = cannot be "
        "told from it: paired on identity, corrected by Holm over all such tests of the block in this table.",
        "n: measurements that are there, of those asked for; the worst and best case put the metric's bounds "
        "in place of the missing ones. Rank: its bounds in the block. Effect: the mean "
        "paired difference to the best in its standard deviations.",
        "Sets: no pair in a set can be told apart, tested on all pairs at once (step-down max-T over joint "
        "sign flips) and over the metrics of this table; sets overlap where being alike does not carry over.",
        *table.summary.get("notes", ()),
    ]


def finite(value: Any) -> float:
    """A figure of a summary, NaN where it is null."""
    return math.nan if value is None else float(value)
