"""Mesh health: a sound head has no problems, and each fault is named."""

from __future__ import annotations

import numpy as np
import pytest

from idto3d.geometry.health import mesh_health
from tests.reference.shapes import sphere

VERTICES, FACES = sphere(80.0, 40)


def test_a_closed_sphere_is_valid() -> None:
    """One watertight component, outward, with the volume of its polyhedron."""
    health = mesh_health(VERTICES, FACES)
    assert health.valid
    assert health.problems == ()
    assert (health.faces, health.components, health.watertight, health.outward) == (len(FACES), 1, True, True)
    assert health.volume_mm3 == pytest.approx(4 / 3 * np.pi * 80.0**3, rel=0.01)


def test_seams_cut_nothing() -> None:
    """Faces with vertices of their own, in the same places, are the same surface."""
    apart = VERTICES[FACES].reshape(-1, 3)
    assert mesh_health(apart, np.arange(len(apart)).reshape(-1, 3)) == mesh_health(VERTICES, FACES)


@pytest.mark.parametrize(
    ("faces", "problem"),
    [
        (FACES[1:], "3 boundary edges"),
        (FACES[:, ::-1], "an enclosed volume of -"),
        (np.concatenate([FACES[:1, ::-1], FACES[1:]]), "wound against each other"),
        (np.concatenate([FACES, [[0, 1, 700]]]), "non-manifold edges"),
        (np.concatenate([FACES, [[5, 5, 9]]]), "1 faces without area"),
        (FACES[:0], "0 components"),
    ],
)
def test_faults_are_named(faces: np.ndarray, problem: str) -> None:
    health = mesh_health(VERTICES, faces)
    assert not health.valid
    assert problem in ", ".join(health.problems)


def test_two_bodies_are_one_too_many() -> None:
    small, faces = sphere(10.0, 8, (200.0, 0.0, 0.0))
    vertices, both = np.concatenate([VERTICES, small]), np.concatenate([FACES, faces + len(VERTICES)])
    assert mesh_health(vertices, both).problems == ("2 components",)


def test_a_dent_that_comes_out_at_the_back_passes_through_the_surface() -> None:
    """One vertex pulled through the sphere makes its faces, and those they pierce, more than 0.1 %."""
    dented = VERTICES.copy()
    dented[len(VERTICES) // 2] *= -1.3
    health = mesh_health(dented, FACES)
    assert health.self_intersecting_faces >= 6
    assert health.self_intersecting_share == health.self_intersecting_faces / len(FACES)
    assert "passing through others" in health.problems[0]
    assert health.watertight
