"""Closest points of triangles, one triangle a point, with coordinates in rows [3, N]: numpy runs through such
arrays twice as fast as through points in rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FLAT = 1e-12  # of the squared area: below it a triangle is a line, and its plane no plane


def closest_on_triangles(p: Floats, a: Floats, b: Floats, c: Floats) -> Floats:
    """Closest point of triangle n to point n.

    Most points lie above the inside of their triangle, where the foot of the perpendicular is the answer; the
    rest are told apart by the regions of Ericson.

    Args:
        p: [3, N] points.
        a, b, c: [3, N] corners of the triangles.

    Returns:
        [3, N].
    """
    ab, ac, ap = b - a, c - a, p - a
    bb, bc, cc, bp, cp = dot(ab, ab), dot(ab, ac), dot(ac, ac), dot(ab, ap), dot(ac, ap)
    area = bb * cc - bc * bc
    v, w = cc * bp - bc * cp, bb * cp - bc * bp
    inside = (v >= 0.0) & (w >= 0.0) & (v + w <= area) & (area > FLAT * bb * cc)
    over = np.where(inside, area, 1.0)
    found: Floats = a + (v / over) * ab + (w / over) * ac
    rest = np.flatnonzero(~inside)
    found[:, rest] = _by_region(*(column.take(rest, axis=1) for column in (p, a, b, c)))
    return found


def _by_region(p: Floats, a: Floats, b: Floats, c: Floats) -> Floats:
    """As above, by the regions of Ericson, Real-Time Collision Detection, 5.1.5."""
    ab, ac = b - a, c - a
    d1, d2 = dot(ab, p - a), dot(ac, p - a)
    d3, d4 = dot(ab, p - b), dot(ac, p - b)
    d5, d6 = dot(ab, p - c), dot(ac, p - c)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    inside = va + vb + vc
    # The face's own region first, overwritten edge by edge, then corner by corner.
    v, w = _ratio(vb, inside), _ratio(vc, inside)
    on_bc = (va <= 0.0) & (d4 - d3 >= 0.0) & (d5 - d6 >= 0.0)
    along = _ratio(d4 - d3, (d4 - d3) + (d5 - d6))
    v, w = np.where(on_bc, 1.0 - along, v), np.where(on_bc, along, w)
    on_ac = (vb <= 0.0) & (d2 >= 0.0) & (d6 <= 0.0)
    v, w = np.where(on_ac, 0.0, v), np.where(on_ac, _ratio(d2, d2 - d6), w)
    on_ab = (vc <= 0.0) & (d1 >= 0.0) & (d3 <= 0.0)
    v, w = np.where(on_ab, _ratio(d1, d1 - d3), v), np.where(on_ab, 0.0, w)
    at_c = (d6 >= 0.0) & (d5 <= d6)
    v, w = np.where(at_c, 0.0, v), np.where(at_c, 1.0, w)
    at_b = (d3 >= 0.0) & (d4 <= d3)
    v, w = np.where(at_b, 1.0, v), np.where(at_b, 0.0, w)
    at_a = (d1 <= 0.0) & (d2 <= 0.0)
    v, w = np.where(at_a, 0.0, v), np.where(at_a, 0.0, w)
    return a + v * ab + w * ac


def unit_normals(a: Floats, b: Floats, c: Floats) -> Floats:
    """Unit normals [3, N] of triangles, toward the side from which they wind counter-clockwise; 0 where one
    has no area."""
    normal = cross(b - a, c - a)
    length = np.sqrt(dot(normal, normal))
    return normal / np.where(length > 0.0, length, 1.0)


def cross(u: Floats, v: Floats) -> Floats:
    """Cross products [3, N]."""
    return np.stack(
        [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]],
    )


def dot(u: Floats, v: Floats) -> Floats:
    """Scalar products [N]."""
    product: Floats = u[0] * v[0] + u[1] * v[1] + u[2] * v[2]
    return product


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    usable = denominator != 0.0
    return np.where(usable, numerator / np.where(usable, denominator, 1.0), 0.0)
