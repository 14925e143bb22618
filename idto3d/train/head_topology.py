"""A topology of its own for the linear head basis: the mean head meshed anew, denser where faces differ.

Correspondence is the place on the mean head: each vertex lies on a triangle of the people's own topology and
goes wherever that triangle goes on each person. The meshing is done with the lips apart, so that no vertex
of one lip takes its place from the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from idto3d.expressions import ARKIT_ACTIONS
from idto3d.geometry.cleanup import reduce_faces
from idto3d.geometry.mesh import Mesh
from idto3d.population.head_model import PARTS, load_head_model

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

JAW_OPEN = 0.8  # of the action, while meshing
COARSE_FACES = {"skin": 2000, "eye": 60, "tongue": 120}  # before refinement; each eye
ROUNDS = 7  # of refinement, each of which halves the edges that are too long
# Longest edges: of eyes, brows and lips; of the rest of the face; of skull, neck and the mouth's inside.
EDGE_MM = {"feature": 3.8, "face": 9.0, "rest": 20.0}
EYE_FRONT = -14.0  # mm: what lies behind it of an eye ball, the lids hide


@dataclass(frozen=True)
class Topology:
    """A mesh whose vertices lie on triangles of the people's topology.

    Attributes:
        faces: [F, 3].
        anchors, weights: [V, 3], the people's vertices that each vertex lies between, and how near to each.
        part: [V] 0 skin, 1 eye, 2 what is hidden behind lips and lids, and the tongue.
        landmark_anchors, landmark_weights: [68, 3], the same of the landmarks on this mesh.
    """

    faces: Indices
    anchors: Indices
    weights: Floats
    part: Indices
    landmark_anchors: Indices
    landmark_weights: Floats

    def carry(self, values: NDArray[np.floating]) -> Floats:
        """Values [N, C] at the people's vertices to this mesh's vertices [V, C]."""
        corners = np.asarray(values, np.float64)[self.anchors]
        return np.asarray(np.einsum("vk,vkc->vc", self.weights, corners))


def make_topology(mean: Floats) -> Topology:
    """Mesh the mean head anew.

    Args:
        mean: [N, 3] mm, neutral, in the people's topology.
    """
    model = load_head_model()
    posed = mean + JAW_OPEN * model.actions[ARKIT_ACTIONS.index("jawOpen")]
    kept = np.isin(model.part, [PARTS.index("skin"), PARTS.index("mouth")])
    skin, skin_part = model.faces[kept], model.part[kept]
    eyes = model.faces[model.part == PARTS.index("eye")]
    pieces = [(skin, skin_part, COARSE_FACES["skin"])]
    for side in (1.0, -1.0):
        ball = eyes[side * mean[eyes[:, 0], 0] > 0]
        pieces.append((ball, np.full(len(ball), 1), COARSE_FACES["eye"]))
    tongue = model.faces[model.part == PARTS.index("tongue")]  # it hides the open throat
    pieces.append((tongue, np.full(len(tongue), 2), COARSE_FACES["tongue"]))

    faces: list[Indices] = []
    anchors: list[Indices] = []
    weights: list[Floats] = []
    parts: list[Indices] = []
    for own, own_part, coarse in pieces:
        points, triangles = _coarse(posed, own, coarse)
        for _ in range(ROUNDS):
            found, near = _closest(posed, own, points)
            places = np.einsum("vk,vkc->vc", near, mean[own[found]])
            points, triangles, split = _halve(points, triangles, _longest_edge(places, own_part[found]))
            if not split:
                break
        found, near = _closest(posed, own, points)
        faces.append(triangles + sum(len(piece) for piece in anchors))
        anchors.append(own[found])
        weights.append(near)
        parts.append(own_part[found])
    mesh = np.concatenate(faces)
    place, near = np.concatenate(anchors), np.concatenate(weights)
    own_pose = np.einsum("vk,vkc->vc", near, posed[place])
    landmark_faces, landmark_weights = _closest(own_pose, faces[0], posed[model.landmark_index])
    return Topology(mesh, place, near, np.concatenate(parts), faces[0][landmark_faces], landmark_weights)


def _coarse(vertices: Floats, faces: Indices, count: int) -> tuple[Floats, Indices]:
    """Points and triangles of a piece, about `count` of them, none of its own vertices kept on purpose."""
    used, compact = np.unique(faces, return_inverse=True)
    dense = trimesh.Trimesh(vertices[used], compact.reshape(-1, 3), process=False).subdivide()
    mesh = Mesh(np.asarray(dense.vertices, np.float64), np.asarray(dense.faces, np.int64))
    reduced = reduce_faces(mesh, count)
    return reduced.carry(mesh.vertices), reduced.faces


def _longest_edge(places: Floats, part: Indices) -> Floats:
    """How long edges may be at places [N, 3] of the mean head, which are of parts [N]; [N] mm."""
    x, y, z = np.abs(places[:, 0]), places[:, 1], places[:, 2]
    front = z > -40.0
    eyes = front & (x < 60.0) & (y > -18.0) & (y < 34.0)
    lips = (z > -25.0) & (x < 32.0) & (y > -94.0) & (y < -58.0)
    face = (z > -60.0) & (y < 70.0) & (y > -125.0)
    limit = np.full(len(places), EDGE_MM["rest"])
    limit[face] = EDGE_MM["face"]
    limit[eyes | lips] = EDGE_MM["feature"]
    limit[(part == 2) | ((part == 1) & (z < EYE_FRONT))] = EDGE_MM["rest"]
    return limit


def _halve(points: Floats, faces: Indices, limit: Floats) -> tuple[Floats, Indices, bool]:
    """Split every edge longer than the smaller limit of its ends; neighbours stay joined without gaps."""
    edges = np.sort(np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2), 1)
    unique, number = np.unique(edges, axis=0, return_inverse=True)
    length = np.linalg.norm(points[unique[:, 0]] - points[unique[:, 1]], axis=1)
    cut = length > np.minimum(limit[unique[:, 0]], limit[unique[:, 1]])
    middle = np.full(len(unique), -1)
    middle[cut] = len(points) + np.arange(cut.sum())
    added = points[unique[cut]].mean(1)
    result = []
    for (a, b, c), (ab, bc, ca) in zip(faces, middle[number].reshape(-1, 3), strict=True):
        result += _split_face((a, b, c), (ab, bc, ca))
    return np.concatenate([points, added]), np.array(result, np.int64), bool(cut.any())


def _split_face(corner: tuple[int, int, int], middle: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """The triangles of a face whose edges ab, bc, ca have a middle vertex, or -1."""
    cuts = sum(m >= 0 for m in middle)
    if cuts == 0:
        return [corner]
    # Turned until the first edge is cut and, with two cuts, the last one is whole.
    while middle[0] < 0 or (cuts == 2 and middle[2] >= 0):
        corner, middle = (*corner[1:], corner[0]), (*middle[1:], middle[0])
    (a, b, c), (ab, bc, ca) = corner, middle
    if cuts == 1:
        return [(a, ab, c), (ab, b, c)]
    if cuts == 2:
        return [(ab, b, bc), (a, ab, c), (ab, bc, c)]
    return [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]


def _closest(vertices: Floats, faces: Indices, points: Floats) -> tuple[Indices, Floats]:
    """The face nearest to each of points [N, 3] and the weights [N, 3] of its corners there."""
    import open3d as o3d

    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(np.asarray(vertices, np.float32)), o3d.core.Tensor(faces.astype(np.uint32))
    )
    nearest = scene.compute_closest_points(o3d.core.Tensor(np.asarray(points, np.float32)))
    second_third = nearest["primitive_uvs"].numpy().astype(np.float64)
    weights = np.concatenate([1.0 - second_third.sum(1, keepdims=True), second_third], 1)
    return nearest["primitive_ids"].numpy().astype(np.int64), weights
