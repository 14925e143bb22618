"""Signed distances in mm, negative inside: of a closed mesh (Embree, through Open3D) and of an ellipsoid."""

from collections.abc import Callable

import numpy as np
import open3d as o3d
import trimesh
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d.geometry.mesh import FloatArray, Mesh

SignedDistance = Callable[[FloatArray], FloatArray]
PARITY_RAYS = 5  # odd number of rays that vote on inside or outside: one through an edge cannot flip it


def mesh_sdf(mesh: Mesh) -> SignedDistance:
    """Signed distance to a watertight mesh, as a function of points [N, 3] mm -> [N] mm.

    Raises:
        UserError: the mesh is open, so that inside and outside are not defined.
    """
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    if not shape.is_watertight:
        raise UserError(
            f"Found an open start mesh ({len(mesh.faces)} faces), expected a watertight one, "
            "because a signed distance needs an inside; close its holes first."
        )
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(mesh.vertices.astype(np.float32)), o3d.core.Tensor(mesh.faces.astype(np.uint32))
    )

    def distance(points: FloatArray) -> FloatArray:
        queries = o3d.core.Tensor(np.ascontiguousarray(points, dtype=np.float32))
        return np.asarray(
            scene.compute_signed_distance(queries, nsamples=PARITY_RAYS).numpy(), dtype=np.float64
        )

    return distance


def ellipsoid_sdf(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> SignedDistance:
    """Signed distance to an axis-aligned ellipsoid (mm), first-order exact at its surface.

    Source: f / |∇f| with f = |p / r| − 1 (Taubin 1994, first-order distance to an implicit surface).
    """
    middle, axes = np.asarray(centre, dtype=np.float64), np.asarray(radii, dtype=np.float64)

    def distance(points: FloatArray) -> FloatArray:
        offset = np.asarray(points, dtype=np.float64) - middle
        scaled: NDArray[np.float64] = np.linalg.norm(offset / axes, axis=-1)
        slope = np.linalg.norm(offset / axes**2, axis=-1) / np.maximum(scaled, 1e-9)
        inside = scaled < 1e-6  # the gradient has no direction at the centre
        result = (scaled - 1.0) / np.maximum(slope, 1e-9)
        result[inside] = -axes.min()
        return np.asarray(result)

    return distance
