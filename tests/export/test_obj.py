"""OBJ with material and maps, read back by trimesh and Open3D."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import open3d as o3d
import pytest
import trimesh
from PIL import Image

from idto3d.export.obj import encode_obj
from idto3d.geometry.health import mesh_health
from idto3d.glb import seamless_normals
from tests.export.heads import head

HEAD = head()
FILES = encode_obj(HEAD, "smile")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path / "smile.obj"


def test_units_are_said_and_coordinates_are_in_them() -> None:
    lines = FILES["smile.obj"].decode().splitlines()
    assert "millimetres" in lines[0]
    places = np.array([line.split()[1:] for line in lines if line.startswith("v ")], dtype=float)
    assert np.linalg.norm(places, axis=1) == pytest.approx(90.0, abs=1e-3)


def test_trimesh_reads_the_same_head(path: Path) -> None:
    """Each corner of each face has its position, UV and normal; the material has the albedo map."""
    shape = trimesh.load(path, process=False)
    assert len(shape.faces) == len(HEAD.faces)
    corners = np.concatenate([HEAD.vertices, HEAD.uvs, seamless_normals(HEAD)], axis=1)[HEAD.faces]
    read = np.concatenate([shape.vertices, shape.visual.uv, shape.vertex_normals], axis=1)[shape.faces]
    assert np.abs(read[..., :5] - corners[..., :5]).max() < 1e-5
    assert np.abs(read[..., 5:] - corners[..., 5:]).max() < 1e-2
    assert np.array_equal(np.asarray(shape.visual.material.image.convert("RGB")), HEAD.albedo)


def test_open3d_reads_a_closed_surface_with_its_map(path: Path) -> None:
    """Positions are told once a place: merged where they are equal, they make a watertight mesh."""
    mesh = o3d.io.read_triangle_mesh(str(path))
    assert len(mesh.vertices) == len(HEAD.vertices)
    assert np.abs(np.asarray(mesh.triangle_uvs).reshape(-1, 3, 2) - HEAD.uvs[HEAD.faces]).max() < 1e-5
    (texture,) = [np.asarray(image) for image in mesh.textures if not image.is_empty()]
    # Open3D turns textures upside down for OpenGL.
    assert any(np.array_equal(one[..., :3], HEAD.albedo) for one in (texture, texture[::-1]))
    mesh.remove_duplicated_vertices()
    assert mesh.is_watertight()
    assert mesh_health(np.asarray(mesh.vertices), np.asarray(mesh.triangles)).problems == ()


def test_material_names_three_maps_that_are_there() -> None:
    """Roughness and metallic are the channels of glTF's map, grey and unchanged."""
    named = dict(line.split() for line in FILES["smile.mtl"].decode().splitlines() if line.startswith("map_"))
    assert set(named) == {"map_Kd", "map_Pr", "map_Pm"}
    assert set(named.values()) < set(FILES)
    for key, channel in (("map_Pr", 1), ("map_Pm", 2)):
        image = Image.open(io.BytesIO(FILES[named[key]]))
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), HEAD.roughness_metallic[..., channel])


def test_same_mesh_same_bytes() -> None:
    assert encode_obj(HEAD, "smile") == FILES
