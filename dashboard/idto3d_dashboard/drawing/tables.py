"""Tables as HTML, for pages that Streamlit shows and for plain ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


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


def facts_table(facts: Sequence[tuple[str, Any]]) -> str:
    """Names and values, a line each."""
    lines = "".join(f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in facts)
    return f'<div class="scroll"><table class="idto3d facts"><tbody>{lines}</tbody></table></div>'
