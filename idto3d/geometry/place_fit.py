"""The motion that shows places of a surface where pictures want them, by linear least squares.

A step of a gradient moves a control point by the step's size, and a lid that closes travels ten of them.
Where the place of the surface that a pixel is to show is known, that place only has to lie on the pixel's
ray: two equations, linear in a displacement that is linear in its control values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import open3d as o3d
from numpy.typing import NDArray
from scipy.sparse import bsr_matrix, csr_matrix
from scipy.sparse.linalg import LinearOperator, cg

from idto3d.render.camera import Camera

FAR = 3.0  # mm: a wanted place further from the surface's is not on it
STRAIN = 1.0  # mm^2: what a strain of one everywhere counts, beside an error of one mm at every pixel
HUBER = 2.0  # mm: larger errors count by their length, in the second round
ROUNDS, ITERATIONS = 2, 40  # of reweighting; of conjugate gradients in each
REST = 1e-7  # what holds control points that nothing sees, per mm^2

Floats = NDArray[np.floating]


def fit_places(
    basis: csr_matrix,
    vertices: Floats,
    faces: NDArray[np.integer],
    places: Floats,
    cameras: Sequence[Camera],
    wanted: Floats,
    weight: Floats,
) -> NDArray[np.float32]:
    """Control values [C, 3] mm of a motion that shows the wanted places, with little strain.

    Args:
        basis: [V, C], the motion at the vertices by its control values.
        vertices: [V, 3] mm, before they move.
        faces: [F, 3].
        places: [V, 3] mm, what each vertex is known by: where it lies on another surface.
        cameras: N, of square pictures with R pixels a side.
        wanted: [N, R, R, 3] mm, the place that each pixel is to show.
        weight: [N, R, R], how much that counts, 0 where nothing is wanted.

    Returns:
        float32; zeros where no wanted place lies on the surface.
    """
    known = weight > 0
    at, near = _places_on(faces, places, np.asarray(wanted[known], np.float32))
    if not near.any():
        return np.zeros((basis.shape[1], 3), np.float32)
    counts = weight[known][near] / weight[known][near].sum()
    rays = np.stack([camera.rays() for camera in cameras])[known][near].astype(np.float64)
    along = rays[:, 3:] / np.linalg.norm(rays[:, 3:], axis=1, keepdims=True)
    # [P, 3, 3]: what of an error lies beside the ray.
    aside = np.eye(3) - along[:, :, None] * along[:, None, :]
    missing = np.einsum("pij,pj->pi", aside, rays[:, :3] - at @ vertices)

    stiffness = _Stiffness(at, STRAIN * _springs(vertices, faces))
    spread, gather = basis.astype(np.float32), basis.T.tocsr().astype(np.float32)
    values, robust = np.zeros((basis.shape[1], 3), np.float32), counts
    for _ in range(ROUNDS):
        stiff = stiffness(robust[:, None, None] * aside)
        pulls = gather @ (at.T @ (robust[:, None] * missing)).astype(np.float32)
        values = _solved(spread, gather, stiff, pulls, values)
        error = missing - np.einsum("pij,pj->pi", aside, at @ (spread @ values))
        robust = counts * np.minimum(1.0, HUBER / np.linalg.norm(error, axis=1).clip(1e-6))
    return values


def _places_on(
    faces: NDArray[np.integer], places: Floats, wanted: Floats
) -> tuple[csr_matrix, NDArray[np.bool_]]:
    """[P, V] shares of the vertices at those of [Q, 3] wanted places that lie on the surface, and which."""
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(np.asarray(places, np.float32), faces.astype(np.uint32))
    found = scene.compute_closest_points(wanted)
    near = np.linalg.norm(found["points"].numpy() - wanted, axis=1) < FAR
    corners = faces[found["primitive_ids"].numpy()[near].astype(np.int64)]
    u, v = found["primitive_uvs"].numpy()[near].T
    shares = np.stack([1.0 - u - v, u, v], 1)
    starts = np.arange(len(corners) + 1) * 3
    return csr_matrix((shares.ravel(), corners.ravel(), starts), (len(corners), len(places))), near


def _springs(vertices: Floats, faces: NDArray[np.integer]) -> csr_matrix:
    """[V, V]: the mean over faces of an edge's squared strain, a quadratic form of each coordinate."""
    first, second = faces[:, 0], faces[:, 1]
    stiffness = 1.0 / np.linalg.norm(vertices[first] - vertices[second], axis=1).clip(1e-3)
    rows = np.tile(np.arange(len(faces)), 2)
    ends = csr_matrix(
        (np.concatenate([stiffness, -stiffness]), (rows, np.concatenate([first, second]))),
        (len(faces), len(vertices)),
    )
    return (ends.T @ ends / len(faces)).tocsr()


class _Stiffness:
    """Quadratic forms [3V, 3V] of displacements [V, 3], of points `at` [P, V] (three vertices each) that are
    held with any blocks [P, 3, 3], and of springs [V, V]."""

    def __init__(self, at: csr_matrix, springs: csr_matrix) -> None:
        count = springs.shape[0]
        corners, shares = at.indices.reshape(-1, 3).astype(np.int64), at.data.reshape(-1, 3)
        # Nine pairs of vertices a point.
        rows, columns = np.repeat(corners, 3, 1).ravel(), np.tile(corners, (1, 3)).ravel()
        self._products = (shares[:, :, None] * shares[:, None, :]).ravel()
        points = csr_matrix((np.ones(len(rows)), (rows, columns)), springs.shape)
        pairs = (points + abs(springs)).tocsr()
        pairs.sort_indices()
        self._columns, self._starts = pairs.indices, pairs.indptr
        keys = np.repeat(np.arange(count), np.diff(pairs.indptr)) * count + pairs.indices
        self._slots = np.searchsorted(keys, rows * count + columns)
        spring = springs.tocoo()
        self._springs = np.zeros(len(keys), np.float32)
        self._springs[np.searchsorted(keys, spring.row.astype(np.int64) * count + spring.col)] = spring.data

    def __call__(self, blocks: Floats) -> bsr_matrix:
        """With these blocks."""
        held = self._springs[:, None, None] * np.eye(3, dtype=np.float32)
        for i in range(3):
            for j in range(3):
                part = self._products * np.repeat(blocks[:, i, j], 9)
                held[:, i, j] += np.bincount(self._slots, part, len(held))
        side = 3 * (len(self._starts) - 1)
        return bsr_matrix((held, self._columns, self._starts), (side, side))


def _solved(
    spread: csr_matrix, gather: csr_matrix, stiff: bsr_matrix, pulls: Floats, start: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Control values [C, 3] whose displacements balance the pulls [C, 3], from `start`."""
    diagonal = np.repeat(gather.power(2) @ stiff.diagonal().reshape(-1, 3).mean(1) + REST, 3)
    diagonal = diagonal.astype(np.float32)

    def balance(flat: NDArray[np.float32]) -> NDArray[np.float32]:
        values = flat.reshape(-1, 3)
        back = gather @ (stiff @ (spread @ values).ravel()).reshape(-1, 3)
        return np.asarray(back + REST * values, np.float32).ravel()

    shape = (start.size, start.size)
    solved, _ = cg(
        LinearOperator(shape, balance, dtype=np.float32),
        pulls.ravel(),
        x0=start.ravel(),
        maxiter=ITERATIONS,
        rtol=1e-3,
        M=LinearOperator(shape, lambda flat: flat / diagonal, dtype=np.float32),
    )
    return np.asarray(solved, np.float32).reshape(-1, 3)
