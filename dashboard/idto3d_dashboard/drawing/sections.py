"""Tables that a run's report has beside the result table, cut to what a reader has chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from idto3d_dashboard.drawing.tables import html_table
from idto3d_eval.added_text import section_cells

if TYPE_CHECKING:
    import polars

    from idto3d_dashboard.sheet import Sheet

Entry = Mapping[str, Any]
MANY = 24  # rows, above which a table is one that scrolls and sorts
_OF_METHODS = ("row", "method")  # columns that name a row of the result table


def find(summary: Entry, *titles: str) -> list[Entry]:
    """The sections whose titles begin so, in the order of the report."""
    return [section for section in summary["sections"] if section["title"].startswith(titles)]


def put_section(sheet: Sheet, section: Entry, labels: Sequence[str], chosen: Sequence[str]) -> None:
    """A section with its note and a download; lines of rows that are not chosen are left out."""
    sheet.heading(section["title"])
    if section["note"]:
        sheet.note(section["note"])
    kept = _of_chosen(section, labels, chosen)
    cells = section_cells(kept)
    name = "_".join(section["title"].lower().replace(",", "").split())[:40]
    if not cells:
        sheet.note("Nothing of the chosen methods.")
    elif len(cells) > MANY:
        sheet.table(_frame(kept), name)
    else:
        columns = zip(*kept["rows"], strict=True)
        texts = [at for at, column in enumerate(columns) if any(isinstance(cell, str) for cell in column)]
        body = [[escape(cell) for cell in row] for row in cells]
        sheet.html(html_table(section["columns"], body, texts))
        sheet.download(_frame(kept), name)


def _of_chosen(section: Entry, labels: Sequence[str], chosen: Sequence[str]) -> Entry:
    at = next((at for at, name in enumerate(section["columns"]) if name in _OF_METHODS), None)
    if at is None:
        return section
    hidden = set(labels) - set(chosen)
    return {**section, "rows": [row for row in section["rows"] if row[at] not in hidden]}


def _frame(section: Entry) -> polars.DataFrame:
    import polars

    names: list[str] = []
    for name in section["columns"]:  # "low" stands twice where two figures have intervals
        names.append(name if name not in names else f"{name} ({names[-1]})")
    columns = {name: [_plain(row[at]) for row in section["rows"]] for at, name in enumerate(names)}
    return polars.DataFrame(columns, strict=False, infer_schema_length=None)


def _plain(cell: Any) -> Any:
    return ", ".join(map(str, cell)) if isinstance(cell, list | tuple) else cell
