"""Stability: what moves when seed, session, light, resolution or renderer change and the head should not."""

from __future__ import annotations

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.drawing import charts, result_table
from idto3d_dashboard.drawing.intervals import interval_rows, interval_table
from idto3d_dashboard.drawing.sections import find, put_section
from idto3d_dashboard.sheet import Sheet, in_columns

TITLE, PATH = "Stability", "stability"
FAMILIES = ("stability", "light")


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    sheet.title(TITLE)
    run = choice.run
    found = find(run.summary, "Stability", "Against the true heads")
    for section in found:
        put_section(sheet, section, run.labels, choice.methods)
    metrics = [metric for metric in run.metrics.values() if metric["family"] in FAMILIES]
    for at, told in enumerate(run.summary["curves"]):
        if told["title"].startswith("Similarity against yaw"):
            html, rows = charts.curve(told, run.labels, choice.methods)
            if html:
                sheet.html(html)
            sheet.download(rows, f"similarity_against_yaw_{at}")
    drawn = [
        (metric["name"], cells, table)
        for metric in metrics
        for cells in [result_table.cells_of(run.summary, metric["name"], choice.methods)]
        if (table := interval_table(cells, metric, run.labels))
    ]
    for (name, cells, table), place in zip(drawn, in_columns(sheet, 2), strict=False):
        with place:
            sheet.html(table)
            sheet.download(interval_rows(cells, run.labels), f"stability_{name}")
    if not drawn and not any(section["title"].startswith("Stability") for section in found):
        sheet.empty(
            "This run has one seed, one session and one renderer; idto3d-eval run --protocol sessions and "
            "--protocol relighting ask what moves when they change."
        )
