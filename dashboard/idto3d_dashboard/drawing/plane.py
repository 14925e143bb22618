"""A plane of plain elements, on which marks and lines lie at percents: axes, ticks, lines, a legend.

Charts of it are there as soon as a page is, where Plotly's script keeps a browser busy for a second or two,
and stand in any theme and width.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import chain, pairwise

from idto3d_dashboard.drawing.style import DASHES

GREY = "#8C8C8C"  # in sight on light and on dark paper
Place = tuple[float, float]  # percent from the left, and from below
_WRITTEN = 6  # names below a plane that stand side by side; more are written upwards
_GAPS = {"solid": (), "dash": (9, 5), "dot": (3, 3), "dashdot": (12, 4)}  # pixels drawn, and left out


def rows_of(ticks: Iterable[float], low: float, high: float) -> list[tuple[float, str]]:
    """Percents and texts of the vertical axis."""
    return [(share(tick, low, high), f"{tick:g}") for tick in ticks]


def share(value: float, low: float, high: float) -> float:
    """Percent of the way from low to high."""
    return 100.0 * (value - low) / (high - low)


def plane(
    parts: Iterable[str],
    *,
    title: str,
    told: str,
    under: str,
    rows: Sequence[tuple[float, str]],
    columns: Sequence[tuple[float, str]],
    named: bool = False,
) -> str:
    """The figure as HTML.

    Args:
        parts: elements on it.
        title: above it.
        told: what a screen reader says of it.
        under: the horizontal axis' title.
        rows, columns: percents and texts of the ticks.
        named: whether columns are places that have names, and no numbers.
    """
    grid = [f'<s class="row" style="bottom:{at:.2f}%"><b>{escape(text)}</b></s>' for at, text in rows]
    grid += [f'<s class="column" style="left:{at:.2f}%"><b>{escape(text)}</b></s>' for at, text in columns]
    upright = " upright" if named and len(columns) > _WRITTEN else ""
    longest = max((len(text) for _, text in columns), default=0)
    room = f' style="margin-bottom:{min(0.5 * longest + 1.0, 9.0):.1f}rem"' if upright else ""
    return (
        f'<figure class="idto3d plane{upright}"><figcaption>{escape(title)}</figcaption>'
        f'<div role="img" aria-label="{escape(told)}"{room}>{"".join(grid)}{"".join(parts)}</div>'
        f"<p>{escape(under)}</p></figure>"
    )


def line(places: Sequence[Place], colour: str, dash: str = DASHES[0], told: str = "") -> str:
    """A line through places, two pixels wide whatever size the plane has."""
    if len(places) < 2:
        return ""
    there, back = [], []
    for at, (left, bottom) in enumerate(places):
        before, after = places[max(at - 1, 0)], places[min(at + 1, len(places) - 1)]
        rise = 0.5 * (_sign(bottom - before[1]) + _sign(after[1] - bottom))
        right, down = -0.9 * rise, -(1.0 - 0.3 * abs(rise))  # half a width across the line, pixels
        there.append(f"calc({left:.2f}% + {right:.2f}px) calc({100 - bottom:.2f}% + {down:.2f}px)")
        back.append(f"calc({left:.2f}% - {right:.2f}px) calc({100 - bottom:.2f}% - {down:.2f}px)")
    outline = ",".join([*there, *reversed(back)])
    hover = f' title="{escape(told)}"' if told else ""
    return f'<i class="line" style="background:{_ink(colour, dash)};clip-path:polygon({outline})"{hover}></i>'


def stepped(places: Sequence[Place]) -> list[Place]:
    """The same places, joined by steps that rise at the next one."""
    corners = [(after[0], before[1]) for before, after in pairwise(places)]
    return [*chain.from_iterable(zip(places, corners, strict=False)), *places[-1:]]


def mark(place: Place, colour: str, symbol: str, told: str, faint: bool = False) -> str:
    """A mark at a place, with what it says when it is pointed at."""
    at = f"left:{place[0]:.2f}%;bottom:{place[1]:.2f}%;background:{colour}"
    return f'<i class="mark {symbol}{" faint" if faint else ""}" style="{at}" title="{escape(told)}"></i>'


def whisker(left: float, low: float, high: float) -> str:
    """An upright interval."""
    return f'<i class="whisker" style="left:{left:.2f}%;bottom:{low:.2f}%;height:{high - low:.2f}%"></i>'


def bar(left: float, wide: float, high: float, colour: str, dash: str, told: str) -> str:
    """A bar from the bottom, with what it says when it is pointed at."""
    at = f"left:{left:.2f}%;width:{wide:.2f}%;height:{high:.2f}%;background:{_ink(colour, dash)}"
    return f'<i class="bar" style="{at}" title="{escape(told)}"></i>'


def line_legend(lines: Iterable[tuple[str, str, str]]) -> str:
    """Names of lines beside a piece of each, from name, colour and dash; as HTML."""
    rows = "".join(
        f'<li><i class="line" style="background:{_ink(colour, dash)}"></i>{escape(name)}</li>'
        for name, colour, dash in lines
    )
    return f'<ul class="idto3d legend" aria-label="Lines">{rows}</ul>'


def bounds(values: Iterable[float | None]) -> tuple[float, float] | None:
    """The least and the greatest of those that are finite."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return (min(known), max(known)) if known else None


def _ink(colour: str, dash: str) -> str:
    gaps = _GAPS[dash]
    if not gaps:
        return colour
    drawn, left_out = gaps
    return f"repeating-linear-gradient(90deg,{colour} 0 {drawn}px,transparent {drawn}px {drawn + left_out}px)"


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
