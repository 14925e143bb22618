"""Where two triangles meet, in exact rational arithmetic, pair by pair: one is clipped to the other."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Point = tuple[Fraction, Fraction, Fraction]


def overlapping_faces(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.bool_]:
    """[F] True for faces that meet another beyond shared vertices and edges; faces without area left out."""
    exact = [tuple(Fraction(float(x)) for x in vertex) for vertex in vertices]
    hit = np.zeros(len(faces), dtype=bool)
    whole = [k for k, face in enumerate(faces) if any(_normal([exact[v] for v in face]))]
    for i, j in combinations(whole, 2):
        shared = [exact[v] for v in faces[i] if v in faces[j]]
        common = _common([exact[v] for v in faces[i]], [exact[v] for v in faces[j]])
        if len(shared) == 3 or any(not _within(point, shared) for point in common):
            hit[i] = hit[j] = True
    return hit


def _common(one: Sequence[Point], other: Sequence[Point]) -> list[Point]:
    """Corners of the intersection of two triangles, from five half-spaces: the plane twice, three sides."""
    normal = _normal(other)
    walls = [(normal, other[0]), (_scaled(normal, -1), other[0])]
    for k in range(3):
        walls.append((_cross(normal, _minus(other[(k + 1) % 3], other[k])), other[k]))
    polygon = list(one)
    for direction, start in walls:
        polygon = _clipped(polygon, direction, start)
    return polygon


def _clipped(polygon: list[Point], direction: Point, start: Point) -> list[Point]:
    """Sutherland and Hodgman: the part where (x - start) · direction ≥ 0."""
    kept = []
    height = [_dot(_minus(point, start), direction) for point in polygon]
    for k, point in enumerate(polygon):
        after = (k + 1) % len(polygon)
        if height[k] >= 0:
            kept.append(point)
        if height[k] * height[after] < 0:
            share = height[k] / (height[k] - height[after])
            step = _minus(polygon[after], point)
            kept.append(tuple(a + share * b for a, b in zip(point, step, strict=True)))
    return kept


def _within(point: Point, shared: Sequence[Point]) -> bool:
    """Whether a point common to both lies on what they share: nothing, a vertex, or an edge."""
    if len(shared) == 2:
        return not any(_cross(_minus(shared[1], shared[0]), _minus(point, shared[0])))
    return point in shared


def _normal(triangle: Sequence[Point]) -> Point:
    return _cross(_minus(triangle[1], triangle[0]), _minus(triangle[2], triangle[0]))


def _minus(a: Point, b: Point) -> Point:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _scaled(a: Point, factor: int) -> Point:
    return (a[0] * factor, a[1] * factor, a[2] * factor)


def _dot(a: Point, b: Point) -> Fraction:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: Point, b: Point) -> Point:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
