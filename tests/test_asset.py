"""A head asset survives the round trip, is the same to the byte, and hostile files get one sentence."""

import contextlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from idto3d.asset import (
    MANIFEST,
    AssetError,
    AssetManifest,
    TexturedMesh,
    read_expression,
    read_manifest,
    write_head_asset,
)
from idto3d.glb import encode_glb


def _head(scale: float = 90.0) -> TexturedMesh:
    sphere = trimesh.creation.icosphere(subdivisions=2, radius=scale)
    random = np.random.default_rng(0)
    vertices = np.asarray(sphere.vertices) * [0.8, 1.2, 1.0]
    return TexturedMesh(
        vertices=vertices,
        faces=np.asarray(sphere.faces, dtype=np.int64),
        uvs=random.uniform(size=(len(vertices), 2)),
        albedo=random.integers(0, 256, (32, 32, 3), dtype=np.uint8),
        roughness_metallic=random.integers(0, 256, (32, 32, 3), dtype=np.uint8),
    )


def _manifest(*expressions: str) -> AssetManifest:
    return AssetManifest(
        method="template_mean",
        identity="heldout-0001",
        seed=3,
        expressions=expressions,
        parameters={"steps": 4},
    )


@pytest.fixture
def asset(tmp_path: Path) -> Path:
    write_head_asset(
        tmp_path / "head", {"neutral": _head(), "smile": _head(91.0)}, _manifest("neutral", "smile")
    )
    return tmp_path / "head"


def test_round_trip(asset: Path) -> None:
    """Positions come back within 1e-4 mm; faces, UVs and maps come back as they were."""
    mesh, back = _head(), read_expression(asset, "neutral")
    assert np.abs(back.vertices - mesh.vertices).max() < 1e-4
    assert np.array_equal(back.faces, mesh.faces)
    assert np.abs(back.uvs - mesh.uvs).max() < 1e-6
    assert np.array_equal(back.albedo, mesh.albedo)
    assert np.array_equal(back.roughness_metallic, mesh.roughness_metallic)


def test_file_is_in_metres_with_outward_normals(asset: Path) -> None:
    """The GLB itself holds metres (glTF 2.0) and unit normals that point out of the head."""
    shape = trimesh.load(asset / "neutral.glb", force="mesh", process=False)
    assert 0.1 < np.abs(shape.vertices).max() < 0.12
    assert (np.einsum("ij,ij->i", shape.vertex_normals, shape.vertices) > 0).all()


def test_same_head_same_bytes(asset: Path, tmp_path: Path) -> None:
    """Writing twice gives the same files to the byte."""
    again = tmp_path / "again"
    write_head_asset(again, {"smile": _head(91.0), "neutral": _head()}, _manifest("neutral", "smile"))
    for path in sorted(asset.iterdir()):
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_manifest_round_trip_and_replacement(asset: Path) -> None:
    """The manifest comes back with the files' hashes; writing again replaces the folder."""
    assert read_manifest(asset).parameters == {"steps": 4}
    assert set(read_manifest(asset).files) == {"neutral.glb", "smile.glb"}
    write_head_asset(asset, {"neutral": _head()}, _manifest("neutral"))
    assert sorted(path.name for path in asset.iterdir()) == [MANIFEST, "neutral.glb"]
    assert [path.name for path in asset.parent.iterdir()] == ["head"]


def test_missing_and_misnamed(asset: Path) -> None:
    """Missing expressions, paths in place of names and meshes beyond the manifest are refused."""
    with pytest.raises(AssetError, match="no readable file"):
        read_expression(asset, "anger")
    with pytest.raises(AssetError, match="lower-case"):
        read_expression(asset, "../head/neutral")
    with pytest.raises(AssetError, match="expected one for each"):
        write_head_asset(asset, {"neutral": _head()}, _manifest("neutral", "smile"))


def test_unsound_mesh_is_not_written(tmp_path: Path) -> None:
    """A mesh with NaN leaves nothing on the disk."""
    mesh = _head()
    mesh.vertices[5] = np.nan
    with pytest.raises(AssetError, match="1 vertices with NaN"):
        write_head_asset(tmp_path / "head", {"neutral": mesh}, _manifest("neutral"))
    assert not list(tmp_path.iterdir())


def test_bad_manifest(asset: Path) -> None:
    """A wrong field and broken JSON are told with the file's name."""
    (asset / MANIFEST).write_text('{"method": 3}')
    with pytest.raises(AssetError, match=r"asset\.json"):
        read_manifest(asset)
    (asset / MANIFEST).write_text("{")
    with pytest.raises(AssetError, match=r"asset\.json"):
        read_manifest(asset)


def _rewrite(path: Path, change: Callable[[dict[str, Any], bytearray], None]) -> None:
    """Change JSON and binary chunk of a GLB and pack it again with consistent lengths."""
    data = path.read_bytes()
    size = struct.unpack_from("<I", data, 12)[0]
    document, binary = json.loads(data[20 : 20 + size]), bytearray(data[28 + size :])
    change(document, binary)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = (
        struct.pack("<II", len(text), 0x4E4F534A)
        + text
        + struct.pack("<II", len(binary), 0x004E4942)
        + binary
    )
    path.write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body)


def _accessor(document: dict[str, Any], name: str) -> dict[str, Any]:
    primitive = document["meshes"][0]["primitives"][0]
    number = primitive["indices"] if name == "indices" else primitive["attributes"][name]
    accessor: dict[str, Any] = document["accessors"][number]
    return accessor


def _offset(document: dict[str, Any], name: str) -> int:
    accessor = _accessor(document, name)
    view = document["bufferViews"][accessor["bufferView"]]
    return int(view.get("byteOffset", 0)) + int(accessor.get("byteOffset", 0))


def _nan(document: dict[str, Any], binary: bytearray) -> None:
    struct.pack_into("<f", binary, _offset(document, "POSITION") + 12, float("nan"))


def _index_out_of_range(document: dict[str, Any], binary: bytearray) -> None:
    struct.pack_into("<I", binary, _offset(document, "indices"), 1_000_000)


def _huge_count(document: dict[str, Any], _: bytearray) -> None:
    _accessor(document, "POSITION")["count"] = 10**12


def _count_past_view(document: dict[str, Any], _: bytearray) -> None:
    _accessor(document, "indices")["count"] += 300


def _outside_buffer(document: dict[str, Any], _: bytearray) -> None:
    document["buffers"][0]["uri"] = "file:///etc/hostname"


def _outside_image(document: dict[str, Any], _: bytearray) -> None:
    document["images"][0]["uri"] = "http://example.org/face.png"


def _negative_offset(document: dict[str, Any], _: bytearray) -> None:
    document["bufferViews"][0]["byteOffset"] = -8


def _cycle(document: dict[str, Any], _: bytearray) -> None:
    document["nodes"][0]["children"] = [0]


def _image_bomb(document: dict[str, Any], binary: bytearray) -> None:
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    struct.pack_into(">II", binary, int(view["byteOffset"]) + 16, 60_000, 60_000)


def _broken_image(document: dict[str, Any], binary: bytearray) -> None:
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    start = int(view["byteOffset"])
    binary[start : start + 8] = b"GIF89a!!"


def _draco(document: dict[str, Any], _: bytearray) -> None:
    document["extensionsRequired"] = ["KHR_draco_mesh_compression"]


def _millimetres(document: dict[str, Any], binary: bytearray) -> None:
    start, count = _offset(document, "POSITION"), _accessor(document, "POSITION")["count"] * 3
    values = np.frombuffer(bytes(binary[start : start + 4 * count]), dtype="<f4") * 1000
    binary[start : start + 4 * count] = values.astype("<f4").tobytes()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_nan, "NaN"),
        (_index_out_of_range, "face index"),
        (_huge_count, "count = 1000000000000"),
        (_count_past_view, "elements in"),
        (_outside_buffer, "outside the file"),
        (_outside_image, "http://example.org"),
        (_negative_offset, "byteOffset = -8"),
        (_cycle, "cycle"),
        (_image_bomb, "image"),
        (_broken_image, "image"),
        (_draco, "draco"),
        (_millimetres, "mm from the origin"),
    ],
)
def test_hostile_glb_gets_one_sentence(
    asset: Path, change: Callable[[dict[str, Any], bytearray], None], found: str
) -> None:
    """Each hostile change is refused with a sentence that names what was found and the file."""
    _rewrite(asset / "neutral.glb", change)
    with pytest.raises(AssetError, match=found) as error:
        read_expression(asset, "neutral")
    assert "neutral.glb" in str(error.value)
    assert "\n" not in str(error.value)


def test_every_truncation_is_refused(asset: Path) -> None:
    """Cut anywhere, a GLB is refused and never half read."""
    data = encode_glb(_head())
    for length in [0, 3, 11, 19, 27, 100, len(data) // 2, len(data) - 1]:
        (asset / "neutral.glb").write_bytes(data[:length])
        with pytest.raises(AssetError):
            read_expression(asset, "neutral")


def test_random_damage_never_escapes_as_another_error(asset: Path) -> None:
    """Flipped bytes give a mesh or an AssetError, nothing else."""
    data, random = encode_glb(_head()), np.random.default_rng(1)
    for _ in range(40):
        damaged = bytearray(data)
        for place in random.integers(0, min(len(data), 4000), 4):
            damaged[place] = int(random.integers(0, 256))
        (asset / "neutral.glb").write_bytes(damaged)
        with contextlib.suppress(AssetError):
            assert np.isfinite(read_expression(asset, "neutral").vertices).all()
