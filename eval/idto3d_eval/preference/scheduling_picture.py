"""The picture of what adaptive scheduling saves: interval width against votes, both on logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from idto3d_eval.scene import Dot, Line, Place, Scene, Shape, Words

Scale = Callable[[float], float]
WIDTH, HEIGHT = 640.0, 400.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 150.0, 44.0, 52.0
LOOKS = {"random": ("s1", 0.0), "adaptive": ("s0", 0.0), "best": ("faint", 4.0)}
NAMES = {"random": "pairs at random", "adaptive": "adaptive", "best": "strengths known"}


def gain_scene(votes: Sequence[int], curves: Mapping[str, Sequence[float]], at: int = 1200) -> Scene:
    """The picture.

    Args:
        votes: of each point.
        curves: as `scheduling_gain.width_curves` returns them.
        at: adaptive's votes from which a line leads to random's for the same width.
    """
    values = [value for curve in curves.values() for value in curve]
    low, high = min(values) * 0.95, max(values) * 1.05
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM

    def x(count: float) -> float:
        return _LEFT + (right - _LEFT) * math.log(count / votes[0]) / math.log(votes[-1] / votes[0])

    def y(width: float) -> float:
        return bottom - (bottom - _TOP) * math.log(width / low) / math.log(high / low)

    title = "Mean width of the intervals of neighbours' differences, log-odds"
    shapes: list[Shape] = [Words((0, 16), title, size=13.5, bold=True)]
    for tick in (0.25, 0.5, 1.0, 2.0, 4.0):
        if low <= tick <= high:
            shapes.append(Line(((_LEFT, y(tick)), (right, y(tick))), "line"))
            shapes.append(Words((_LEFT - 7, y(tick) + 4), f"{tick:g}", "faint", 11, "end"))
    for tick in (100, 200, 400, 800, 1600):
        shapes.append(Line(((x(tick), _TOP), (x(tick), bottom)), "line"))
        shapes.append(Words((x(tick), bottom + 17), f"{tick:,}", "faint", 11, "middle"))
    shapes.append(Words(((_LEFT + right) / 2, HEIGHT - 12), "votes, logarithmic", "faint", 12, "middle"))
    for place, (name, curve) in enumerate(sorted(curves.items(), key=lambda one: -one[1][-1])):
        colour, dash = LOOKS[name]
        points: tuple[Place, ...] = tuple(
            (x(count), y(width)) for count, width in zip(votes, curve, strict=True)
        )
        shapes.append(Line(points, colour, 2.0, dash))
        shapes += [Dot(point, 3.0, colour) for point in points if not dash]
        shapes.append(
            Words((right + 10, points[-1][1] + 18 * max(place - 1, 0) + 4), NAMES[name], colour, 12)
        )
    shapes += _saved(votes, curves, at, x, y)
    return Scene(WIDTH, HEIGHT, title, tuple(shapes))


def _saved(
    votes: Sequence[int], curves: Mapping[str, Sequence[float]], at: int, x: Scale, y: Scale
) -> list[Shape]:
    """A line from adaptive's votes to those that random needs for the same width, and their share."""
    width = curves["adaptive"][votes.index(at)]
    falling = list(zip(votes, curves["random"], strict=True))
    for (few, wide), (many, narrow) in pairwise(falling):
        if wide >= width >= narrow:
            part = math.log(wide / width) / math.log(wide / narrow)
            needed = few * (many / few) ** part
            line = Line(((x(at), y(width)), (x(needed), y(width))), "ink", 2.0)
            return [line, Words((x(needed) + 8, y(width) - 6), f"{at / needed:.2f} of the votes", "ink", 12)]
    return []
