"""The mean head that generation starts from: closed, neutral, mean of guidance people in shape and colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy import ndimage, spatial

from idto3d.geometry.head_field import HeadField
from idto3d.geometry.mesh import Mesh
from idto3d.geometry.sdf import mesh_sdf
from idto3d.geometry.tet_grid import build_tet_grid
from idto3d.population.appearance import paint
from idto3d.population.head_model import PARTS, load_head_model
from idto3d.population.people import draw_person
from idto3d.population.surface import eye_centres, mean_vertices

PAINTED_PEOPLE = 48  # whose colours are averaged
COLOUR_POINTS = 60_000
DENSE = 6.0  # how much denser colour points lie at the eyes, the nose and the mouth
VOXEL = 2.0  # mm
FACES = 30_000
SLIT = 3  # voxels; the closing that shuts the lips before the mouth is filled


def closed_distance(vertices: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Signed distance of the head as a solid: neck capped, eye balls in, mouth and sockets filled.

    Returns:
        the distance on a lattice [X, Y, Z] mm, negative inside, and the lattice's lowest corner [3] mm.
    """
    model = load_head_model()
    skin = trimesh.Trimesh(
        vertices, model.faces[np.isin(model.part, [PARTS.index("skin"), PARTS.index("mouth")])]
    )
    capped = _cap(skin)
    low, high = vertices.min(0) - 12, vertices.max(0) + 12
    axes = [np.arange(low[k], high[k], VOXEL) for k in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    distance = mesh_sdf(Mesh(np.asarray(capped.vertices), np.asarray(capped.faces)))(points.reshape(-1, 3))
    for side in (-1, 1):
        eye = np.unique(model.faces[model.part == PARTS.index("eye")])
        ball = vertices[eye[side * vertices[eye, 0] > 0]]
        hull = spatial.ConvexHull(ball)
        solid = trimesh.convex.convex_hull(ball[hull.vertices])
        distance = np.minimum(
            distance,
            mesh_sdf(Mesh(np.asarray(solid.vertices), np.asarray(solid.faces)))(points.reshape(-1, 3)),
        )
    distance = distance.reshape(points.shape[:3])
    offsets = np.indices((2 * SLIT + 1,) * 3) - SLIT
    ball_shape = np.linalg.norm(offsets, axis=0) <= SLIT
    inside = ndimage.binary_fill_holes(ndimage.binary_closing(distance < 0, ball_shape))
    return ndimage.gaussian_filter(np.where(inside & (distance > 0), -VOXEL, distance), 0.6), low


def _cap(skin: trimesh.Trimesh) -> trimesh.Trimesh:
    """Close every boundary loop with a fan around its centre."""
    edges = skin.edges_sorted
    rows = trimesh.grouping.group_rows(edges, require_count=1)
    boundary = skin.edges[rows]
    vertices, faces = [np.asarray(skin.vertices)], [np.asarray(skin.faces)]
    loops = trimesh.graph.connected_components(boundary)
    for loop in loops:
        centre = np.asarray(skin.vertices)[loop].mean(0)
        index = sum(len(v) for v in vertices)
        chosen = boundary[np.isin(boundary[:, 0], loop)]
        vertices.append(centre[None])
        faces.append(np.stack([chosen[:, 1], chosen[:, 0], np.full(len(chosen), index)], 1))
    return trimesh.Trimesh(np.concatenate(vertices), np.concatenate(faces), process=False)


def mean_colour(
    mesh: trimesh.Trimesh, vertices_of_mean: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Points [P, 3] mm on the closed head and the mean sRGB colour [P, 3] of the skin or eye nearest to each.

    Inside of the mouth is left out: the closed head has none, and its lips would take its colour.
    """
    model = load_head_model()
    centre = mesh.triangles_center
    face = (np.abs(centre[:, 0]) < 55) & (np.abs(centre[:, 1] + 35) < 70) & (centre[:, 2] > -50)
    weight = mesh.area_faces * np.where(face, DENSE, 1.0)
    points, _ = trimesh.sample.sample_surface(mesh, COLOUR_POINTS, face_weight=weight, seed=0)
    outside = np.isin(model.part, [PARTS.index("skin"), PARTS.index("eye")])
    import open3d as o3d

    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(vertices_of_mean.astype(np.float32)),
        o3d.core.Tensor(model.faces[outside].astype(np.uint32)),
    )
    nearest = scene.compute_closest_points(o3d.core.Tensor(points.astype(np.float32)))
    triangle, uv = nearest["primitive_ids"].numpy().astype(np.int64), nearest["primitive_uvs"].numpy()
    weights = np.concatenate([1.0 - uv.sum(1, keepdims=True), uv], 1)
    corners = model.mean[model.faces[outside][triangle]]
    canonical = np.einsum("pk,pkc->pc", weights, corners).astype(np.float32)
    part = model.part[outside][triangle]
    people = (draw_person("guidance", index) for index in range(PAINTED_PEOPLE))
    painted = np.mean(
        [paint(person.appearance, canonical, part, eye_centres())[0] for person in people], axis=0
    )
    return points.astype(np.float32), np.asarray((255 * painted).round(), np.uint8)


def make_mean_head(out: Path, resolution: int = 96) -> Path:
    """Write `mean_head.npz` and return its path: vertices [V, 3] float32 mm and faces [F, 3] int32 of a
    closed mesh, landmarks [68, 3] float32 mm, colour_points [P, 3] float32 mm and their colour [P, 3] uint8
    sRGB."""
    vertices_of_mean = mean_vertices()
    lattice, low = closed_distance(vertices_of_mean)

    def distance(points: NDArray[np.floating]) -> NDArray[np.float64]:
        sampled = ndimage.map_coordinates(lattice, ((points - low) / VOXEL).T, order=1, mode="nearest")
        return np.asarray(sampled, np.float64)

    high = low + VOXEL * (np.array(lattice.shape) - 1)
    grid = build_tet_grid(distance, tuple(low + 12), tuple(high - 12), resolution, band=10.0)
    vertices, faces = HeadField(grid, 1).mesh(0)
    mesh = trimesh.Trimesh(vertices.detach().numpy(), faces.numpy())
    mesh = max(mesh.split(only_watertight=False), key=lambda part: len(part.faces))
    import open3d as o3d

    dense = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices),
        o3d.utility.Vector3iVector(np.asarray(mesh.faces, np.int32)),
    )
    light = dense.simplify_quadric_decimation(FACES)
    mesh = trimesh.Trimesh(np.asarray(light.vertices), np.asarray(light.triangles))
    points, colour = mean_colour(mesh, vertices_of_mean)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "mean_head.npz"
    np.savez_compressed(
        path,
        vertices=mesh.vertices.astype(np.float32),
        faces=mesh.faces.astype(np.int32),
        landmarks=vertices_of_mean[load_head_model().landmark_index].astype(np.float32),
        colour_points=points,
        colour=colour,
    )
    return path
