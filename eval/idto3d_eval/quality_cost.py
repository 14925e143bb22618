"""Quality against cost: what a head costs and how good it is, a point a row, with the best for each cost.

Rows that bracket the scale are horizontal lines, since their cost means nothing. The front joins what no
ranked row of the first block beats at its cost or less; blocks are not compared with each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from idto3d_eval.summary_text import titles

METRICS = ("calibrated_identity", "joint")
COSTS = {"seconds_a_head": "seconds a head", "guidance_calls_a_head": "guidance calls a head"}
BRACKETS = frozenset({"floor", "bracket", "ceiling"})  # kinds of methods that are lines
TITLE = "Quality against cost"
NOTE = (
    "Whiskers: the interval of the table. The line joins what no ranked row beats at its cost or less; "
    "dashed lines are rows that bracket the scale. Rows of one cost may stand side by side."
)
KEY = "Discs: from photos alone. Diamonds: know the generating family. Hollow: unranked."


@dataclass(frozen=True)
class Point:
    """A row in the picture."""

    label: str
    cost: float
    value: float
    low: float  # NaN where there is no interval
    high: float
    block: str
    ranked: bool


@dataclass(frozen=True)
class Panel:
    """What one picture shows: one metric against one cost."""

    metric: str  # its title
    cost: str  # what the axis says
    points: tuple[Point, ...]
    brackets: tuple[tuple[str, float], ...]


def panels(summary: Mapping[str, Any]) -> list[Panel]:
    """All panels for which there are figures.

    Args:
        summary: as `summary.json` holds it; numbers from papers are not looked at.
    """
    known = titles(summary)
    found = []
    for name in METRICS:
        for cost, title in COSTS.items():
            points = _points(summary["rows"], name, cost)
            if name in known and points and any(point.cost > 0 for point in points):
                brackets = _brackets(summary["rows"], name)
                found.append(Panel(known[name]["title"], title, tuple(points), brackets))
    return found


def front(points: Sequence[Point]) -> list[Point]:
    """The ranked points of the first block that no other such point beats at its cost or less, by cost."""
    own = [point for point in points if point.ranked and point.block == "photos"]
    best: list[Point] = []
    for point in sorted(own, key=lambda point: (point.cost, -point.value)):
        if not best or point.value > best[-1].value:
            best.append(point)
    return best


def undrawn(summary: Mapping[str, Any]) -> list[str]:
    """Rows that have no place in the picture, and why."""
    told = []
    for row in summary["rows"]:
        cells = [row["cells"][name] for name in METRICS if name in row["cells"]]
        if _brackets_the_scale(row) or any(cell["value"] is not None for cell in cells):
            continue
        reason = next((cell["reason"] for cell in cells if cell["reason"]), "it has neither figure")
        told.append(f"{row['label']}: {reason}")
    return told


def notes(summary: Mapping[str, Any]) -> list[str]:
    """What a reader of the picture must know."""
    archived = any(row["archived"] for row in summary["rows"])
    from_elsewhere = ["Seconds of rows from an archive are those of the machine that made them."]
    return [
        NOTE,
        KEY,
        *(from_elsewhere if archived else []),
        *(f"Not drawn: {text}" for text in undrawn(summary)),
    ]


def _brackets_the_scale(row: Mapping[str, Any]) -> bool:
    return row["kind"] in BRACKETS or row["block"] == "reference"


def _points(rows: Sequence[Mapping[str, Any]], metric: str, cost: str) -> list[Point]:
    found = []
    for row in rows:
        cell, spent = row["cells"].get(metric), row["costs"][cost]
        if _brackets_the_scale(row) or cell is None or cell["value"] is None or spent is None:
            continue
        low, high = (math.nan if cell[end] is None else cell[end] for end in ("low", "high"))
        found.append(Point(row["label"], spent, cell["value"], low, high, row["block"], not row["unranked"]))
    return found


def _brackets(rows: Sequence[Mapping[str, Any]], metric: str) -> tuple[tuple[str, float], ...]:
    cells = [(row["label"], row["cells"].get(metric)) for row in rows if _brackets_the_scale(row)]
    return tuple(
        (label, cell["value"]) for label, cell in cells if cell is not None and cell["value"] is not None
    )
