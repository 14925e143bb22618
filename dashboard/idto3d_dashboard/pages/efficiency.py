"""Efficiency: what heads cost, stage by stage, and how good they are at equal time."""

from __future__ import annotations

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.drawing import charts
from idto3d_dashboard.drawing.quality_cost import HOW_TO_READ
from idto3d_dashboard.drawing.quality_cost import quality_cost as drawn
from idto3d_dashboard.drawing.sections import find, put_section
from idto3d_dashboard.sheet import Sheet, in_columns
from idto3d_eval import quality_cost

TITLE, PATH = "Efficiency", "efficiency"


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    sheet.title(TITLE)
    run = choice.run
    panels = quality_cost.panels(run.summary)
    if panels:
        sheet.html(charts.legend(run.labels, choice.methods))
    for (at, panel), place in zip(enumerate(panels), in_columns(sheet, 2), strict=False):
        with place:
            html, rows = drawn(panel, run.labels, choice.methods)
            sheet.html(html)
            sheet.download(rows, f"efficiency_{at}")
    if panels:
        sheet.note(HOW_TO_READ)
    found = find(run.summary, "Quality at equal time", "Cost by stage")
    for section in found:
        put_section(sheet, section, run.labels, choice.methods)
    if not panels and not found:
        sheet.empty("This run has no costs; the same idto3d-eval run command writes them when it ends.")
