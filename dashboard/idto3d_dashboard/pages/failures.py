"""Failures: everything that has no figure, with its reason, its log and its picture."""

from __future__ import annotations

import streamlit

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.drawing import missing
from idto3d_dashboard.drawing.parts import put_download, put_empty
from idto3d_dashboard.reading import failures

TITLE, PATH = "Failures", "failures"


def show(choice: Choice) -> None:
    """The page."""
    run = choice.run
    streamlit.title(TITLE)
    _jobs(choice)
    streamlit.subheader("Undefined measurements")
    counted = failures.reasons(run, choice.methods, choice.people)
    if counted.is_empty():
        put_empty("Every measurement of the chosen methods has a value.")
        return
    streamlit.caption("A measurement without a value is no zero: it says why, and the table counts it.")
    streamlit.dataframe(missing.titled(counted, run.metrics), hide_index=True, key="reasons")
    put_download(counted, "undefined")
    _views(choice)


def _jobs(choice: Choice) -> None:
    """Jobs that failed, with the end of their logs."""
    found = [
        job
        for job in choice.run.summary["failures"]
        if not job["method"] or choice.run.made_from(job["method"], choice.methods)
    ]
    streamlit.subheader("Failed jobs")
    if not found:
        put_empty("No job of the chosen methods failed.")
    for job in found:
        with streamlit.expander(f"{job['job']}: {job['reason']}"):
            log = failures.log_end(choice.run, job["job"])
            streamlit.code(log or "It left no log.", language=None, wrap_lines=True)


def _views(choice: Choice) -> None:
    """The views of the chosen person in which something could not be read."""
    streamlit.subheader(f"Views of {choice.identity} without a value")
    found = failures.views(choice.run, choice.methods, choice.identity)
    if not found:
        put_empty(f"In every view of {choice.identity} everything could be read; choose another person.")
        return
    columns = streamlit.columns(4)
    for at, view in enumerate(found[: missing.MOST_VIEWS]):
        with columns[at % 4]:
            missing.put_view(view)
    if len(found) > missing.MOST_VIEWS:
        streamlit.caption(f"The first {missing.MOST_VIEWS} of {len(found)}.")
