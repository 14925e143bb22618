"""How figures are written: the same digits in the terminal, in Markdown and in HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NONE = "–"


def number(value: float | None, unit: str) -> str:
    """A figure with as many digits as it deserves; "–" where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    if unit == "calls":
        return f"{value:,.0f}"
    if unit in {"mm", "degrees", "s"}:
        text = f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
    else:
        text = f"{value:,.0f}" if unit == "MiB" else f"{value:.3f}"
    return text[1:] if text[0] == "-" and not text.strip("-0.,") else text


def signed(value: float | None, unit: str) -> str:
    """A difference with its sign, minus as a minus."""
    text = number(value, unit)
    return text if value is None or value < 0 else f"+{text}"


def interval(cell: Mapping[str, Any], unit: str) -> str:
    """The interval in brackets, "" where there is none."""
    if cell["low"] is None or cell["high"] is None:
        return ""
    return f"[{number(cell['low'], unit)}, {number(cell['high'], unit)}]"


def mark(cell: Mapping[str, Any]) -> str:
    """A star for the best of a block, "=" for what cannot be told from it, both for a best with ties."""
    return ("★" if cell["best"] else "") + ("=" if cell["tied"] else "")


def valid(cell: Mapping[str, Any]) -> str:
    """How many of the measurements asked for are behind a figure; "" when all are."""
    return "" if cell["valid"] == cell["total"] else f"{cell['valid']} of {cell['total']}"


def heading(metric: Mapping[str, Any]) -> str:
    """A column's title with unit and direction."""
    arrow = {"higher": " ↑", "lower": " ↓", "neither": ""}[metric["better"]]
    unit = f", {metric['unit']}" if metric["unit"] in {"mm", "degrees"} else ""
    return f"{metric['title']}{unit}{arrow}"


def seconds(value: float | None) -> str:
    """A duration, short."""
    if value is None:
        return NONE
    if value < 100:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 6000 else f"{value / 3600:.1f} h"


def memory(mib: float | None) -> str:
    """Memory, short."""
    if not mib:
        return NONE
    return f"{mib:.0f} MiB" if mib < 1000 else f"{mib / 1024:.1f} GiB"


def calls(costs: Mapping[str, Any]) -> str:
    """Guidance calls a head against what the protocol allows; a method outside can only declare its own."""
    spent, allowed = number(costs["guidance_calls_a_head"], "calls"), costs.get("guidance_calls_allowed")
    parts = [spent]
    if allowed is not None and costs["guidance_calls_exactly"]:
        parts = [f"{spent} of {allowed:,}"]
    elif allowed is not None:
        parts.append(f"at most {allowed:,}")
    if costs.get("guidance_calls_are") == "declared":
        parts.append("declared, not measured")
    return parts[0] + (f" ({'; '.join(parts[1:])})" if parts[1:] else "")


REPRODUCTIONS = {
    "measured": "measured against its paper",
    "approximated": "approximates its paper",
    "not-reproduced": "its paper not reproduced",
}


def labels(row: Mapping[str, Any]) -> list[str]:
    """What a reader must know of a row before comparing it."""
    found = [row["kind"]]
    if row["reproduction"] in REPRODUCTIONS:
        found.append(REPRODUCTIONS[row["reproduction"]])
    if row["best_of"] > 1:
        found.append(f"best of {row['best_of']} attempts")
    if row.get("archived"):
        found.append("from an archive")
    if row["photos_of"] == "next":
        scored = "scored as the person in them" if row["scored_as"] == "photos" else "scored as its own"
        found.append(f"another person's photos, {scored}")
    if row["knows_population"]:
        found.append("knows the generating family")
    if row["kind"].startswith("external"):
        found.append("guidance calls declared, not measured")
    if row["heads"]["made"] < row["heads"]["total"]:
        found.append(f"{row['heads']['made']} of {row['heads']['total']} heads")
    if row["unranked"]:
        found.append(f"unranked: {row['unranked']}")
    return found


def given(row: Mapping[str, Any]) -> str:
    """What a method received of the person."""
    return f"given: {', '.join(row['conditioned_on'])}"
