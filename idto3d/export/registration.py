"""Non-rigid registration of one head's mesh onto another's surface, and how far apart two surfaces lie.

Registration: Amberg, Romdhani & Vetter, "Optimal Step Nonrigid ICP Algorithms for Surface Registration",
2007, without landmarks. Each vertex has an affine map of its own; neighbours' maps are held together by a
stiffness that falls step by step, and within a step closest points and maps are found in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import open3d as o3d
import trimesh
from scipy import sparse
from scipy.sparse.linalg import splu

from idto3d.geometry.mesh import FloatArray, IndexArray, Mesh

Told = Callable[[int, int], None]
# α² of eq. 12; ours. A generated head of 16,000 faces, laid on its surprise decimated to 9,600, ends 0.014 mm
# (median) away; 0.009 of that is what decimation took.
STIFFNESS = (0.016, 0.008, 0.004, 0.002, 0.001, 0.0005, 0.00025)
ITERATIONS = 3  # of closest points and maps at one stiffness
RIDGE = 1e-6  # toward the last maps: a part without any match stays where it is
SETTLED = 1e-3  # mean move, of the head's radius, below which a stiffness is done
FACING = 0.5  # cosine: closest points whose normals differ by more than 60° are no match
SAMPLES = 20_000  # points a surface, for the residual


@dataclass(frozen=True)
class Residual:
    """Distances between a shape and the mesh that it stands for, both ways, in mm.

    Args:
        median, p95: of the distances.
        exact: nothing was registered: the shape is that mesh.
    """

    median: float
    p95: float
    exact: bool = False


def register(source: Mesh, target: Mesh, told: Told | None = None) -> FloatArray:
    """Where a mesh's vertices lie on another mesh's surface.

    Both must lie in the same frame, about in the same place. Points that move along the surface are not told
    apart: what is reached is the shape, not which skin went where.

    Args:
        source: the mesh to deform; one vertex a place.
        target: the surface to lay it on; any topology, open or closed.
        told: called with steps done and steps in all.

    Returns:
        [V, 3] mm.
    """
    centre = source.vertices.mean(axis=0)
    radius = float(np.linalg.norm(source.vertices - centre, axis=1).mean()) or 1.0
    start = (source.vertices - centre) / radius
    surface = _Surface(Mesh((target.vertices - centre) / radius, target.faces))
    count = len(start)
    smooth = sparse.kron(_laplacian(start, source.faces), sparse.identity(4), format="csc")
    ridge = RIDGE * sparse.identity(4 * count, format="csc")
    rows = np.repeat(np.arange(count), 4)
    homogeneous = np.concatenate([start, np.ones((count, 1))], axis=1)
    data = sparse.csc_matrix((homogeneous.ravel(), (rows, np.arange(4 * count))), shape=(count, 4 * count))
    maps = np.tile(np.eye(4, 3), (count, 1))  # [4 V, 3], X of eq. 1
    moved = start
    for number, stiffness in enumerate(STIFFNESS):
        for _ in range(ITERATIONS):
            nearest, normals = surface.closest(moved)
            weight = (_cosine(Mesh(moved, source.faces), normals) > FACING).astype(np.float64)
            weighted = data.multiply(weight[:, None])
            solver = splu(
                (stiffness * smooth + weighted.T @ data + ridge).tocsc(),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
            maps = solver.solve(weighted.T @ nearest + RIDGE * maps)
            before, moved = moved, data @ maps
            if np.linalg.norm(moved - before, axis=1).mean() < SETTLED:
                break
        if told:
            told(number + 1, len(STIFFNESS))
    return np.asarray(moved * radius + centre)


def residual(one: Mesh, other: Mesh) -> Residual:
    """Distances from area-uniform points of each surface to the other one, taken together.

    Args:
        one, other: mm.
    """
    apart = [_Surface(there).distance(_sampled(here)) for here, there in ((one, other), (other, one))]
    median, p95 = np.percentile(np.concatenate(apart), [50, 95])
    return Residual(float(median), float(p95))


class _Surface:
    """Closest points on a mesh, by Embree's tree."""

    def __init__(self, mesh: Mesh) -> None:
        self._scene: Any = o3d.t.geometry.RaycastingScene(nthreads=1)
        self._scene.add_triangles(
            o3d.core.Tensor(mesh.vertices.astype(np.float32)), o3d.core.Tensor(mesh.faces.astype(np.uint32))
        )

    def closest(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Closest points [N, 3] and the unit normals [N, 3] of their faces."""
        answer = self._scene.compute_closest_points(o3d.core.Tensor(points.astype(np.float32)))
        return (
            answer["points"].numpy().astype(np.float64),
            answer["primitive_normals"].numpy().astype(np.float64),
        )

    def distance(self, points: FloatArray) -> FloatArray:
        """Unsigned distance [N]."""
        found = self._scene.compute_distance(o3d.core.Tensor(points.astype(np.float32)))
        return np.asarray(found.numpy(), dtype=np.float64)


def _laplacian(vertices: FloatArray, faces: IndexArray) -> sparse.csc_matrix:
    """Graph Laplacian [V, V] of a mesh's edges: MᵀM for the node-arc incidence M of Amberg et al., eq. 10.

    Over the mean squared length of an edge, so that a stiffness means the same on coarse and fine meshes.
    """
    edges = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    square = ((vertices[edges[:, 0]] - vertices[edges[:, 1]]) ** 2).sum(axis=1).mean()
    weight, count = np.full(len(edges), 1.0 / square), len(vertices)
    near = sparse.coo_matrix((weight, (edges[:, 0], edges[:, 1])), shape=(count, count))
    near = near + near.T
    return (sparse.diags(np.asarray(near.sum(axis=1)).ravel()) - near).tocsc()


def _cosine(mesh: Mesh, normals: FloatArray) -> FloatArray:
    """Between a mesh's vertex normals and unit normals [V, 3]; [V]."""
    own = np.zeros_like(mesh.vertices)
    for corner in range(3):
        np.add.at(own, mesh.faces[:, corner], mesh.face_normals())
    length = np.maximum(np.linalg.norm(own, axis=1), 1e-30)
    return np.asarray(np.einsum("vc,vc->v", own, normals) / length)


def _sampled(mesh: Mesh) -> FloatArray:
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    points, _ = trimesh.sample.sample_surface(shape, SAMPLES, seed=0)
    return np.asarray(points)
