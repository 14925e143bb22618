"""Overview: the result table, quality against cost, and what differs from a second run."""

from __future__ import annotations

from idto3d_dashboard.choice import EVERYBODY, Choice
from idto3d_dashboard.drawing import charts, compared, result_table
from idto3d_dashboard.drawing.intervals import interval_rows, interval_table
from idto3d_dashboard.drawing.quality_cost import HOW_TO_READ
from idto3d_dashboard.drawing.quality_cost import quality_cost as drawn
from idto3d_dashboard.reading.comparison import compare
from idto3d_dashboard.reading.figures import group_cells
from idto3d_dashboard.sheet import Sheet, in_columns
from idto3d_eval import quality_cost

TITLE, PATH = "Overview", "overview"
NOTHING = "nothing"
NOT_HERE = (quality_cost.NOTE, quality_cost.KEY)  # of the report's picture, which is drawn otherwise


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    run, summary = choice.run, choice.run.summary
    told = summary["protocol"]
    sheet.title(f"{told['name']}, version {told['version']}")
    sheet.text(told["question"] or told["description"])
    sheet.note(result_table.population(summary))
    if not choice.methods:
        sheet.empty("No method is chosen; choose some in the sidebar.")
        return
    if choice.group != EVERYBODY:
        cells = group_cells(run, choice.people)
        shown = {
            **summary,
            "rows": [{**row, "cells": cells.get(row["label"], {})} for row in summary["rows"]],
        }
        sheet.html(result_table.headline(shown, choice.methods))
        sheet.note(
            f"Of {choice.group} alone: {len(choice.people)} people. Tests and marks are of all people, and "
            "left out here; see Generalisation for the gaps between groups."
        )
        sheet.download(result_table.rows(shown, choice.methods), "headline_of_group")
        return
    sheet.html(result_table.headline(summary, choice.methods))
    sheet.note(result_table.legend(summary))
    sheet.download(result_table.rows(summary, choice.methods), "headline")
    _one_metric(choice, sheet)
    _costs(choice, sheet)
    if sheet.live:
        _second_run(choice, sheet)


def _one_metric(choice: Choice, sheet: Sheet) -> None:
    run = choice.run
    sheet.heading("One metric")
    name = sheet.choose("Metric", list(run.metrics), "metric", told=lambda name: run.metrics[name]["title"])
    cells = result_table.cells_of(run.summary, name, choice.methods)
    if table := interval_table(cells, run.metrics[name], run.labels):
        sheet.html(table)
        sheet.download(interval_rows(cells, run.labels), f"metric_{name}")
    else:
        sheet.empty("No chosen method has a figure of this metric; Failures says why.")
    sheet.note(run.metrics[name]["definition"])


def _costs(choice: Choice, sheet: Sheet) -> None:
    found = quality_cost.panels(choice.run.summary)
    if not found:
        return
    sheet.heading(quality_cost.TITLE)
    costs = list(dict.fromkeys(panel.cost for panel in found))
    cost = sheet.choose("Cost", costs, "cost", side_by_side=True)
    sheet.html(charts.legend(choice.run.labels, choice.methods))
    shown = enumerate(panel for panel in found if panel.cost == cost)
    for (at, panel), place in zip(shown, in_columns(sheet, 2), strict=False):
        with place:
            html, rows = drawn(panel, choice.run.labels, choice.methods)
            sheet.html(html)
            sheet.download(rows, f"quality_cost_{at}")
    told = [note for note in quality_cost.notes(choice.run.summary) if note not in NOT_HERE]
    sheet.note(" ".join([HOW_TO_READ, *told]))


def _second_run(choice: Choice, sheet: Sheet) -> None:
    others = [name for name in choice.folders if name != choice.run.name]
    sheet.heading("Against a second run")
    if not others:
        sheet.empty(
            "One run is open; name a second one, as in idto3d-eval dashboard RUN RUN, to compare them."
        )
        return
    other = sheet.choose("Second run", [NOTHING, *others], "against")
    if other == NOTHING:
        return
    found = compare(choice.run.folder, choice.folders[other])
    sheet.html(compared.table(found, choice.methods))
    sheet.note(compared.legend(found, choice.run.name, other))
    sheet.download(compared.rows(found), "compared")
