"""Failures: everything that has no figure, with its reason, its log and its picture."""

from __future__ import annotations

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.drawing import missing
from idto3d_dashboard.reading import failures
from idto3d_dashboard.sheet import Sheet, in_columns

TITLE, PATH = "Failures", "failures"


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    run = choice.run
    sheet.title(TITLE)
    _jobs(choice, sheet)
    sheet.heading("Undefined measurements")
    counted = failures.reasons(run, choice.methods, choice.people)
    if counted.is_empty():
        sheet.empty("Every measurement of the chosen methods has a value.")
        return
    sheet.note("A measurement without a value is no zero: it says why, and the table counts it.")
    sheet.table(missing.titled(counted, run.metrics), "undefined")
    _views(choice, sheet)


def _jobs(choice: Choice, sheet: Sheet) -> None:
    """Jobs that failed, with the end of their logs."""
    found = [
        job
        for job in choice.run.summary["failures"]
        if not job["method"] or choice.run.made_from(job["method"], choice.methods)
    ]
    sheet.heading("Failed jobs")
    if not found:
        sheet.empty("No job of the chosen methods failed.")
    for job in found:
        with sheet.folded(f"{job['job']}: {job['reason']}"):
            log = failures.log_end(choice.run, job["job"])
            sheet.code(log or "It left no log.")


def _views(choice: Choice, sheet: Sheet) -> None:
    """The views of the chosen person in which something could not be read."""
    sheet.heading(f"Views of {choice.identity} without a value")
    found = failures.views(choice.run, choice.methods, choice.identity)
    if not found:
        sheet.empty(f"In every view of {choice.identity} everything could be read; choose another person.")
        return
    for view, place in zip(found[: missing.MOST_VIEWS], in_columns(sheet, 4), strict=False):
        with place:
            missing.put_view(sheet, view)
    if len(found) > missing.MOST_VIEWS:
        sheet.note(f"The first {missing.MOST_VIEWS} of {len(found)}.")
