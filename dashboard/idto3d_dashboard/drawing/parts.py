"""What pages are put together from: a chart with its data to download, a table, what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars

MINUS_BAR = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"]}


def show_chart(figure: go.Figure, data: polars.DataFrame, name: str) -> None:
    """A chart, and a button below it that downloads what it is drawn from.

    Args:
        figure: the chart.
        data: its rows.
        name: of the file, without its ending; unique on the page.
    """
    streamlit.plotly_chart(figure, key=f"chart-{name}", config=MINUS_BAR)
    put_download(data, name)


def put_download(data: polars.DataFrame, name: str) -> None:
    """A button that downloads a table as CSV, written when it is asked for."""
    streamlit.download_button(
        "CSV",
        data=lambda: data.write_csv().encode(),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=f"csv-{name}",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
        help=f"The data of this chart or table: {name}.csv",
    )


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]], texts: Sequence[int] = ()) -> str:
    """A table of cells that are HTML already; a row of one cell spans all columns.

    Args:
        heads: of the columns, as text.
        rows: of cells.
        texts: places of columns that hold words and stand to the left, as the first always does.
    """

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = (' class="text"' if at in texts else "" for at in range(len(cells)))
        return "".join(f"<{tag}{kind}>{cell}</{tag[:2]}>" for kind, cell in zip(kinds, cells, strict=True))

    body = []
    for row in rows:
        if len(row) == 1:
            body.append(f'<tr class="block"><td colspan="{len(heads)}">{row[0]}</td></tr>')
        else:
            body.append(f"<tr>{line('td', row)}</tr>")
    top = line('th scope="col"', [escape(head) for head in heads])
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(heads[0])} table">'
        f'<table class="idto3d"><thead><tr>{top}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    )


def put_empty(sentence: str) -> None:
    """What stands where there is nothing to show: a sentence that says what to do."""
    streamlit.info(sentence, icon=":material/info:")


def put_facts(facts: Sequence[tuple[str, Any]]) -> None:
    """Names and values, a line each."""
    lines = "".join(f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in facts)
    streamlit.html(f'<div class="scroll"><table class="idto3d facts"><tbody>{lines}</tbody></table></div>')
