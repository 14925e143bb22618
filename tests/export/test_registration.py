"""Non-rigid registration: the shape is reached whatever the topology, and the residual is honest."""

from __future__ import annotations

import numpy as np
import pytest

from idto3d.export.registration import register, residual
from idto3d.geometry.mesh import Mesh
from tests.export.heads import puffed, stretched
from tests.reference.shapes import disc, sphere

SOURCE = Mesh(*sphere(90.0, 14))


def _deformed(vertices: np.ndarray) -> np.ndarray:
    """A sphere made taller, with a bulge."""
    return stretched(puffed(vertices, 15.0))


def _target() -> Mesh:
    """The deformed sphere in a topology of its own, turned so that no face of it lies like the source's."""
    vertices, faces = sphere(90.0, 17)
    return Mesh(_deformed(vertices @ _turn(2)), faces)


def _turn(seed: int) -> np.ndarray:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turn * np.sign(np.linalg.det(turn))


def test_another_topology_is_reached() -> None:
    """15 mm of bulge and 18 of stretch become little more than the facets of both make."""
    target, told = _target(), []
    moved = Mesh(register(SOURCE, target, lambda done, total: told.append((done, total))), SOURCE.faces)
    before, after = residual(SOURCE, target), residual(moved, target)
    assert before.p95 > 10.0
    assert after.median < 0.1 * before.median
    assert after.p95 < 0.1 * before.p95
    assert told[-1] == (len(told), len(told))


def test_a_shape_registered_to_itself_stays() -> None:
    moved = register(SOURCE, SOURCE)
    assert np.abs(moved - SOURCE.vertices).max() < 1e-3


def test_smooth_motion_is_followed_point_by_point() -> None:
    """Vertices land near where a finer mesh of the same deformation has them, not anywhere on the surface."""
    fine, faces = sphere(90.0, 40)
    moved = register(SOURCE, Mesh(puffed(fine, 12.0), faces))
    off = np.linalg.norm(moved - puffed(SOURCE.vertices, 12.0), axis=1)
    assert np.median(off) < 0.2
    assert off.max() < 1.0


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_frame_and_units_change_nothing(scale: float) -> None:
    """Turned, shifted and scaled inputs give the turned, shifted and scaled answer."""
    turn, target = _turn(1), _target()
    there = register(
        Mesh(scale * SOURCE.vertices @ turn + 50.0, SOURCE.faces),
        Mesh(scale * target.vertices @ turn + 50.0, target.faces),
    )
    assert np.abs(there - (scale * register(SOURCE, target) @ turn + 50.0)).max() < 0.01


def test_a_part_without_a_match_stays_where_it_is() -> None:
    """A disc that looks away from every surface keeps its place, and nothing becomes NaN."""
    flat, faces = disc(10.0, 8)
    both = Mesh(
        np.concatenate([SOURCE.vertices, flat]),
        np.concatenate([SOURCE.faces, faces[:, ::-1] + len(SOURCE.vertices)]),
    )
    front = SOURCE.vertices[SOURCE.faces].mean(axis=1)[:, 2] > 60.0  # the target: a cap that faces +Z
    moved = register(both, Mesh(SOURCE.vertices, SOURCE.faces[front]))
    assert np.abs(moved[len(SOURCE.vertices) :] - flat).max() < 1e-3


def test_residual_of_concentric_spheres_is_their_distance() -> None:
    fine = [Mesh(*sphere(radius, 60)) for radius in (80.0, 81.0)]
    found = residual(*fine)
    assert found.median == pytest.approx(1.0, abs=0.1)
    assert found == residual(*fine)
    assert not found.exact


def test_residual_looks_both_ways() -> None:
    """A sphere that lacks its front lies on the whole one everywhere, yet is no stand-in for it."""
    vertices, faces = sphere(80.0, 30)
    open_faces = faces[vertices[faces].mean(axis=1)[:, 2] < 0.0]
    for pair in ((Mesh(vertices, faces), Mesh(vertices, open_faces)),) * 2:
        assert residual(*pair).p95 > 30.0
        assert residual(*pair[::-1]).p95 > 30.0
