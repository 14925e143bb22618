"""Sections and curves that others add to a report, as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from idto3d_eval.added_text import section_cells
from idto3d_eval.charts import line_chart
from idto3d_eval.report_tables import table

Entry = Mapping[str, Any]
LONG = 24  # rows, above which a table is folded


def sections_html(summary: Entry) -> list[tuple[str, str]]:
    """(Title, body) of every section, then the curves under one title."""
    found = []
    for section in summary.get("sections", ()):
        body = [[escape(cell) for cell in row] for row in section_cells(section)]
        shown = table([escape(c) for c in section["columns"]], body, 1)
        if len(body) > LONG:
            shown = f'<details class="tight"><summary>{len(body)} rows</summary>{shown}</details>'
        note = f"<p class='faint'>{escape(section['note'])}</p>" if section["note"] else ""
        found.append((escape(section["title"]), note + shown))
    drawn = [
        line_chart(curve["title"], curve["x"], curve["y"], curve["series"])
        for curve in summary.get("curves", ())
    ]
    figures = "".join(f"<figure>{figure}</figure>" for figure in drawn if figure)
    return [*found, ("Curves", f'<div class="charts">{figures}</div>')] if figures else found
