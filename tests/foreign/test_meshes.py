"""Foreign meshes: each format read the same way, colours kept, and nothing decoded that was not bounded."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from idto3d.asset import AssetError, TexturedMesh, check_mesh
from idto3d.foreign.colours import Part, join_parts
from idto3d.foreign.folder import inside
from idto3d.foreign.meshes import read_foreign_mesh
from idto3d.render.views import sample_texture

OBJ = """mtllib head.mtl
v -0.06 -0.09 0
v 0.06 -0.09 0
v 0.06 0.04 0
v -0.06 0.04 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl skin
f 1/1 2/2 3/3
f 1/1 3/3 4/4
"""


def write_obj(folder: Path, texture: str = "skin.png", text: str = OBJ) -> None:
    (folder / "head.obj").write_text(text)
    (folder / "head.mtl").write_text(f"newmtl skin\nKd 1 1 1\nmap_Kd {texture}\n")
    Image.fromarray(np.full((8, 8, 3), (200, 100, 50), np.uint8)).save(folder / "skin.png")


def colour_at(mesh: TexturedMesh, face: int, weights: tuple[float, float, float]) -> np.ndarray:
    """What the renderer would sample at a point of a face; [3] linear."""
    uv = np.asarray(weights) @ mesh.uvs[mesh.faces[face]]
    return sample_texture(mesh.albedo, torch.tensor(uv[None], dtype=torch.float64), srgb=True)[0].numpy()


def painted_ply() -> bytes:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.1)
    colours = (127 + 120 * np.asarray(ball.vertices) / 0.1).astype(np.uint8)
    ball.visual = trimesh.visual.ColorVisuals(ball, vertex_colors=colours)
    return bytes(trimesh.exchange.ply.export_ply(ball, vertex_normal=False))


def test_units_are_turned_into_millimetres(tmp_path: Path) -> None:
    write_obj(tmp_path)
    for unit, factor in (("m", 1000.0), ("cm", 10.0), ("mm", 1.0)):
        mesh = read_foreign_mesh(tmp_path, "head.obj", unit).mesh
        assert np.ptp(mesh.vertices[:, 0]) == pytest.approx(0.12 * factor)


def test_an_obj_brings_the_texture_beside_it(tmp_path: Path) -> None:
    write_obj(tmp_path)
    found = read_foreign_mesh(tmp_path, "head.obj", "m")
    check_mesh(found.mesh, "test")
    assert found.notes == ()
    assert (found.mesh.albedo == (200, 100, 50)).all()
    assert (found.mesh.roughness_metallic[..., 2] == 0).all()


def test_a_texture_that_is_not_there_is_noted(tmp_path: Path) -> None:
    write_obj(tmp_path, texture="elsewhere.png")
    assert any("elsewhere.png" in note for note in read_foreign_mesh(tmp_path, "head.obj", "m").notes)


@pytest.mark.parametrize(
    "texture", ["../skin.png", "/etc/passwd", "https://example.org/a.png", "head.obj", "link.png"]
)
def test_a_texture_outside_the_folder_is_refused(tmp_path: Path, texture: str) -> None:
    folder = tmp_path / "heads"
    folder.mkdir()
    write_obj(folder, texture=texture)
    Image.new("RGB", (4, 4)).save(tmp_path / "skin.png")
    (folder / "link.png").symlink_to(tmp_path / "skin.png")
    with pytest.raises(AssetError, match="expected"):
        read_foreign_mesh(folder, "head.obj", "m")


def test_vertex_colours_become_texels_that_interpolate_as_they_did(tmp_path: Path) -> None:
    (tmp_path / "head.ply").write_bytes(painted_ply())
    found = read_foreign_mesh(tmp_path, "head.ply", "m")
    check_mesh(found.mesh, "test")
    assert any("vertices made a texture" in note for note in found.notes)
    source = trimesh.load(io.BytesIO(painted_ply()), file_type="ply", process=False)
    corners = np.asarray(source.visual.vertex_colors)[source.faces][:, :, :3] / 255.0
    linear = np.where(corners <= 0.04045, corners / 12.92, ((corners + 0.055) / 1.055) ** 2.4)
    for face in (0, 57, 319):
        for corner in range(3):
            weights = tuple(float(corner == place) for place in range(3))
            np.testing.assert_allclose(colour_at(found.mesh, face, weights), linear[face, corner], atol=1e-6)
        middle = colour_at(found.mesh, face, (1 / 3, 1 / 3, 1 / 3))
        np.testing.assert_allclose(middle, linear[face].mean(axis=0), atol=0.02)


def test_parts_share_a_texture_and_each_keeps_its_own_colour() -> None:
    triangle = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    face, uvs = np.array([[0, 1, 2]]), np.array([[0.0, 0], [1, 0], [0, 1]])
    matt = np.full((1, 1, 3), (0, 255, 0), np.uint8)
    red, blue = (np.full((16, 16, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    green = np.full((1, 3, 3), (0, 255, 0), np.uint8)
    mesh = join_parts(
        [
            Part(triangle, face, uvs, red, matt),
            Part(triangle, face, uvs + 3.0, blue, matt),
            Part(triangle, face, None, red, matt, corners=green),
        ]
    )
    for place, colour in enumerate(np.eye(3)[[0, 2, 1]]):
        for weights in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.3, 0.3, 0.4)):
            np.testing.assert_allclose(colour_at(mesh, place, weights), colour, atol=1e-6)


def test_nodes_are_moved_and_joined(tmp_path: Path) -> None:
    scene, ball = trimesh.Scene(), trimesh.creation.icosphere(subdivisions=1, radius=0.05)
    for x in (-0.1, 0.1):
        scene.add_geometry(ball, transform=trimesh.transformations.translation_matrix((x, 0, 0)))
    (tmp_path / "two.glb").write_bytes(scene.export(file_type="glb"))
    mesh = read_foreign_mesh(tmp_path, "two.glb", "m").mesh
    assert np.ptp(mesh.vertices[:, 0]) == pytest.approx(300.0, abs=10.0)
    assert len(mesh.faces) == 2 * len(ball.faces)


def test_one_mesh_drawn_by_a_thousand_nodes_is_counted_as_often(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.05)
    data = trimesh.Scene(ball).export(file_type="glb")
    size = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + size])
    document["nodes"] = [{"mesh": 0} for _ in range(900)]
    document["scenes"] = [{"nodes": list(range(900))}]
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text + data[20 + size :]
    (tmp_path / "many.glb").write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)
    with pytest.raises(AssetError, match="faces over all nodes"):
        read_foreign_mesh(tmp_path, "many.glb", "m")


HEADER = "ply\nformat {kind} 1.0\nelement vertex {vertices}\n" + "".join(
    f"property float {axis}\n" for axis in "xyz"
)
FACES = "element face {faces}\nproperty list uchar int vertex_indices\nend_header\n"


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        (
            "a.ply",
            (HEADER + FACES).format(kind="binary_little_endian", vertices=10, faces=10_000_000),
            "10000000",
        ),
        (
            "a.ply",
            (HEADER + FACES).format(kind="binary_little_endian", vertices=3_000_000, faces=1),
            "of at least",
        ),
        ("a.ply", (HEADER + "end_header\n").format(kind="ascii", vertices=1), "vertices and faces"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex -1\nend_header\n", "header line"),
        ("a.ply", "solid", "no PLY header"),
        ("a.obj", "v 0 0 0\n", "a surface"),
        ("a.obj", "v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "NaN|decoded"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "decoded|existing"),
        ("a.obj", "v 0 0 0\nf " + "1 " * 4000 + "\n", "a line of over"),
        ("a.obj", "v 0 0 0\n\0f 1 1 1\n", "no text"),
        ("a.stl", "solid", "type '.stl'"),
    ],
)
def test_what_cannot_be_trusted_is_refused_in_one_sentence(
    tmp_path: Path, name: str, data: str, told: str
) -> None:
    (tmp_path / name).write_text(data)
    with pytest.raises(AssetError, match=told) as error:
        read_foreign_mesh(tmp_path, name, "m")
    assert "\n" not in str(error.value)


def test_too_many_faces_are_refused_before_they_are_parsed(tmp_path: Path) -> None:
    with (tmp_path / "a.obj").open("w") as file:
        file.write("v 0 0 0\n" * 3 + "f 1 2 3\n" * 1_400_000)
    with pytest.raises(AssetError, match="1400000 faces"):
        read_foreign_mesh(tmp_path, "a.obj", "m")


@pytest.mark.parametrize("name", ["../a.glb", "/a.glb", "a/../../b.glb", "file:a.glb", ""])
def test_a_name_that_climbs_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(AssetError, match="inside"):
        inside(tmp_path, name)


@pytest.mark.shared_data
def test_a_real_scan_is_read_in_each_format(shared_data: Path) -> None:
    scan = shared_data / "scan"
    from_obj = read_foreign_mesh(scan, "LeePerrySmith.obj", "cm").mesh
    from_glb = read_foreign_mesh(scan, "LeePerrySmith_textured.glb", "cm").mesh
    assert len(from_obj.faces) == len(from_glb.faces) == 17_672
    assert from_obj.albedo.shape == from_glb.albedo.shape == (1024, 1024, 3)
    np.testing.assert_allclose(from_obj.vertices.max(axis=0), from_glb.vertices.max(axis=0), atol=1e-3)
    with pytest.raises(AssetError, match="Draco compression"):
        read_foreign_mesh(scan, "LeePerrySmith_draco.glb", "cm")
