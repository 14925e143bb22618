"""From a marched surface to a mesh worth keeping: one body, and fewer triangles."""

from dataclasses import dataclass

import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d.geometry.health import face_components
from idto3d.geometry.mesh import FloatArray, IndexArray, Mesh


@dataclass(frozen=True)
class Reduced:
    """A smaller mesh on a larger one's surface, which can be carried to any pose of the larger one.

    Args:
        faces: [F, 3] faces of the smaller mesh.
        anchors: [M, 3] vertices of the larger mesh that each small vertex lies between.
        weights: [M, 3] their barycentric weights.
    """

    faces: IndexArray
    anchors: IndexArray
    weights: FloatArray

    def carry(self, vertices: NDArray[np.floating]) -> FloatArray:
        """Positions [M, 3] of the small mesh when the large one has `vertices` [N, 3]."""
        return np.asarray(np.einsum("mk,mkc->mc", self.weights, vertices[self.anchors]), dtype=np.float64)


def largest_component(mesh: Mesh) -> Mesh:
    """The faces of the connected component with the largest area; floaters and inner shells go.

    Vertices keep their numbers, so that the result fits every expression of a shared topology.

    Raises:
        UserError: the mesh has no faces.
    """
    if len(mesh.faces) == 0:
        raise UserError("Found a mesh without faces, expected a head; check the stage that made it.")
    component = face_components(mesh)
    area = np.bincount(component, weights=np.linalg.norm(mesh.face_normals(), axis=1))
    return Mesh(mesh.vertices, mesh.faces[component == area.argmax()])


def reduce_faces(mesh: Mesh, faces: int) -> Reduced:
    """Decimate by quadric error (Garland & Heckbert 1997, in Open3D) and anchor the result on the original.

    Marching tetrahedra leave many slivers; unwrapping takes ten times as long with them. The anchors let one
    reduction of the neutral head serve all its expressions, whose topology is shared.

    Args:
        mesh: closed mesh, one component.
        faces: target number of faces; a mesh that has no more is anchored as it is.
    """
    if len(mesh.faces) <= faces:
        used, compact = np.unique(mesh.faces, return_inverse=True)
        weights = np.tile(np.array([1.0, 0.0, 0.0]), (len(used), 1))
        anchors = np.stack([used] * 3, axis=1).astype(np.int64)
        return Reduced(compact.reshape(-1, 3).astype(np.int64), anchors, weights)
    full = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices), o3d.utility.Vector3iVector(mesh.faces.astype(np.int32))
    )
    small = full.simplify_quadric_decimation(faces)
    small.remove_unreferenced_vertices()
    vertices = np.asarray(small.vertices, dtype=np.float32)
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(mesh.vertices.astype(np.float32)), o3d.core.Tensor(mesh.faces.astype(np.uint32))
    )
    nearest = scene.compute_closest_points(o3d.core.Tensor(vertices))
    second_third = nearest["primitive_uvs"].numpy().astype(np.float64)
    weights = np.concatenate([1.0 - second_third.sum(axis=1, keepdims=True), second_third], axis=1)
    anchors = mesh.faces[nearest["primitive_ids"].numpy().astype(np.int64)]
    return Reduced(np.asarray(small.triangles, dtype=np.int64), anchors, weights)
