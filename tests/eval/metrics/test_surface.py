"""Surfaces: closest points against trimesh, uniform samples, rays, and what is seen from outside."""

import numpy as np
import pytest
import trimesh

from idto3d_eval.metrics.surface import (
    DIRECTIONS,
    SEEN_FROM,
    SKIN,
    Surface,
    face_normals,
    sample_surface,
    sphere_directions,
)


def sphere(radius=50.0, subdivisions=3):
    ball = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return np.asarray(ball.vertices), np.asarray(ball.faces)


def test_closest_points_agree_with_trimesh():
    rng = np.random.default_rng(0)
    mesh = trimesh.creation.box(extents=(60.0, 90.0, 40.0)).subdivide()
    mesh.vertices += rng.normal(scale=2.0, size=mesh.vertices.shape)
    points = rng.uniform(-80.0, 80.0, size=(60, 3))
    expected, distance, _ = trimesh.proximity.closest_point_naive(mesh, points)
    surface = Surface(mesh.vertices, mesh.faces)
    np.testing.assert_allclose(surface.distance(points), distance, atol=1e-6)
    np.testing.assert_allclose(surface.closest(points).points, expected, atol=1e-4)


def test_distance_survives_a_head_far_from_the_origin():
    vertices, faces = sphere()
    away = np.array([4000.0, -7000.0, 9000.0])
    points = np.random.default_rng(1).normal(size=(200, 3)) * 60.0
    near, far = (
        Surface(vertices, faces).distance(points),
        Surface(vertices + away, faces).distance(points + away),
    )
    np.testing.assert_allclose(near, far, atol=1e-6)


def test_distance_does_not_depend_on_triangulation_or_batch():
    box = trimesh.creation.box(extents=(60.0, 90.0, 40.0))
    fine = box.subdivide().subdivide()
    points = np.random.default_rng(2).uniform(-80.0, 80.0, size=(64, 3))
    coarse = Surface(box.vertices, box.faces).distance(points)
    np.testing.assert_allclose(Surface(fine.vertices, fine.faces).distance(points), coarse, atol=1e-9)
    one_by_one = [Surface(box.vertices, box.faces).distance(point[None])[0] for point in points]
    assert one_by_one == coarse.tolist()


def test_samples_lie_on_the_surface_and_are_area_uniform():
    # A 3:1 rectangle cut into triangles of very different size must get points by area alone.
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [30, 0, 0], [30, 10, 0], [0, 10, 0]])
    faces = np.array([[0, 1, 4], [1, 2, 3], [1, 3, 4]])
    points, normals = sample_surface(vertices, faces, 20_000, seed=3)
    np.testing.assert_allclose(normals, np.tile([0.0, 0.0, 1.0], (20_000, 1)))
    histogram, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=(6, 2), range=((0, 30), (0, 10)))
    assert np.abs(histogram / 20_000 - 1 / 12).max() < 0.01
    again, _ = sample_surface(vertices, faces, 20_000, seed=3)
    assert (again == points).all()


def test_a_ray_hits_the_front_of_a_sphere_or_misses():
    surface = Surface(*sphere(subdivisions=5))
    hit = surface.cast(np.array([[0.0, 0, 900], [80.0, 0, 900]]), np.tile([0.0, 0.0, -1.0], (2, 1)))
    np.testing.assert_allclose(hit[0], [0, 0, 50], atol=0.05)
    assert np.isnan(hit[1]).all()


def test_an_inner_sphere_is_not_seen_from_outside():
    outer, faces = sphere()
    inner, inner_faces = sphere(radius=20.0)
    vertices = np.concatenate([outer, inner])
    both = Surface(vertices, np.concatenate([faces, inner_faces + len(outer)]))
    points, _ = sample_surface(both.vertices, both.faces, 2000, seed=0)
    seen = both.seen_from_outside(points, sphere_directions(32), clearance=0.05)
    radius = np.linalg.norm(points, axis=1)
    assert seen[radius > 40].all()
    assert not seen[radius < 30].any()


def test_outside_leaves_out_what_is_hidden():
    outer, faces = sphere()
    inner, inner_faces = sphere(radius=20.0)
    both = Surface(np.concatenate([outer, inner]), np.concatenate([faces, inner_faces + len(outer)]))
    outside = both.outside()
    assert len(outside.faces) == len(faces)
    centre = np.zeros((1, 3))
    assert both.distance(centre)[0] < 21.0
    assert outside.distance(centre)[0] > 49.0
    # A hole shows the inside: a cup keeps both of its walls' fronts, and only those.
    cup = Surface(outer, faces[outer[faces].mean(1)[:, 1] < 20.0])
    assert len(cup.outside().faces) == len(cup.faces)


def test_directions_cover_the_sphere():
    directions = sphere_directions(32)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    np.testing.assert_allclose(directions.mean(axis=0), 0.0, atol=0.03)


def test_a_mesh_with_nan_is_refused():
    vertices, faces = sphere()
    vertices[0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        Surface(vertices, faces)


def test_threads_and_order_change_no_bit():
    vertices, faces = sphere(subdivisions=4)
    points = np.random.default_rng(4).uniform(-80.0, 80.0, size=(40_000, 3))
    order = np.random.default_rng(5).permutation(len(points))
    one = Surface(vertices, faces).closest(points)
    many = Surface(vertices, faces, threads=2).closest(points[order])
    assert (one.points[order] == many.points).all()
    assert (one.normals[order] == many.normals).all()
    assert (
        np.linalg.norm(points - one.points, axis=1) == Surface(vertices, faces).distance(points)
    ).mean() > 0.9


def test_a_triangle_without_area_is_a_line_or_a_point():
    vertices = np.array([[0.0, 0, 0], [10, 0, 0], [20, 0, 0]])
    flat = Surface(vertices, np.array([[0, 1, 2]]))
    points = np.array([[5.0, 3, 0], [-4, 3, 0], [25, 0, 12]])
    np.testing.assert_allclose(flat.distance(points), [3.0, 5.0, 13.0])


def test_faces_seen_are_those_that_all_directions_would_tell():
    rng = np.random.default_rng(6)
    outer, faces = sphere(subdivisions=3)
    inner, inner_faces = sphere(radius=30.0, subdivisions=2)
    kept = rng.random(len(faces)) > 0.05  # a ball with holes, through which some of the inner one shows
    both = Surface(np.concatenate([outer, inner]), np.concatenate([faces[kept], inner_faces + len(outer)]))
    corners = both.vertices[both.faces]
    normal = face_normals(corners)
    counts = np.zeros(len(both.faces), int)
    for direction in sphere_directions(DIRECTIONS):
        front = normal @ direction > 0
        start = corners.mean(1) + SKIN * normal
        hit = both.cast(start, np.tile(direction, (len(start), 1)))
        counts += front & np.isnan(hit).all(1)
    assert (both.seen_faces() == (counts >= SEEN_FROM)).all()
    assert 0 < both.seen_faces()[-len(inner_faces) :].sum() < len(inner_faces)
