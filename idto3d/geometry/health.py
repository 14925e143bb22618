"""Whether a mesh is a sound head: one watertight body, wound outward, that does not pass through itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from idto3d.geometry.mesh import IndexArray, Mesh
from idto3d.geometry.self_intersection import self_intersecting_faces

SLIVER_AREA = 1e-6  # mm²: below it a face has no usable normal
MAX_SELF_INTERSECTION = 0.001  # of the faces: the project's bar for generated heads


@dataclass(frozen=True)
class MeshHealth:
    """What there is to say about a mesh, in numbers.

    Args:
        faces: how many.
        components: connected through shared vertices.
        boundary_edges: edges with one face.
        non_manifold_edges: edges with three or more.
        winding_consistent: neighbouring faces agree on which side is outside.
        degenerate_faces: faces under 1e-6 mm².
        self_intersecting_faces: faces that pass through others.
        volume_mm3: enclosed, signed; negative means inside out.
    """

    faces: int
    components: int
    boundary_edges: int
    non_manifold_edges: int
    winding_consistent: bool
    degenerate_faces: int
    self_intersecting_faces: int
    volume_mm3: float

    @property
    def watertight(self) -> bool:
        """Every edge has two faces."""
        return self.boundary_edges == 0 and self.non_manifold_edges == 0

    @property
    def outward(self) -> bool:
        """Faces agree on a side, and it is the outer one."""
        return self.winding_consistent and self.volume_mm3 > 0.0

    @property
    def self_intersecting_share(self) -> float:
        """Of the faces, in [0, 1]."""
        return self.self_intersecting_faces / self.faces if self.faces else 0.0

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the mesh from being valid, in words; empty for a sound one."""
        share = self.self_intersecting_share
        found = (
            (self.components != 1, f"{self.components} components"),
            (self.boundary_edges > 0, f"{self.boundary_edges} boundary edges"),
            (self.non_manifold_edges > 0, f"{self.non_manifold_edges} non-manifold edges"),
            (not self.winding_consistent, "neighbouring faces wound against each other"),
            (self.volume_mm3 <= 0.0, f"an enclosed volume of {self.volume_mm3:.0f} mm³"),
            (self.degenerate_faces > 0, f"{self.degenerate_faces} faces without area"),
            (share > MAX_SELF_INTERSECTION, f"{share:.2%} of the faces passing through others"),
        )
        return tuple(words for bad, words in found if bad)

    @property
    def valid(self) -> bool:
        """One watertight component, outward, no face without area, at most 0.1 % of them through others."""
        return not self.problems


def mesh_health(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> MeshHealth:
    """Measure a mesh; vertices in exactly one place count as one, so that texture seams cut nothing.

    Args:
        vertices: [V, 3] mm, finite.
        faces: [F, 3] indices, counter-clockwise seen from outside.
    """
    places, place = np.unique(np.asarray(vertices, dtype=np.float64), axis=0, return_inverse=True)
    welded = Mesh(places, place.reshape(-1)[np.asarray(faces, dtype=np.int64)])
    start, end = welded.faces.ravel(), np.roll(welded.faces, -1, axis=1).ravel()
    count = len(places)  # an edge as one number: pairs of numbers sort ten times slower
    _, uses = np.unique(np.minimum(start, end) * count + np.maximum(start, end), return_counts=True)
    _, runs = np.unique(start * count + end, return_counts=True)
    crossing = self_intersecting_faces(welded.vertices, welded.faces)
    return MeshHealth(
        faces=len(welded.faces),
        components=len(np.unique(face_components(welded))),
        boundary_edges=int((uses == 1).sum()),
        non_manifold_edges=int((uses > 2).sum()),
        winding_consistent=bool((runs == 1).all()),
        degenerate_faces=int((0.5 * np.linalg.norm(welded.face_normals(), axis=1) < SLIVER_AREA).sum()),
        self_intersecting_faces=int(crossing.sum()),
        volume_mm3=welded.volume(),
    )


def face_components(mesh: Mesh) -> IndexArray:
    """Connected component of each face, [F]; faces connect through shared vertices."""
    edges = mesh.faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    label = trimesh.graph.connected_component_labels(edges, node_count=len(mesh.vertices))
    return np.asarray(label[mesh.faces[:, 0]], dtype=np.int64)
