"""The GLB with morph targets, read back by the letter of glTF 2.0 and by readers that know nothing of us."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open3d as o3d
import pytest
import trimesh
from PIL import Image

from idto3d.errors import UserError
from idto3d.export.blendshapes import blendshapes
from idto3d.export.morph_glb import encode_morph_glb
from idto3d.glb import decode_glb, seamless_normals
from tests.export.heads import head, puffed, stretched

NEUTRAL = head()
OTHERS = {
    "smile": replace(NEUTRAL, vertices=puffed(NEUTRAL.vertices, 15.0)),
    "anger": replace(NEUTRAL, vertices=stretched(NEUTRAL.vertices)),
}
DATA = encode_morph_glb(blendshapes(NEUTRAL, OTHERS))
SIZE = struct.unpack_from("<I", DATA, 12)[0]
DOCUMENT: dict[str, Any] = json.loads(DATA[20 : 20 + SIZE])
MESH = DOCUMENT["meshes"][0]
PRIMITIVE = MESH["primitives"][0]


def _vectors(number: int) -> np.ndarray:
    """[V, 3] float32 of an accessor (glTF 2.0, section 3.6.2.2), its bounds checked against its values."""
    accessor = DOCUMENT["accessors"][number]
    view = DOCUMENT["bufferViews"][accessor["bufferView"]]
    assert (accessor["componentType"], accessor["type"]) == (5126, "VEC3")
    start = 28 + SIZE + view["byteOffset"] + accessor.get("byteOffset", 0)
    values = np.frombuffer(DATA, "<f4", accessor["count"] * 3, start).reshape(-1, 3)
    assert values.min(axis=0).tolist() == accessor["min"]
    assert values.max(axis=0).tolist() == accessor["max"]
    return values


def test_targets_are_named_and_start_at_zero() -> None:
    assert MESH["extras"]["targetNames"] == ["smile", "anger"]
    assert MESH["weights"] == [0.0, 0.0]
    assert len(PRIMITIVE["targets"]) == 2


@pytest.mark.parametrize("number", [0, 1])
def test_base_and_delta_add_up_to_the_expression(number: int) -> None:
    """Positions within 1e-4 mm, and the expression's own unit normals."""
    expression = list(OTHERS.values())[number]
    target, base = PRIMITIVE["targets"][number], PRIMITIVE["attributes"]
    positions = _vectors(base["POSITION"]) + _vectors(target["POSITION"])
    assert np.abs(1000.0 * positions - expression.vertices).max() < 1e-4
    normals = _vectors(base["NORMAL"]) + _vectors(target["NORMAL"])
    assert np.abs(normals - seamless_normals(expression)).max() < 1e-5


def test_same_head_same_bytes() -> None:
    assert encode_morph_glb(blendshapes(NEUTRAL, OTHERS)) == DATA


def test_a_reader_without_morphs_sees_the_neutral(tmp_path: Path) -> None:
    """Ours, trimesh and Open3D: one mesh in metres with all vertices, UVs and one material with two maps."""
    (tmp_path / "morphs.glb").write_bytes(DATA)
    ours = decode_glb(DATA, "morphs")
    assert np.abs(ours.vertices - NEUTRAL.vertices).max() < 1e-4
    assert np.array_equal(ours.albedo, NEUTRAL.albedo)
    scene = trimesh.load_scene(tmp_path / "morphs.glb", process=False)
    (shape,) = scene.geometry.values()
    assert np.abs(shape.vertices * 1000.0 - NEUTRAL.vertices).max() < 1e-4
    assert np.abs(shape.visual.uv - NEUTRAL.uvs).max() < 1e-6
    assert np.array_equal(np.asarray(shape.visual.material.baseColorTexture), NEUTRAL.albedo)
    model = o3d.io.read_triangle_model(str(tmp_path / "morphs.glb"))
    (part,) = model.meshes
    assert len(part.mesh.vertices) == len(NEUTRAL.vertices)
    assert len(part.mesh.triangle_uvs) == 3 * len(NEUTRAL.faces)
    (material,) = model.materials
    assert np.asarray(material.albedo_img).shape == NEUTRAL.albedo.shape


def test_a_lone_neutral_has_nothing_to_morph_to() -> None:
    with pytest.raises(UserError, match="a neutral alone"):
        encode_morph_glb(blendshapes(NEUTRAL, {}))


def test_colours_of_targets_are_maps_of_the_material_that_others_pass_over() -> None:
    """A reader that knows nothing of them sees the neutral; one that does finds the map as it was given."""
    red = np.full((32, 32, 3), (200, 40, 40), np.uint8)
    data = encode_morph_glb(blendshapes(NEUTRAL, OTHERS), {"anger": red})
    assert np.array_equal(decode_glb(data, "morphs").albedo, NEUTRAL.albedo)
    size = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + size])
    smile, anger = document["materials"][0]["extras"]["targetColours"]
    assert smile == {}
    image = document["images"][document["textures"][anger["baseColorTexture"]["index"]]["source"]]
    view = document["bufferViews"][image["bufferView"]]
    start = 28 + size + view["byteOffset"]
    found = Image.open(io.BytesIO(data[start : start + view["byteLength"]]))
    assert np.array_equal(np.asarray(found), red)
