"""Sections that others add to a report, and what is refused, as Markdown and as texts for any page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idto3d_eval.figures_text import NONE, number

Entry = Mapping[str, Any]


def sections_markdown(summary: Entry) -> list[str]:
    """Every section as a heading, its note and a table; curves are named, since text cannot draw them."""
    parts = []
    for section in summary.get("sections", ()):
        lines = [_line(section["columns"]), _line(["---", *("---:" for _ in section["columns"][1:])])]
        lines += [_line(row) for row in section_cells(section)]
        parts += [f"## {section['title']}", *([section["note"]] if section["note"] else []), "\n".join(lines)]
    titles = [curve["title"] for curve in summary.get("curves", ())]
    return [*parts, f"Curves, drawn in `report.html`: {'; '.join(titles)}."] if titles else parts


def refused_lines(summary: Entry) -> list[str]:
    """A sentence for each metric that is not reported."""
    return [
        f"{entry['metric']} is not reported, since it failed its self-check: {entry['reason']}"
        for entry in summary.get("refused", ())
    ]


def section_cells(section: Entry) -> list[list[str]]:
    """Its rows as texts, by the units of its columns."""
    units: Sequence[str] = section.get("units") or ["1"] * len(section["columns"])
    return [[_text(cell, unit) for cell, unit in zip(row, units, strict=True)] for row in section["rows"]]


def _text(cell: Any, unit: str) -> str:
    if cell is None:
        return NONE
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, list | tuple):
        return f"[{', '.join(_text(part, unit) for part in cell)}]"
    return number(cell, unit) if isinstance(cell, float) else str(cell)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
