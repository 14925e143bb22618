"""Cleaning up: floaters go, and a reduced mesh follows every pose of the full one."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from idto3d.errors import UserError
from idto3d.geometry.cleanup import largest_component, reduce_faces
from idto3d.geometry.health import mesh_health
from idto3d.geometry.mesh import Mesh, load_mesh, save_mesh


def _sphere(radius: float = 80.0, subdivisions: int = 4) -> Mesh:
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Mesh(np.asarray(sphere.vertices, dtype=np.float64), np.asarray(sphere.faces, dtype=np.int64))


def _with_floater() -> Mesh:
    large, small = _sphere(), _sphere(5.0, 1)
    vertices = np.concatenate([small.vertices + 200.0, large.vertices])
    return Mesh(vertices, np.concatenate([small.faces, large.faces + len(small.vertices)]))


def test_floaters_go_and_numbers_stay() -> None:
    """Only the large sphere's faces remain, and they index the same vertices."""
    mesh = _with_floater()
    kept = largest_component(mesh)
    assert mesh_health(mesh.vertices, mesh.faces).components == 2
    assert mesh_health(kept.vertices, kept.faces).components == 1
    assert len(kept.vertices) == len(mesh.vertices)
    assert kept.volume() == pytest.approx(_sphere().volume())


@pytest.mark.parametrize("faces", [1000, 100_000])
def test_reduced_mesh_follows_the_full_one(faces: int) -> None:
    """Reduced or not, the mesh carried to a stretched pose lies on the stretched sphere, closed."""
    mesh = largest_component(_with_floater())
    reduced = reduce_faces(mesh, faces)
    stretch = np.array([1.0, 1.4, 0.8])
    carried = Mesh(reduced.carry(mesh.vertices * stretch), reduced.faces)
    assert np.linalg.norm(carried.vertices / stretch, axis=1) == pytest.approx(80.0, abs=0.8)
    health = mesh_health(carried.vertices, carried.faces)
    assert health.watertight
    assert health.components == 1
    assert len(reduced.faces) <= faces


def test_mesh_file_round_trip_and_refusals(tmp_path: Path) -> None:
    """A saved mesh comes back; a missing or wrong file is told in one sentence."""
    path = tmp_path / "head.npz"
    save_mesh(path, _sphere(subdivisions=1))
    assert np.allclose(load_mesh(path).vertices, _sphere(subdivisions=1).vertices, atol=1e-4)
    path.write_bytes(b"no mesh")
    with pytest.raises(UserError, match="no readable mesh"):
        load_mesh(path)
    with pytest.raises(UserError, match="without faces"):
        largest_component(Mesh(np.zeros((3, 3)), np.zeros((0, 3), dtype=np.int64)))
