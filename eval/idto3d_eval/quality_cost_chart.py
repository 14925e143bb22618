"""The picture of quality against cost: panels laid out with names, whiskers, front and brackets."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from itertools import count
from typing import Any

from idto3d_eval.charts import axis
from idto3d_eval.label_places import Box, place_names
from idto3d_eval.quality_cost import TITLE, Panel, Point, front, notes, panels
from idto3d_eval.scene import Dot, Line, Place, Scene, Shape, Words, inline_svg, text_width

Scale = Callable[[float], float]
WIDTH, HEIGHT = 600.0, 430.0
FEW_COSTS = 3  # different costs up to which each has its tick
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 112.0, 38.0, 52.0
_SIZE, _RADIUS = 12.0, 4.6
_SIDE_BY_SIDE, _STEP = 9.0, 1.5  # pixels between points of one cost, and in which a place is looked for
_ZERO_LANE = 84.0  # pixels for rows that cost nothing, which a logarithm has no place for


def figures(summary: Mapping[str, Any]) -> str:
    """The panels as figures of a page, with what a reader must know; "" where there is nothing to draw."""
    drawn = "".join(f"<figure>{inline_svg(panel_scene(panel))}</figure>" for panel in panels(summary))
    lines = "<br>".join(escape(line) for line in notes(summary))
    return f"<p class='faint'>{lines}</p><div class=\"charts\">{drawn}</div>" if drawn else ""


@functools.lru_cache(maxsize=8)
def panel_scene(panel: Panel) -> Scene:
    """One panel, laid out; the page and the sheet of all panels show the same one."""
    values = [value for point in panel.points for value in (point.value, point.low, point.high)]
    values += [value for _, value in panel.brackets]
    finite = [value for value in values if math.isfinite(value)]
    low, high, ticks = _bounds(min(finite), max(finite))
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    x = _LogScale([point.cost for point in panel.points])

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - _TOP)

    title = f"{panel.metric} against {panel.cost}"
    shapes: list[Shape] = [Words((0, 15), title, size=13.5, bold=True)]
    for tick in ticks:
        shapes.append(Line(((_LEFT, y(tick)), (right, y(tick))), "line"))
        shapes.append(Words((_LEFT - 7, y(tick) + 4), f"{tick:g}", "faint", 11, "end"))
    for place, text in x.ticks():
        shapes.append(Line(((place, _TOP), (place, bottom)), "line"))
        shapes.append(Words((place, bottom + 17), text, "faint", 11, "middle"))
    shapes.append(
        Words(((_LEFT + right) / 2, HEIGHT - 14), f"{panel.cost}, logarithmic", "faint", 12, "middle")
    )
    brackets = _bracket_lines(panel.brackets, y, right, (_TOP, bottom))
    places = _side_by_side(
        [(x(point.cost), y(point.value)) for point in panel.points],
        [_span(point, y) for point in panel.points],
    )
    steps = _front_line(panel.points, places, right)
    across = [((_LEFT, y(value)), (right, y(value))) for _, value in panel.brackets]
    for line in steps:
        across += zip(line.points, line.points[1:], strict=False)
    taken = [
        (shape.at[0], shape.at[1] - 12, WIDTH, shape.at[1] + 4)
        for shape in brackets
        if isinstance(shape, Words)
    ]
    room = (_LEFT + 2, _TOP - 8, WIDTH, bottom - 2)
    shapes += [*brackets, *steps, *_marks(panel.points, places, y, room, taken, across)]
    return Scene(WIDTH, HEIGHT, title, tuple(shapes))


def sheet(summary: Mapping[str, Any]) -> Scene:
    """All panels on one sheet, two in a row, with what the marks mean."""
    protocol = summary["protocol"]
    people = protocol["population"]
    name = f"{protocol['name']} version {protocol['version']}"
    who = f"{name}, population: {people['label']}, {len(people['identities'])} identities"
    scenes = [panel_scene(panel) for panel in panels(summary)]
    margin, head, gap = 24.0, 76.0, 22.0
    shapes: list[Shape] = [
        Words((margin, 32), TITLE, size=19, bold=True),
        Words((margin, 54), who, "faint", 12.5),
    ]
    for index, scene in enumerate(scenes):
        dx, dy = margin + index % 2 * (WIDTH + gap), head + index // 2 * (HEIGHT + gap)
        shapes += [shape.moved(dx, dy) for shape in scene.shapes]
    rows = (len(scenes) + 1) // 2
    foot = head + rows * (HEIGHT + gap) + 6
    lines = notes(summary) if scenes else ["No row has both a figure and a cost."]
    shapes += [
        Words((margin, foot + 18 * at), _cut(line, 2 * WIDTH), "faint", 12) for at, line in enumerate(lines)
    ]
    return Scene(2 * margin + 2 * WIDTH + gap, foot + 18 * len(lines) + 8, f"{TITLE}: {who}", tuple(shapes))


def _bounds(low: float, high: float) -> tuple[float, float, list[float]]:
    """The bounds of a vertical axis, a little beyond the figures, and round ticks between them."""
    first, last, ticks = axis(low, high)
    pad = 0.04 * (high - low)
    low, high = (low - pad, high + pad) if pad else (first, last)
    return low, high, [tick for tick in ticks if low <= tick <= high]


class _LogScale:
    """Cost -> horizontal pixel, with a lane of its own for what costs nothing."""

    def __init__(self, costs: Sequence[float]) -> None:
        positive = [cost for cost in costs if cost > 0]
        self._free = len(positive) < len(costs)
        low, high = math.log10(min(positive)), math.log10(max(positive))
        pad = 0.08 * (high - low) if high > low else 0.3
        self._low, self._high = low - pad, high + pad
        self._distinct = sorted(set(positive))
        self._start = _LEFT + 14 + (_ZERO_LANE if self._free else 0)

    def __call__(self, cost: float) -> float:
        if cost <= 0:
            return _LEFT + _ZERO_LANE / 2
        share = (math.log10(cost) - self._low) / (self._high - self._low)
        return self._start + share * (WIDTH - _RIGHT - 14 - self._start)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and texts: the costs themselves where there are few, else round numbers, as many as fit."""
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        found = self._distinct
        for factors in ((1, 2, 5), (1, 3), (1,)) if len(found) > FEW_COSTS else ():
            found = [
                f * 10.0**power
                for power in powers
                for f in factors
                if self._low <= math.log10(f * 10.0**power) <= self._high
            ]
            if len(found) <= 8:
                break
        free = [(self(0), "0")] if self._free else []
        return free + [(self(cost), f"{cost:,.0f}" if cost >= 1 else f"{cost:g}") for cost in found]


def _bracket_lines(
    brackets: Sequence[tuple[str, float]], y: Scale, right: float, room: tuple[float, float]
) -> list[Shape]:
    """A dashed line each, its name on the right, names pushed apart where lines are close."""
    shapes: list[Shape] = []
    wanted = sorted(((y(value), label) for label, value in brackets))
    at = _apart([place for place, _ in wanted], 13.0, room)
    for (place, label), beside in zip(wanted, at, strict=True):
        shapes.append(Line(((_LEFT, place), (right, place)), "faint", 1.2, 4))
        shapes.append(Line(((right, place), (right + 8, beside)), "faint", 0.8))
        shapes.append(Words((right + 11, beside + 4), _cut(label, _RIGHT - 13, 11), "faint", 11))
    return shapes


def _apart(places: Sequence[float], gap: float, room: tuple[float, float]) -> list[float]:
    """Sorted places moved as little as it takes to be a gap apart and inside their room."""
    moved = list(places)
    for _ in range(50):
        for index in range(1, len(moved)):
            lacking = gap - (moved[index] - moved[index - 1])
            if lacking > 0:
                moved[index - 1] -= lacking / 2
                moved[index] += lacking / 2
        if moved:
            moved[0], moved[-1] = max(moved[0], room[0]), min(moved[-1], room[1])
    return moved


def _side_by_side(places: Sequence[Place], spans: Sequence[tuple[float, float]]) -> list[Place]:
    """Points beside each other where they or their whiskers would lie over each other, and only there: each
    goes to the place nearest to its own that is free at its height.

    Args:
        places: of the points.
        spans: top and bottom of each with its whisker, pixels.
    """
    moved = list(places)
    done: list[int] = []
    for index in sorted(range(len(places)), key=lambda index: places[index][1]):
        x, y = places[index]
        free = (x + step * _STEP for step in _steps())
        moved[index] = (
            next(at for at in free if all(_clear(at, moved, spans, index, one) for one in done)),
            y,
        )
        done.append(index)
    return moved


def _span(point: Point, y: Scale) -> tuple[float, float]:
    middle = y(point.value)
    ends = [y(end) for end in (point.high, point.low) if math.isfinite(end)]
    return min([middle - _RADIUS, *ends]), max([middle + _RADIUS, *ends])


def _steps() -> Iterator[int]:
    """0, 1, -1, 2, -2, …"""
    return (step if sign else -step for step in count() for sign in (True, False))


def _clear(
    at: float, moved: Sequence[Place], spans: Sequence[tuple[float, float]], one: int, other: int
) -> bool:
    """Whether a point at a horizontal place lies over neither another nor its whisker."""
    apart = spans[one][1] + 2 < spans[other][0] or spans[other][1] + 2 < spans[one][0]
    return apart or abs(at - moved[other][0]) >= _SIDE_BY_SIDE


def _front_line(points: Sequence[Point], places: Sequence[Place], right: float) -> list[Line]:
    steps: list[Place] = []
    for point in front(points):
        x, y = places[points.index(point)]
        if steps:
            steps.append((x, steps[-1][1]))
        steps.append((x, y))
    return [Line((*steps, (right, steps[-1][1])), "accent", 1.4, opacity=0.75)] if steps else []


def _marks(
    points: Sequence[Point],
    places: Sequence[Place],
    y: Scale,
    bounds: Box,
    taken: Sequence[Box],
    across: Sequence[tuple[Place, Place]],
) -> list[Shape]:
    """Whiskers, dots and names."""
    whiskers: list[Shape] = []
    dots: list[Shape] = []
    names: list[Shape] = []
    pieces = list(across)  # what names should rather not cover
    for point, (px, py) in zip(points, places, strict=True):
        colour = "s1" if point.block == "family" else "s0"
        if math.isfinite(point.low) and math.isfinite(point.high):
            pieces.append(((px, y(point.high)), (px, y(point.low))))
            whiskers.append(Line(pieces[-1], colour, 1.6, opacity=0.55 if point.ranked else 0.3))
        dots.append(
            Dot(
                (px, py),
                _RADIUS,
                colour if point.ranked else "faint",
                not point.ranked,
                point.block == "family",
            )
        )
    sizes = [(text_width(point.label, _SIZE), _SIZE) for point in points]
    boxes = [*((px - 6, py - 6, px + 6, py + 6) for px, py in places), *taken]
    for point, name in zip(points, place_names(places, sizes, bounds, boxes, pieces), strict=True):
        if name.leader is not None:
            names.append(Line(name.leader, "faint", 0.7))
        colour = "ink" if point.ranked else "faint"
        names.append(Words((name.box[0], name.box[3] - 2.5), point.label, colour, _SIZE))
    return [
        *whiskers,
        *(line for line in names if isinstance(line, Line)),
        *dots,
        *(w for w in names if isinstance(w, Words)),
    ]


def _cut(text: str, width: float, size: float = 12.0) -> str:
    """A text that fits, with an ellipsis where it had to be cut."""
    whole = text
    while text and text_width(text + ("…" if text != whole else ""), size) > width:
        text = text[:-1]
    return text if text == whole else text + "…"
