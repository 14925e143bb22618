"""NoW's error as published, written from its description alone and with scipy, for comparison.

Sanyal et al., CVPR 2019, and the steps of the benchmark's evaluation: seven landmarks; Procrustes with scale,
`reflection='best'`; the scan cropped to a ball about the face; scale, rotation and translation refined on the
unsigned distance of every cropped scan vertex to the mesh, as least squares; then that distance, in mm.

Nothing is shared with the implementation under test: closest points come from a k-d tree over the triangles'
middles with a bound that proves the answer, distances from the plane and the three sides of a triangle,
alignment from `scipy.optimize.least_squares`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]

CANDIDATES = 48  # triangles looked at for a point, doubled where the bound does not prove the answer


class TriangleTree:
    """Exact closest points of a triangle mesh; large triangles are cut into four until all are alike, which
    changes the surface nowhere."""

    def __init__(self, vertices: Floats, faces: NDArray[np.integer]) -> None:
        corners = np.asarray(vertices, np.float64)[faces]  # [F, 3, 3]
        longest = np.median(_sides(corners))
        small = []
        while len(corners):
            large = _sides(corners) > longest
            small.append(corners[~large])
            a, b, c = corners[large].transpose(1, 0, 2)
            ab, bc, ca = 0.5 * (a + b), 0.5 * (b + c), 0.5 * (c + a)
            quarters = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
            corners = np.concatenate([np.stack(quarter, axis=1) for quarter in quarters])
        self.corners = np.concatenate(small)
        middles = self.corners.mean(axis=1)
        self.reach = np.linalg.norm(self.corners - middles[:, None], axis=2).max(axis=1)  # [F]
        self.tree = cKDTree(middles)

    def closest(self, points: Floats) -> Floats:
        """The closest point [N, 3] of the mesh to each of [N, 3]."""
        _, first = self.tree.query(points)
        found = closest_on_triangles(points, self.corners[first])
        least = np.linalg.norm(found - points, axis=1)
        waiting = np.arange(len(points))
        count = min(CANDIDATES, len(self.corners))
        while len(waiting):
            away, index = self.tree.query(points[waiting], k=count)
            away, index = away.reshape(len(waiting), -1), index.reshape(len(waiting), -1)
            # A triangle is no nearer than its middle less its reach.
            row, column = np.nonzero(away - self.reach[index] < least[waiting, None])
            asked = points[waiting[row]]
            places = closest_on_triangles(asked, self.corners[index[row, column]])
            gaps = np.linalg.norm(places - asked, axis=1)
            order = np.lexsort((gaps, row))
            leaders = order[np.unique(row[order], return_index=True)[1]]  # the nearest of each point
            better = leaders[gaps[leaders] < least[waiting[row[leaders]]]]
            found[waiting[row[better]]] = places[better]
            least[waiting[row[better]]] = gaps[better]
            proven = (least[waiting] <= away[:, -1] - self.reach.max()) | (count == len(self.corners))
            waiting = waiting[~proven]
            count = min(2 * count, len(self.corners))
        return found


def _sides(corners: Floats) -> Floats:
    """The longest side [F] of triangles [F, 3, 3]."""
    return np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)


def closest_on_triangles(points: Floats, corners: Floats) -> Floats:
    """Closest point of triangle n [N, 3, 3] to point n [N, 3]: the foot on its plane where that lies inside,
    else the nearest of the three sides."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    squared = (normal**2).sum(axis=1)
    usable = squared > 0.0
    squared = np.where(usable, squared, 1.0)
    foot = points - (((points - a) * normal).sum(axis=1) / squared)[:, None] * normal
    inside = usable.copy()
    nearest, least = a.copy(), np.full(len(points), np.inf)
    for p, q in ((a, b), (b, c), (c, a)):
        inside &= (np.cross(q - p, foot - p) * normal).sum(axis=1) >= 0.0
        along = q - p
        length = (along**2).sum(axis=1)
        share = ((points - p) * along).sum(axis=1) / np.where(length > 0.0, length, 1.0)
        place = p + np.clip(share, 0.0, 1.0)[:, None] * along
        gap = ((points - place) ** 2).sum(axis=1)
        nearest = np.where((gap < least)[:, None], place, nearest)
        least = np.minimum(least, gap)
    return np.where(inside[:, None], foot, nearest)


def procrustes(scan: Floats, mesh: Floats) -> tuple[float, Floats, Floats]:
    """Scale, orthogonal matrix and translation that lay mesh [7, 3] on scan [7, 3]; a mirror where that fits
    better."""
    scan_middle, mesh_middle = scan.mean(axis=0), mesh.mean(axis=0)
    centred_scan, centred_mesh = scan - scan_middle, mesh - mesh_middle
    left, singular, right = np.linalg.svd(centred_mesh.T @ centred_scan)
    turn = (left @ right).T
    scale = singular.sum() / (centred_mesh**2).sum()
    return scale, turn, scan_middle - scale * turn @ mesh_middle


def crop(vertices: Floats, landmarks: Floats) -> Floats:
    """The scan's vertices within the published ball."""
    nose_bottom, between_eyes = landmarks[4], 0.5 * (landmarks[1] + landmarks[2])
    centre = nose_bottom + 0.3 * (between_eyes - nose_bottom)
    radius = (
        1.4 * (np.linalg.norm(landmarks[0] - landmarks[3]) + np.linalg.norm(between_eyes - nose_bottom)) / 2.0
    )
    return vertices[np.linalg.norm(vertices - centre, axis=1) <= radius]


def now_published_errors(
    scan_vertices: Floats,
    scan_landmarks: Floats,
    vertices: Floats,
    faces: NDArray[np.integer],
    landmarks: Floats,
    *,
    metrical: bool = False,
) -> Floats:
    """Distance [N] mm of each cropped scan vertex to a head laid on the scan.

    Args:
        scan_vertices: [S, 3] mm; scan_landmarks: [7, 3] mm.
        vertices: [V, 3] of the head; faces: [F, 3]; landmarks: [7, 3] of the head.
        metrical: the scale is left as it is.
    """
    points = crop(scan_vertices, scan_landmarks)
    scale, turn, shift = procrustes(scan_landmarks, landmarks)
    laid = (1.0 if metrical else scale) * vertices @ turn.T + shift
    tree = TriangleTree(laid, faces)
    last: dict[bytes, tuple[Floats, Floats]] = {}

    def landed(x: Floats) -> tuple[Floats, Floats]:
        """Closest points to the scan's in the frame of `laid`, and where the refinement x puts them."""
        if x.tobytes() not in last:
            factor, rotation = x[0], Rotation.from_rotvec(x[1:4]).as_matrix()
            on_mesh = tree.closest((points - x[4:7]) @ rotation / factor)
            last.clear()
            last[x.tobytes()] = on_mesh, factor * on_mesh @ rotation.T + x[4:7]
        return last[x.tobytes()]

    def whole(x: Floats) -> Floats:
        return np.concatenate([[1.0], x]) if metrical else x

    def distances(x: Floats) -> Floats:
        return np.linalg.norm(points - landed(whole(x))[1], axis=1)

    def derivative(x: Floats) -> Floats:
        """The closest point may be held still: moving it along the mesh changes no distance."""
        full = whole(x)
        on_mesh, placed = landed(full)
        gap = placed - points
        direction = gap / np.maximum(np.linalg.norm(gap, axis=1), 1e-12)[:, None]
        factor, rotation = full[0], Rotation.from_rotvec(full[1:4]).as_matrix()
        columns = [] if metrical else [(direction * (on_mesh @ rotation.T)).sum(axis=1)]
        for axis in range(3):
            nudged = full[1:4] + 1e-6 * np.eye(3)[axis]
            change = (Rotation.from_rotvec(nudged).as_matrix() - rotation) / 1e-6
            columns.append((direction * (factor * on_mesh @ change.T)).sum(axis=1))
        return np.column_stack([*columns, direction])

    start = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])[1 if metrical else 0 :]
    best = least_squares(distances, start, derivative, x_scale="jac", ftol=1e-9, xtol=1e-10, gtol=1e-12)
    return distances(best.x)
