"""Faces that pass through others: the fast search agrees with exact arithmetic and with Open3D."""

from __future__ import annotations

import numpy as np
import open3d as o3d
import pytest

from idto3d.geometry import self_intersection
from idto3d.geometry.self_intersection import self_intersecting_faces
from tests.reference.shapes import disc, quad, sphere
from tests.reference.triangle_overlap import overlapping_faces

Array = np.ndarray


def _joined(*meshes: tuple[Array, Array]) -> tuple[Array, Array]:
    """Several meshes as one, their vertices kept apart."""
    starts = np.cumsum([0] + [len(vertices) for vertices, _ in meshes])
    return (
        np.concatenate([vertices for vertices, _ in meshes]),
        np.concatenate([faces + start for (_, faces), start in zip(meshes, starts, strict=False)]),
    )


@pytest.mark.parametrize("seed", range(12))
def test_triangles_on_a_small_lattice_agree_with_exact_arithmetic(seed: int) -> None:
    """Few places make every special case common: shared corners, coplanar faces, touches, faces twice."""
    random = np.random.default_rng(seed)
    side, count = (3, 24) if seed % 2 else (6, 40)
    lattice = np.stack(np.meshgrid(*[np.arange(float(side))] * 3), -1).reshape(-1, 3)
    faces = np.stack([random.choice(len(lattice), 3, replace=False) for _ in range(count)])
    if seed % 3 == 0:  # small faces, few of which meet
        near = np.linalg.norm(lattice[faces] - lattice[faces][:, :1], axis=2).max(axis=1) < 2.0
        faces = faces[near] if near.sum() > 1 else faces
    assert np.array_equal(self_intersecting_faces(lattice, faces), overlapping_faces(lattice, faces))


@pytest.mark.parametrize("seed", range(4))
def test_triangles_in_general_position_agree_with_exact_arithmetic(seed: int) -> None:
    """Small triangles in a box, turned and far from the origin: about half of them meet others."""
    random = np.random.default_rng(seed)
    centre = random.uniform(-10, 10, (60, 1, 3)) + 200.0
    vertices = (centre + random.normal(scale=2.0, size=(60, 3, 3))).reshape(-1, 3)
    faces = np.arange(180).reshape(-1, 3)
    expected = overlapping_faces(vertices, faces)
    assert 0.1 < expected.mean() < 0.95
    assert np.array_equal(self_intersecting_faces(vertices, faces), expected)


def test_two_spheres_that_overlap_agree_with_open3d() -> None:
    """Of two overlapping spheres exactly the faces along the circle where they cross are told."""
    vertices, faces = _joined(sphere(80.0, 24), sphere(70.0, 24, (60.0, 7.0, 3.0)))
    found = self_intersecting_faces(vertices, faces)
    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(vertices), o3d.utility.Vector3iVector(faces.astype(np.int32))
    )
    crossing = np.zeros(len(faces), dtype=bool)
    crossing[np.unique(np.asarray(mesh.get_self_intersecting_triangles()))] = True
    assert 50 < crossing.sum() < 400
    assert np.array_equal(found, crossing)


@pytest.mark.parametrize("mesh", [sphere(80.0, 30), disc(50.0, 64), quad(-1.0, 1.0, -1.0, 1.0)])
def test_a_plain_surface_does_not_meet_itself(mesh: tuple[Array, Array]) -> None:
    """Not when turned out of the axes either, where flat parts are flat only to rounding."""
    vertices, faces = mesh
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    assert not self_intersecting_faces(vertices, faces).any()
    assert not self_intersecting_faces(vertices @ turn + 31.4, faces).any()


def test_a_fold_and_a_face_twice_are_told() -> None:
    """Faces on one edge meet only where one lies on the other."""
    vertices, faces = quad(0.0, 1.0, 0.0, 1.0)
    folded = vertices.copy()
    folded[3] = [0.9, 0.2, 0.0]
    assert self_intersecting_faces(folded, faces).all()
    folded[3, 2] = 0.1
    assert not self_intersecting_faces(folded, faces).any()
    assert self_intersecting_faces(vertices, faces[[0, 0]]).all()


def test_numbers_of_faces_and_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of faces, and how many pairs are looked at together, leave the answer as it is."""
    vertices, faces = _joined(sphere(80.0, 10), sphere(70.0, 12, (60.0, 7.0, 3.0)))
    found = self_intersecting_faces(vertices, faces)
    order = np.random.default_rng(0).permutation(len(faces))
    assert np.array_equal(self_intersecting_faces(vertices, faces[order]), found[order])
    monkeypatch.setattr(self_intersection, "PAIRS_AT_ONCE", 501)
    assert np.array_equal(self_intersecting_faces(vertices, faces), found)


def test_one_long_face_among_small_ones_is_found() -> None:
    """A needle through a sphere is in far more cells than the sphere's faces; both walls are told."""
    needle = (np.array([[-500.0, 3.0, 3.0], [500.0, 3.0, 3.1], [500.0, 3.1, 3.0]]), np.array([[0, 1, 2]]))
    vertices, faces = _joined(sphere(80.0, 20), needle)
    found = np.flatnonzero(self_intersecting_faces(vertices, faces))
    assert found[-1] == len(faces) - 1
    assert 2 <= len(found) - 1 <= 8
    assert self_intersecting_faces(vertices, faces[:0]).shape == (0,)
