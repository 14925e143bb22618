"""How numbers from papers are shown: in a block of their own, read by nobody who ranks, tests or draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TITLE = "Numbers from papers"
NOTE = (
    "Other people, other rulers: never compared with the rows that were measured here, nor with each other."
)
HEADS = ("method", "metric", "value", "people", "recogniser", "source")


def paper_row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """A number from a paper, as the summary holds it, column by column as in `HEADS`."""
    second = "" if entry["read"] == "first-hand" else " (read second-hand)"
    note = f"; {entry['note']}" if entry["note"] else ""
    return (
        entry["method"],
        entry["metric"],
        f"{entry['value']:g}",
        entry["population"],
        entry["recogniser"],
        f"{entry['source']}, {entry['place']}{second}{note}",
    )
