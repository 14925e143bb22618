"""Where names stand beside their points, so that as few as possible lie over each other or over a mark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from idto3d_eval.scene import Place

Box = tuple[float, float, float, float]  # left, top, right, bottom

_DISTANCES = (9.0, 16.0, 26.0, 38.0, 52.0, 68.0, 88.0, 110.0, 134.0)
_DIRECTIONS = 16
_LEADER_FROM = 13.0  # pixels between a point and its name from which on a line joins them
_OVER_NAME, _OUTSIDE, _OVER_DOT, _OVER_LINE, _CROSSED = 1000.0, 2000.0, 120.0, 18.0, 60.0


@dataclass(frozen=True)
class Name:
    """A placed name: its box, and the line from its point where it stands away from it."""

    box: Box
    leader: tuple[Place, Place] | None


def place_names(
    points: Sequence[Place],
    sizes: Sequence[tuple[float, float]],
    bounds: Box,
    dots: Sequence[Box],
    lines: Sequence[tuple[Place, Place]],
) -> list[Name]:
    """A place for each name, greedily, the most crowded points first.

    Args:
        points: what the names belong to.
        sizes: of the names, width and height.
        bounds: where they may stand.
        dots: boxes that they should leave free.
        lines: pieces that they should rather not cover.
    """
    placed: dict[int, Name] = {}
    for index in sorted(range(len(points)), key=lambda one: -_neighbours(points, one)):
        others = list(placed.values())
        least = math.inf
        for name in _candidates(points[index], sizes[index]):
            # What does not hang on the others alone may be too much already.
            if _distance(name, points[index], bounds) >= least:
                continue
            cost = _cost(name, points[index], bounds, dots, lines, others)
            if cost < least:
                placed[index], least = name, cost
    return [placed[index] for index in range(len(points))]


def _neighbours(points: Sequence[Place], one: int) -> int:
    return sum(math.dist(points[one], other) < 60 for other in points)


def _candidates(point: Place, size: tuple[float, float]) -> list[Name]:
    """Boxes around a point, near ones first, beginning on the right."""
    found = []
    (x, y), (width, height) = point, size
    for distance in _DISTANCES:
        for step in range(_DIRECTIONS):
            angle = 2 * math.pi * step / _DIRECTIONS
            cos, sin = math.cos(angle), math.sin(angle)
            cx, cy = x + distance * cos + width / 2 * _sign(cos), y + distance * sin + height / 2 * _sign(sin)
            box = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
            near = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
            leader = (point, near) if math.dist(point, near) > _LEADER_FROM else None
            found.append(Name(box, leader))
    return found


def _sign(value: float) -> float:
    return 0.0 if abs(value) < 1e-9 else math.copysign(1.0, value)


def _cost(
    name: Name,
    point: Place,
    bounds: Box,
    dots: Sequence[Box],
    lines: Sequence[tuple[Place, Place]],
    others: Sequence[Name],
) -> float:
    box = name.box
    cost = _distance(name, point, bounds)
    cost += _OVER_NAME * sum(overlap(box, other.box, 1.5) for other in others)
    cost += _OVER_DOT * sum(overlap(box, dot) for dot in dots)
    cost += _OVER_LINE * sum(crosses(line, box) for line in lines)
    cost += _CROSSED * sum(other.leader is not None and crosses(other.leader, box) for other in others)
    if name.leader is not None:
        cost += _CROSSED * sum(crosses(name.leader, other.box) for other in others)
        cost += _CROSSED / 3 * sum(crosses(name.leader, dot) and not _holds(dot, point) for dot in dots)
    return cost


def _distance(name: Name, point: Place, bounds: Box) -> float:
    """What a place costs before anything else is looked at."""
    box = name.box
    outside = box[0] < bounds[0] or box[1] < bounds[1] or box[2] > bounds[2] or box[3] > bounds[3]
    led = 0.0 if name.leader is None else math.dist(*name.leader)
    near = 0.2 * math.dist(point, ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
    return (_OUTSIDE if outside else 0.0) + led + near


def overlap(a: Box, b: Box, gap: float = 0.0) -> bool:
    """Whether two boxes share room, or stand nearer than a gap."""
    return a[0] < b[2] + gap and b[0] < a[2] + gap and a[1] < b[3] + gap and b[1] < a[3] + gap


def crosses(line: tuple[Place, Place], box: Box) -> bool:
    """Whether a piece of a line runs through a box (Liang & Barsky 1984)."""
    (x1, y1), (x2, y2) = line
    if max(x1, x2) < box[0] or min(x1, x2) > box[2] or max(y1, y2) < box[1] or min(y1, y2) > box[3]:
        return False
    first, last = 0.0, 1.0
    for start, step, low, high in ((x1, x2 - x1, box[0], box[2]), (y1, y2 - y1, box[1], box[3])):
        if abs(step) < 1e-12:
            if not low < start < high:
                return False
            continue
        ends = sorted(((low - start) / step, (high - start) / step))
        first, last = max(first, ends[0]), min(last, ends[1])
    return first < last


def _holds(box: Box, point: Place) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]
