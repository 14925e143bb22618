"""Pictures side by side and in a matrix, as HTML with a text for who cannot see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

CSS = """
<style>
div.pictures { display: flex; flex-wrap: wrap; gap: .6rem; }
div.pictures figure { margin: 0; width: 132px; }
div.pictures img, table.matrix img { width: 100%; border-radius: 6px; display: block; }
div.pictures figcaption, table.matrix small { font-size: .78rem; opacity: .8; }
div.matrix { overflow-x: auto; }
table.matrix { width: auto; border-collapse: separate; border-spacing: 6px; font-size: .85rem; }
table.matrix th { font-weight: 600; text-align: left; vertical-align: top; }
table.matrix thead th { vertical-align: bottom; }
table.matrix tbody th { position: sticky; left: 0; padding-right: .4rem;
  background: var(--st-background-color, transparent); }
table.matrix td { vertical-align: top; width: 112px; min-width: 112px; max-width: 160px; }
table.matrix thead td { width: auto; min-width: 0; }
table.matrix td.none { opacity: .8; font-size: .78rem; }
</style>
"""


@dataclass(frozen=True)
class Shown:
    """A picture's address, what it shows in words, what stands below it, and why there is none."""

    source: str
    alt: str
    below: str = ""
    reason: str = ""


def row_of(pictures: Sequence[Shown]) -> str:
    """Pictures side by side, wrapped where the page is narrow."""
    shown = "".join(
        f"<figure>{_picture(one)}<figcaption>{escape(one.below)}</figcaption></figure>" for one in pictures
    )
    return f'{CSS}<div class="pictures">{shown}</div>'


def matrix_of(
    rows: Sequence[str], columns: Sequence[str], cells: Mapping[tuple[str, str], Shown], name: str
) -> str:
    """Pictures in rows and columns; the rows' names stay in sight where it is scrolled.

    Args:
        rows, columns: their names.
        cells: (row, column) -> picture.
        name: what the matrix shows, for who cannot see it.
    """
    top = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(row.replace("_", " "))}</th>'
        + "".join(_cell(cells[row, column]) for column in columns)
        + "</tr>"
        for row in rows
    )
    return (
        f'{CSS}<div class="matrix" tabindex="0" role="region" aria-label="{escape(name)}">'
        f'<table class="matrix"><thead><tr><td></td>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cell(one: Shown) -> str:
    if not one.source:
        return f'<td class="none">{escape(one.reason)}</td>'
    return f"<td>{_picture(one)}<small>{escape(one.below)}</small></td>"


def _picture(one: Shown) -> str:
    if not one.source:
        return f"<small>{escape(one.reason)}</small>"
    return f'<img src="{escape(one.source)}" alt="{escape(one.alt)}" title="{escape(one.alt)}">'
