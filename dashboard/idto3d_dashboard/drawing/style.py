"""One look for all pages: colours that colour-blind readers tell apart, quiet tables, charts' layout."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Okabe & Ito's palette (2008) without its yellow and black, which vanish on light and on dark paper.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "diamond", "square", "cross", "triangle-up", "x")
DRAWN = Path(__file__).with_name("drawn.css")  # of charts that are tables; plain pages have it too

CSS = """
<style>
[data-testid="stMainBlockContainer"] { padding: 3rem clamp(1rem, 3vw, 2.5rem) 4rem;
  max-width: 1500px; }
[data-testid="stCaptionContainer"] { color: inherit !important; opacity: .8; }
table.idto3d { border-collapse: collapse; width: 100%; font-size: 0.86rem;
  font-variant-numeric: tabular-nums; }
table.idto3d th, table.idto3d td { padding: 0.4rem 0.5rem; text-align: right; vertical-align: top;
  border: 0; border-bottom: 1px solid rgba(128,128,128,.25); }
table.idto3d th { font-weight: 600; vertical-align: bottom; }
table.idto3d th:first-child, table.idto3d td:first-child, table.idto3d .text { text-align: left; }
table.idto3d.facts td { text-align: left; overflow-wrap: anywhere; }
table.idto3d.facts td:first-child { opacity: .8; white-space: nowrap; }
table.idto3d small { display: block; opacity: .8; font-size: 0.78rem; white-space: nowrap; }
table.idto3d td:first-child small { white-space: normal; }
table.idto3d tr.block td { opacity: .8; font-size: 0.78rem; text-transform: uppercase;
  letter-spacing: .05em; }
div.scroll { overflow-x: auto; }
</style>
"""


def put_style() -> None:
    """Put the pages' style sheet into the page."""
    streamlit.html(f"{CSS}<style>{_drawn()}</style>")


@cache
def _drawn() -> str:
    return DRAWN.read_text(encoding="utf-8")


def colours(labels: Sequence[str]) -> dict[str, str]:
    """Label -> colour; the same label has the same colour on every page of a run."""
    return {label: PALETTE[at % len(PALETTE)] for at, label in enumerate(labels)}


def dashes(labels: Sequence[str]) -> dict[str, str]:
    """Label -> line's dash, so that labels of one colour differ."""
    return {label: DASHES[at // len(PALETTE) % len(DASHES)] for at, label in enumerate(labels)}


def symbols(labels: Sequence[str]) -> dict[str, str]:
    """Label -> mark, so that labels of one colour differ."""
    return {label: SYMBOLS[at // len(PALETTE) % len(SYMBOLS)] for at, label in enumerate(labels)}


def set_chart(figure: go.Figure, height: int = 320) -> go.Figure:
    """The margins, legend and size that all charts have."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 36, "b": 8},
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0},
        hoverlabel={"namelength": -1},
    )
    return figure
