"""GLBs written byte by byte, sound and hostile, and the heads that tests make of them."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SQUARE = np.array([[-0.06, -0.09, 0], [0.06, -0.09, 0], [0.06, 0.04, 0], [-0.06, 0.04, 0]], "<f4")
INDICES = np.array([0, 1, 2, 0, 2, 3], "<u4")


def glb(document: dict[str, Any], binary: bytes) -> bytes:
    """The container of glTF 2.0, section 4.4."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text
    body += struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def square(vertices: np.ndarray = SQUARE, image: bytes = b"", **changes: Any) -> bytes:
    """A square before the face's place, in metres; `changes` replace parts of the document."""
    positions, indices = vertices.astype("<f4").tobytes(), INDICES.tobytes()
    binary = positions + indices + image
    views = [
        {"buffer": 0, "byteOffset": 0, "byteLength": len(positions)},
        {"buffer": 0, "byteOffset": len(positions), "byteLength": len(indices)},
    ]
    document: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": len(vertices), "type": "VEC3"},
            {"bufferView": 1, "componentType": 5125, "count": 6, "type": "SCALAR"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    if image:
        views.append({"buffer": 0, "byteOffset": len(binary) - len(image), "byteLength": len(image)})
        document["images"] = [{"bufferView": 2, "mimeType": "image/png"}]
        document["textures"] = [{"source": 0}]
        document["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    return glb({**document, **changes}, binary)


def with_nan() -> bytes:
    spoiled = SQUARE.copy()
    spoiled[2, 1] = np.nan
    return square(spoiled)


def ten_million_faces() -> bytes:
    """The count is a promise alone: what would be decoded is never there."""
    document = {"accessors": [
        {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
        {"bufferView": 1, "componentType": 5125, "count": 30_000_000, "type": "SCALAR"},
    ]}  # fmt: skip
    return square(**document)


def external_uri() -> bytes:
    return square(images=[{"uri": "https://example.org/face.png"}])


def texture_bomb() -> bytes:
    """A PNG of a few bytes whose header says 60,000 × 60,000 pixels."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    import zlib

    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return square(image=bytes(data))


def deep_tree() -> bytes:
    nodes: list[dict[str, Any]] = [{"children": [place + 1]} for place in range(900)]
    return square(nodes=[*nodes, {"mesh": 0}])


def cyclic_tree() -> bytes:
    """A cycle that no scene reaches, beside a sound node."""
    return square(nodes=[{"mesh": 0}, {"children": [2]}, {"children": [1]}])


def draco() -> bytes:
    return square(extensionsRequired=["KHR_draco_mesh_compression"])


HOSTILE = {
    "nan": (with_nan, "NaN"),
    "faces": (ten_million_faces, "30000000"),
    "uri": (external_uri, "images inside the file"),
    "bomb": (texture_bomb, "60000"),
    "deep": (deep_tree, "a tree of depth"),
    "cyclic": (cyclic_tree, "cycle"),
    "draco": (draco, "Draco compression"),
}

COMMON = """schema_version: 1
name: {name}
summary: a method of this test
conditioned_on: [one photo]
knows_population: false
licence: CC0-1.0
commit: null
source: this test
reproduction: own
profiles: [embedded]
install: ''
guidance_calls: 40
unit: m
normalise: none
"""


def write_assets_spec(
    folder: Path, name: str, heads: str = "{identity}/{expression}.glb", more: str = ""
) -> Path:
    """A spec of a folder of assets of the same name beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    text = f'kind: external-assets\nfolder: {name}\nheads: "{heads}"\n{more}'
    path.write_text(COMMON.format(name=name) + text)
    return path


def write_command_spec(folder: Path, name: str, script: str, more: str = "") -> Path:
    """A spec of a shell program; `HEAD` in the script is a sound GLB beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "head.glb").write_bytes(square())
    (folder / f"{name}.sh").write_text(script.replace("HEAD", f'"{folder / "head.glb"}"'))
    lines = [
        "kind: external-command",
        f'argv: [sh, "{{spec}}/{name}.sh", "{{out}}", "{{photos}}", "{{seed}}"]',
        f"files: [{name}.sh]",
        'heads: "{expression}.glb"',
    ]
    limits = [line for line in ("timeout_s: 60", "disk_mib: 20") if line.split(":")[0] not in more]
    path = folder / f"{name}.yaml"
    path.write_text(COMMON.format(name=name) + "\n".join([*lines, *limits, more]) + "\n")
    return path


GOOD = 'cp HEAD "$1/neutral.glb"; cp HEAD "$1/smile.glb"\n'
