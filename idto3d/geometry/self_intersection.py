"""Which faces of a mesh pass through others: a grid finds pairs whose boxes meet, signed volumes decide.

A pair counts where its faces meet anywhere else than in the vertices and edges that they share. The
predicates are those of Guigue and Devillers, "Fast and Robust Triangle-Triangle Overlap Test Using
Orientation Predicates", 2003.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from idto3d.geometry.mesh import FloatArray, IndexArray

FLAT = (
    1e-12  # of a pair's size cubed: four points whose volume is below lie in one plane (float64 gives 1e-15)
)
PAIRS_AT_ONCE = 1 << 20  # bounds the memory, changes no answer
CELLS_PER_FACE = 16  # on average; long faces take many cells, so the cells grow until this holds


def self_intersecting_faces(vertices: FloatArray, faces: IndexArray) -> NDArray[np.bool_]:
    """Which faces meet another one where they share no vertex or edge.

    Args:
        vertices: [V, 3] mm; vertices in one place must be one vertex, else a seam counts as a touch.
        faces: [F, 3]; those without area are left out.

    Returns:
        [F] True for every face of such a pair.
    """
    hit = np.zeros(len(faces), dtype=bool)
    corners = vertices[faces]  # [F, 3, 3]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    whole = np.flatnonzero(np.einsum("fc,fc->f", normal, normal) > 0.0)
    lower, upper = corners.min(axis=1), corners.max(axis=1)
    reach = (upper - lower).max(axis=1)
    for first, second in _overlapping_boxes(lower[whole], upper[whole]):
        i, j = whole[first], whole[second]
        met = _meet(faces[i], faces[j], corners[i], corners[j], reach[i] + reach[j])
        hit[i[met]] = hit[j[met]] = True
    return hit


def _overlapping_boxes(lower: FloatArray, upper: FloatArray) -> Iterator[tuple[IndexArray, IndexArray]]:
    """Pairs of boxes [N, 3] that overlap, each once, in portions.

    Each box is entered into every cell of a grid that it touches; a pair is told only by the cell that holds
    the lower corner of what the two have in common.
    """
    if len(lower) < 2:
        return
    box, cell, size, origin = _cells(lower, upper)
    order = np.lexsort((box, cell[:, 2], cell[:, 1], cell[:, 0]))
    box, cell = box[order], cell[order]
    starts = np.flatnonzero(np.concatenate([[True], (cell[1:] != cell[:-1]).any(axis=1)]))
    start_of = np.repeat(starts, np.diff(np.append(starts, len(box))))
    earlier = np.arange(len(box)) - start_of  # entries before this one in its cell: as many pairs
    total = np.cumsum(earlier)
    begin = 0
    while begin < len(box):
        before = total[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, before + PAIRS_AT_ONCE, side="right")))
        count = earlier[begin:end]
        entry = np.repeat(np.arange(begin, end), count)
        partner = start_of[entry] + np.arange(len(entry)) - np.repeat(np.cumsum(count) - count, count)
        i, j = box[partner], box[entry]
        common = np.maximum(lower[i], lower[j])
        kept = (common <= np.minimum(upper[i], upper[j])).all(axis=1)
        kept &= (_cell_of(common, origin, size) == cell[entry]).all(axis=1)
        yield i[kept], j[kept]
        begin = end


def _cells(lower: FloatArray, upper: FloatArray) -> tuple[IndexArray, IndexArray, float, FloatArray]:
    """Which box [E] touches which cell [E, 3] of a grid, the cells' size and the grid's origin [3]."""
    origin = lower.min(axis=0)
    size = max(float((upper - lower).max(axis=1).mean()), 1e-12)
    while True:
        first = _cell_of(lower, origin, size)
        span = _cell_of(upper, origin, size) - first + 1  # [N, 3]
        count = span.prod(axis=1)
        if count.sum() <= CELLS_PER_FACE * len(lower):
            break
        size *= 1.5
    box = np.repeat(np.arange(len(lower)), count)
    place = np.arange(len(box)) - np.repeat(np.cumsum(count) - count, count)
    width, depth = span[box, 2], span[box, 1]
    offset = np.stack([place // (width * depth), place // width % depth, place % width], axis=1)
    return box, first[box] + offset, size, origin


def _cell_of(points: FloatArray, origin: FloatArray, size: float) -> IndexArray:
    return np.asarray(np.floor((points - origin) / size), dtype=np.int64)


def _meet(
    faces_i: IndexArray, faces_j: IndexArray, i: FloatArray, j: FloatArray, size: FloatArray
) -> NDArray[np.bool_]:
    """Which pairs of triangles [P, 3, 3], within [P] mm of each other, meet beyond what they share."""
    same = faces_i[:, :, None] == faces_j[:, None, :]  # [P, 3, 3]
    shared = np.count_nonzero(same, axis=(1, 2))
    met = shared == 3  # one face twice
    apart = np.flatnonzero(shared == 0)
    apart = apart[~_separated(i[apart], j[apart], size[apart])]
    edges = np.zeros(len(apart), dtype=bool)
    for corner in range(3):
        after = (corner + 1) % 3
        edges |= _segment_meets(i[apart, corner], i[apart, after], j[apart], size[apart])
        edges |= _segment_meets(j[apart, corner], j[apart, after], i[apart], size[apart])
    met[apart] = edges
    # From a shared vertex the common part runs on until it leaves one of the two through its opposite edge.
    touching = np.flatnonzero(shared == 1)
    touching = touching[~_separated(i[touching], j[touching], size[touching])]
    at_i, at_j = same[touching].any(axis=2).argmax(axis=1), same[touching].any(axis=1).argmax(axis=1)
    row = np.arange(len(touching))
    turned_i = i[touching][row[:, None], (at_i[:, None] + np.arange(3)) % 3]  # shared vertex first
    turned_j = j[touching][row[:, None], (at_j[:, None] + np.arange(3)) % 3]
    met[touching] = _segment_meets(turned_i[:, 1], turned_i[:, 2], turned_j, size[touching])
    met[touching] |= _segment_meets(turned_j[:, 1], turned_j[:, 2], turned_i, size[touching])
    # Two faces at one edge overlap only where one is folded flat onto the other.
    hinged = np.flatnonzero(shared == 2)
    met[hinged] = _folded(same[hinged], i[hinged], j[hinged], size[hinged])
    return np.asarray(met)


def _separated(i: FloatArray, j: FloatArray, size: FloatArray) -> NDArray[np.bool_]:
    """Pairs that the plane of one triangle keeps apart, but for corners on it; most pairs end here."""
    apart = np.zeros(len(i), dtype=bool)
    for one, other in ((i, j), (j, i)):
        sides = np.stack([_volume(one[:, 0], one[:, 1], one[:, 2], other[:, k]) for k in range(3)], axis=1)
        sides = _snapped(sides, size[:, None])
        apart |= (sides > 0).all(axis=1) | (sides < 0).all(axis=1)
    return apart


def _segment_meets(p: FloatArray, q: FloatArray, triangle: FloatArray, size: FloatArray) -> NDArray[np.bool_]:
    """Whether segments p q [P, 3] meet triangles [P, 3, 3], their rims included."""
    a, b, c = triangle[:, 0], triangle[:, 1], triangle[:, 2]
    from_p = _snapped(_volume(a, b, c, p), size)
    from_q = _snapped(_volume(a, b, c, q), size)
    met = np.zeros(len(p), dtype=bool)
    flat = (from_p == 0.0) & (from_q == 0.0)
    across = np.flatnonzero((from_p * from_q <= 0.0) & ~flat)
    p1, q1, a1, b1, c1 = p[across], q[across], a[across], b[across], c[across]
    turns = np.stack([_volume(p1, q1, a1, b1), _volume(p1, q1, b1, c1), _volume(p1, q1, c1, a1)], axis=1)
    turns = _snapped(turns, size[across, None])
    met[across] = (turns >= 0.0).all(axis=1) | (turns <= 0.0).all(axis=1)
    within = np.flatnonzero(flat)
    met[within] = _segment_meets_in_plane(p[within], q[within], triangle[within], size[within])
    return met


def _segment_meets_in_plane(
    p: FloatArray, q: FloatArray, triangle: FloatArray, size: FloatArray
) -> NDArray[np.bool_]:
    """The same where all five points lie in one plane: an end inside, or a side crossed."""
    flat = _in_plane(np.concatenate([triangle, p[:, None], q[:, None]], axis=1))  # [P, 5, 2]
    corners, p2, q2 = flat[:, :3], flat[:, 3], flat[:, 4]
    met = np.zeros(len(p), dtype=bool)
    for end in (p2, q2):
        sides = [_area(corners[:, k], corners[:, (k + 1) % 3], end, size) for k in range(3)]
        turn = np.stack(sides, axis=1)
        met |= (turn >= 0.0).all(axis=1) | (turn <= 0.0).all(axis=1)
    for k in range(3):
        a, b = corners[:, k], corners[:, (k + 1) % 3]
        crossed = _area(p2, q2, a, size) * _area(p2, q2, b, size) < 0.0
        met |= crossed & (_area(a, b, p2, size) * _area(a, b, q2, size) < 0.0)
    return met


def _folded(same: NDArray[np.bool_], i: FloatArray, j: FloatArray, size: FloatArray) -> NDArray[np.bool_]:
    """Whether triangles that share an edge lie in one plane on the same side of it."""
    row = np.arange(len(i))
    free_i, free_j = (~same.any(axis=2)).argmax(axis=1), (~same.any(axis=1)).argmax(axis=1)
    p, q = i[row, (free_i + 1) % 3], i[row, (free_i + 2) % 3]
    a, b = i[row, free_i], j[row, free_j]
    level = _snapped(_volume(p, q, a, b), size) == 0.0
    along = q - p
    return np.asarray(level & (np.einsum("pc,pc->p", np.cross(along, a - p), np.cross(along, b - p)) > 0.0))


def _volume(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray) -> FloatArray:
    """Six times the signed volume of tetrahedra; positive where d lies on the side that abc winds toward."""
    return np.asarray(np.einsum("...c,...c->...", np.cross(b - a, c - a), d - a))


def _area(a: FloatArray, b: FloatArray, c: FloatArray, size: FloatArray) -> FloatArray:
    """Twice the signed area of triangles in the plane [P, 2], zero where they are flat."""
    u, v = b - a, c - a
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return np.where(np.abs(area) <= FLAT * size**2, 0.0, area)


def _snapped(volume: FloatArray, size: FloatArray) -> FloatArray:
    return np.where(np.abs(volume) <= FLAT * size**3, 0.0, volume)


def _in_plane(points: FloatArray) -> FloatArray:
    """Points [P, N, 3] without the coordinate along which their first triangle is thinnest; [P, N, 2]."""
    normal = np.abs(np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]))
    drop = normal.argmax(axis=1)
    kept = np.stack([(drop + 1) % 3, (drop + 2) % 3], axis=1)  # [P, 2]
    return np.take_along_axis(points, kept[:, None, :].repeat(points.shape[1], axis=1), axis=2)
