"""Overview: the result table, quality against cost, and what differs from a second run."""

from __future__ import annotations

import streamlit

from idto3d_dashboard.choice import EVERYBODY, Choice
from idto3d_dashboard.drawing import charts, compared, result_table
from idto3d_dashboard.drawing.parts import put_download, put_empty, show_chart
from idto3d_dashboard.reading.comparison import compare
from idto3d_dashboard.reading.figures import group_cells
from idto3d_eval import quality_cost

TITLE, PATH = "Overview", "overview"
NOTHING = "nothing"


def show(choice: Choice) -> None:
    """The page."""
    run, summary = choice.run, choice.run.summary
    told = summary["protocol"]
    streamlit.title(f"{told['name']}, version {told['version']}")
    streamlit.markdown(told["question"] or told["description"])
    streamlit.caption(result_table.population(summary))
    if not choice.methods:
        put_empty("No method is chosen; choose some in the sidebar.")
        return
    if choice.group != EVERYBODY:
        cells = group_cells(run, choice.people)
        shown = {
            **summary,
            "rows": [{**row, "cells": cells.get(row["label"], {})} for row in summary["rows"]],
        }
        streamlit.html(result_table.headline(shown, choice.methods))
        streamlit.caption(
            f"Of {choice.group} alone: {len(choice.people)} people. Tests and marks are of all people, and "
            "left out here; see Generalisation for the gaps between groups."
        )
        put_download(result_table.rows(shown, choice.methods), "headline_of_group")
        return
    streamlit.html(result_table.headline(summary, choice.methods))
    streamlit.caption(result_table.legend(summary))
    put_download(result_table.rows(summary, choice.methods), "headline")
    _one_metric(choice)
    _costs(choice)
    _second_run(choice)


def _one_metric(choice: Choice) -> None:
    run = choice.run
    streamlit.subheader("One metric")
    name = streamlit.selectbox(
        "Metric",
        list(run.metrics),
        format_func=lambda name: run.metrics[name]["title"],
        key="metric",
        bind="query-params",
    )
    cells = {
        row["label"]: row["cells"][name]
        for row in run.summary["rows"]
        if name in row["cells"] and row["label"] in choice.methods
    }
    show_chart(*charts.intervals(cells, run.metrics[name], run.labels), f"metric_{name}")
    streamlit.caption(run.metrics[name]["definition"])


def _costs(choice: Choice) -> None:
    found = quality_cost.panels(choice.run.summary)
    if not found:
        return
    streamlit.subheader(quality_cost.TITLE)
    columns = streamlit.columns(2)
    for at, panel in enumerate(found):
        with columns[at % 2]:
            show_chart(*charts.quality_cost(panel, choice.run.labels), f"quality_cost_{at}")
    streamlit.caption(" ".join(quality_cost.notes(choice.run.summary)))


def _second_run(choice: Choice) -> None:
    others = [name for name in choice.folders if name != choice.run.name]
    streamlit.subheader("Against a second run")
    if not others:
        put_empty("One run is open; name a second one, as in idto3d-eval dashboard RUN RUN, to compare them.")
        return
    other = streamlit.selectbox("Second run", [NOTHING, *others], key="against", bind="query-params")
    if other == NOTHING:
        return
    found = compare(choice.run.folder, choice.folders[other])
    streamlit.html(compared.table(found, choice.methods))
    streamlit.caption(compared.legend(found, choice.run.name, other))
    put_download(compared.rows(found), "compared")
