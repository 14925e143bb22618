"""Overview: the result table, quality against cost, and what differs from a second run."""

from __future__ import annotations

import streamlit

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.drawing import result_table
from idto3d_dashboard.drawing.parts import put_download

TITLE, PATH, ICON = "Overview", "overview", "table_chart"


def show(choice: Choice) -> None:
    """The page."""
    summary = choice.run.summary
    told = summary["protocol"]
    streamlit.title(f"{told['name']}, version {told['version']}")
    streamlit.markdown(told["question"] or told["description"])
    streamlit.caption(result_table.population(summary))
    streamlit.html(result_table.headline(summary, choice.methods))
    streamlit.caption(result_table.legend(summary))
    put_download(result_table.rows(summary, choice.methods), "headline")
