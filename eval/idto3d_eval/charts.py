"""Charts as small inline SVG that takes its colours from the page, so that light and dark both read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

SERIES = 8  # colours that the page defines as --s0 … --s7
WIDTH = 480
_LEFT, _RIGHT, _ROW = 148, 16, 28


def interval_chart(title: str, rows: Sequence[tuple[str, float, float, float]], zero: bool = False) -> str:
    """A dot with its interval a method.

    Args:
        title: what is measured, with unit and direction.
        rows: (method, value, low, high); NaN rows keep their place and say so.
        zero: whether the axis must show 0.
    """
    bounds = [part for row in rows for part in row[1:] if math.isfinite(part)] + ([0.0] if zero else [])
    if not bounds:
        return ""
    low, high, ticks = axis(min(bounds), max(bounds))
    height = 34 + _ROW * len(rows) + 26
    x = _scale(low, high)
    parts = [_open(height, title), _grid(ticks, x, 30, height - 26)]
    if low < 0 < high:
        parts.append(f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="30" y2="{height - 26}"/>')
    for index, (name, value, start, end) in enumerate(rows):
        y = 44 + _ROW * index
        parts.append(
            f'<text class="name" x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
        )
        if not math.isfinite(value):
            parts.append(f'<text class="none" x="{_LEFT}" y="{y + 4}">none</text>')
            continue
        colour = f'style="--c:var(--s{index % SERIES})"'
        if math.isfinite(start):
            parts.append(
                f'<line class="bar" {colour} x1="{x(start):.1f}" x2="{x(end):.1f}" y1="{y}" y2="{y}"/>'
            )
        parts.append(f'<circle class="dot" {colour} cx="{x(value):.1f}" cy="{y}" r="5"/>')
    return "".join([*parts, "</svg>"])


def share_chart(title: str, series: Sequence[tuple[str, Sequence[float]]], shown: Mapping[str, int]) -> str:
    """Cumulative curves: the share of identities at or below each value.

    Args:
        title: what is measured, with unit.
        series: (method, one value an identity); NaN counts as never reached.
        shown: method -> index of its colour.
    """
    finite = [value for _, values in series for value in values if math.isfinite(value)]
    if not finite:
        return ""
    low, high, ticks = axis(min(0.0, *finite), max(finite))
    height = 300
    top, bottom = 30, height - 26
    x = _scale(low, high, left=44)
    parts = [_open(height, title), _grid(ticks, x, top, bottom)]
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - top - 10)
        parts.append(f'<line class="grid" x1="44" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="38" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    for name, values in series:
        reached = sorted(value for value in values if math.isfinite(value))
        points, share = [(x(low), float(bottom))], 0.0
        for count, value in enumerate(reached, start=1):
            before = bottom - share * (bottom - top - 10)
            share = count / len(values)
            points += [(x(value), before), (x(value), bottom - share * (bottom - top - 10))]
        points.append((x(high), points[-1][1]))
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        colour = f'style="--c:var(--s{shown[name] % SERIES})"'
        parts.append(
            f'<polyline class="curve" {colour} points="{path}"><title>{escape(name)}</title></polyline>'
        )
    return "".join([*parts, "</svg>"]) + legend([name for name, _ in series], shown)


def line_chart(title: str, x: str, y: str, series: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Points joined by lines, a colour a series.

    Args:
        title: what is shown.
        x, y: what the axes say.
        series: name -> [[x, y], …]; points that are not finite are left out.
    """
    kept = {
        name: [(float(px), float(py)) for px, py in points if _drawable(px) and _drawable(py)]
        for name, points in series.items()
    }
    flat = [point for points in kept.values() for point in points]
    if not flat:
        return ""
    height, left = 300, 52
    top, bottom = 46, height - 42
    low, high, ticks = axis(min(px for px, _ in flat), max(px for px, _ in flat))
    least, most, marks = axis(min(py for _, py in flat), max(py for _, py in flat))
    across = _scale(low, high, left=left)

    def up(value: float) -> float:
        return bottom - (value - least) / (most - least) * (bottom - top)

    parts = [_open(height, title), _grid(ticks, across, top, bottom)]
    for mark in marks:
        parts.append(
            f'<line class="grid" x1="{left}" x2="{WIDTH - _RIGHT}" y1="{up(mark):.1f}" y2="{up(mark):.1f}"/>'
            f'<text class="tick" x="{left - 6}" y="{up(mark) + 4:.1f}" text-anchor="end">{mark:g}</text>'
        )
    parts.append(f'<text class="tick" x="0" y="{top - 12}">{escape(y)}</text>')
    middle = (left + WIDTH - _RIGHT) / 2
    parts.append(
        f'<text class="tick" x="{middle:g}" y="{height - 6}" text-anchor="middle">{escape(x)}</text>'
    )
    colours = {name: index for index, name in enumerate(kept)}
    for name, points in kept.items():
        path = " ".join(f"{across(px):.1f},{up(py):.1f}" for px, py in points)
        colour = f'style="--c:var(--s{colours[name] % SERIES})"'
        parts.append(
            f'<polyline class="curve" {colour} points="{path}"><title>{escape(name)}</title></polyline>'
        )
        parts += [
            f'<circle class="dot" {colour} cx="{across(px):.1f}" cy="{up(py):.1f}" r="2.5"/>'
            for px, py in points
        ]
    return "".join([*parts, "</svg>"]) + legend(list(kept), colours)


def _drawable(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def legend(names: Sequence[str], shown: Mapping[str, int]) -> str:
    """Names beside their colours."""
    keys = (
        f'<span><i style="--c:var(--s{shown[name] % SERIES})"></i>{escape(name)}</span>' for name in names
    )
    return f'<div class="legend">{"".join(keys)}</div>'


def axis(low: float, high: float) -> tuple[float, float, list[float]]:
    """Bounds that end on round numbers, and the ticks between them."""
    if high == low:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    span = high - low
    raw = span / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [round(index * step, 10) for index in range(first, last + 1)]
    return first * step, last * step, ticks


class _scale:
    """Value -> horizontal pixel."""

    def __init__(self, low: float, high: float, left: int = _LEFT) -> None:
        self._low, self._left = low, left
        self._factor = (WIDTH - _RIGHT - left) / ((high - low) or 1.0)

    def __call__(self, value: float) -> float:
        return self._left + (value - self._low) * self._factor


def _open(height: int, title: str) -> str:
    label = escape(title)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
        f'<text class="title" x="0" y="16">{label}</text>'
    )


def _grid(ticks: Sequence[float], x: _scale, top: int, bottom: int) -> str:
    lines = []
    for tick in ticks:
        place = f"{x(tick):.1f}"
        lines.append(f'<line class="grid" x1="{place}" x2="{place}" y1="{top}" y2="{bottom}"/>')
        lines.append(f'<text class="tick" x="{place}" y="{bottom + 17}" text-anchor="middle">{tick:g}</text>')
    return "".join(lines)
