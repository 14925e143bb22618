"""Hostile GLBs: counts and offsets that the file does not hold, cycles, references to elsewhere, NaN."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.hostile.case import ACCEPTED, EITHER, REFUSED, Case, damaged, noise, one
from tests.hostile.pictures import encoded, picture, png

CORNERS = np.array([[-0.06, -0.09, 0], [0.06, -0.09, 0], [0.06, 0.04, 0], [-0.06, 0.04, 0]], "<f4")
FACES = np.array([0, 1, 2, 0, 2, 3], "<u4")
LATER = ("unreached cycle", "deep tree")  # of heads only what a scene reaches is looked at
UVS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], "<f4")


def cases() -> Iterator[Case]:
    """Each for the reader of foreign meshes and for that of heads."""
    for reader, file in (("mesh", "a.glb"), ("head", "neutral.glb")):
        yield one(f"{reader} glb sound", reader, file, glb, ACCEPTED)
        yield from damaged(f"{reader} glb", reader, file, glb, 6, 8)
        for name, data in _containers().items():
            yield one(f"{reader} glb {name}", reader, file, data)
        for name, change in _documents().items():
            expected = EITHER if reader == "head" and name in LATER else REFUSED
            yield one(f"{reader} glb {name}", reader, file, lambda change=change: glb(**change), expected)
        for name, values in _numbers().items():
            yield one(f"{reader} glb {name}", reader, file, lambda values=values: glb(corners=values))
        for name, image in _textures().items():
            yield one(f"{reader} glb {name}", reader, file, lambda image=image: glb(image=image()))
        yield one(f"{reader} glb huge uvs", reader, file, lambda: glb(uvs=UVS * 1e30), EITHER)
        yield one(f"{reader} glb nan uvs", reader, file, lambda: glb(uvs=UVS * np.float32("nan")), EITHER)
        for name, change in _oddities().items():
            yield one(f"{reader} glb {name}", reader, file, lambda change=change: glb(**change), EITHER)


def container(text: bytes, binary: bytes, version: int = 2, length: int | None = None) -> bytes:
    """The container of glTF 2.0, section 4.4."""
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text
    body += struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<4sII", b"glTF", version, 12 + len(body) if length is None else length) + body


def glb(
    corners: np.ndarray = CORNERS,
    faces: np.ndarray = FACES,
    uvs: np.ndarray = UVS,
    image: bytes | None = None,
    **changes: Any,
) -> bytes:
    """A textured square, in metres; `changes` replace parts of its document."""
    image = encoded(picture(16, 16), "PNG") if image is None else image
    parts = [corners.astype("<f4").tobytes(), faces.tobytes(), uvs.astype("<f4").tobytes(), image]
    starts = np.cumsum([0, *map(len, parts)])
    kinds = ((5126, len(corners), "VEC3"), (5125, len(faces), "SCALAR"), (5126, len(uvs), "VEC2"))
    document: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [
            {"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 2}, "indices": 1, "material": 0}]}
        ],
        "accessors": [
            {"bufferView": place, "componentType": component, "count": count, "type": kind}
            for place, (component, count, kind) in enumerate(kinds)
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": int(start), "byteLength": len(part)}
            for start, part in zip(starts, parts, strict=False)
        ],
        "buffers": [{"byteLength": int(starts[-1])}],
        "images": [{"bufferView": 3, "mimeType": "image/png"}],
        "textures": [{"source": 0}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
    }
    text = json.dumps({**document, **changes}, allow_nan=True).encode()
    return container(text, b"".join(parts))


def _containers() -> dict[str, bytes]:
    sound = glb()
    return {
        "version 1": container(b"{}", b"", 1),
        "no chunk": struct.pack("<4sII", b"glTF", 2, 20) + bytes(8),
        "length beyond": container(b"{}", b"", 2, 2**32 - 1),
        "chunk beyond": sound[:12] + struct.pack("<I", 2**32 - 1) + sound[16:],
        "chunk of other kind": sound[:16] + b"ABCD" + sound[20:],
        "nested json": container(b"[" * 200_000 + b"]" * 200_000, b""),
        "nested objects": container(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b""),
        "nested extras": container(
            b'{"asset":{"version":"2.0"},"extras":' + b"[" * 3_000 + b"]" * 3_000 + b"}", b""
        ),
        "json nan": container(b'{"asset": {"version": NaN}}', b""),
        "json text": container(b'"a scene"', b""),
        "json not utf-8": container(b'{"asset": "\xff\xfe"}', b""),
        "json large": container(b'{"extras": "' + b"a" * 5_000_000 + b'"}', b""),
        "huge number": container(b'{"asset": ' + b"9" * 100_000 + b"}", b""),
        "empty document": container(b"{}", b""),
        "text": b"solid head\nfacet normal 0 0 1\n" * 20,
        "noise": b"glTF" + noise(5_000),
    }


def _accessors(place: int, **change: Any) -> dict[str, Any]:
    kinds = ((5126, 4, "VEC3"), (5125, 6, "SCALAR"), (5126, 4, "VEC2"))
    plain = [
        {"bufferView": number, "componentType": component, "count": count, "type": kind}
        for number, (component, count, kind) in enumerate(kinds)
    ]
    plain[place] |= change
    return {"accessors": plain}


def _views(place: int, **change: Any) -> dict[str, Any]:
    lengths = (48, 24, 32, len(encoded(picture(16, 16), "PNG")))
    starts = (0, 48, 72, 104)
    plain = [
        {"buffer": 0, "byteOffset": start, "byteLength": length}
        for start, length in zip(starts, lengths, strict=True)
    ]
    plain[place] |= change
    return {"bufferViews": plain}


def _documents() -> dict[str, dict[str, Any]]:
    """Parts of a document that no head has."""
    nodes = [{"children": [place + 1]} for place in range(900)]
    return {
        "two billion vertices": _accessors(0, count=2**31),
        "thirty million faces": _accessors(1, count=30_000_000),
        "negative count": _accessors(0, count=-1),
        "fractional count": _accessors(0, count=3.5),
        "count as text": _accessors(0, count="4"),
        "count as truth": _accessors(0, count=True),
        "unknown component": _accessors(0, componentType=9999),
        "unknown type": _accessors(0, type="VEC9"),
        "type as list": _accessors(0, type=["VEC3"]),
        "positions of matrices": _accessors(0, type="MAT4"),
        "view beyond": _accessors(0, bufferView=99),
        "view negative": _accessors(0, bufferView=-1),
        "offset beyond": _accessors(1, byteOffset=2**40),
        "sparse": _accessors(0, sparse={"count": 2**30}),
        "view offset beyond": _views(0, byteOffset=2**40),
        "view length beyond": _views(0, byteLength=2**40),
        "stride beyond": _views(0, byteStride=2**30),
        "stride negative": _views(0, byteStride=-4),
        "buffer beyond": _views(0, buffer=7),
        "buffer elsewhere": {"buffers": [{"byteLength": 900, "uri": "../../../../etc/passwd"}]},
        "buffer at an address": {"buffers": [{"byteLength": 900, "uri": "http://192.0.2.1/a.bin"}]},
        "buffer too long": {"buffers": [{"byteLength": 2**40}]},
        "no buffer": {"buffers": []},
        "image at an address": {"images": [{"uri": "https://192.0.2.1/face.png"}]},
        "image in a file": {"images": [{"uri": "file:///etc/passwd"}]},
        "image beyond": {"images": [{"bufferView": 77}]},
        "cycle": {"nodes": [{"mesh": 0, "children": [1]}, {"children": [0]}]},
        "child of itself": {"nodes": [{"mesh": 0, "children": [0]}]},
        "two parents": {"nodes": [{"mesh": 0, "children": [2]}, {"children": [2]}, {}]},
        "unreached cycle": {"nodes": [{"mesh": 0}, {"children": [2]}, {"children": [1]}]},
        "child beyond": {"nodes": [{"mesh": 0, "children": [99]}]},
        "deep tree": {"nodes": [*nodes, {"mesh": 0}]},
        "many nodes": {"nodes": [{"mesh": 0}] * 100_000},
        "nodes as text": {"nodes": "all of them"},
        "nodes of numbers": {"nodes": [1, 2, 3]},
        "mesh beyond": {"nodes": [{"mesh": 5}]},
        "scene beyond": {"scenes": [{"nodes": [5]}]},
        "no mesh": {"meshes": [], "nodes": [{}]},
        "primitives as number": {"meshes": [{"primitives": 4}]},
        "points": {"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": 0}]}]},
        "attributes as list": {"meshes": [{"primitives": [{"attributes": [0], "indices": 1}]}]},
        "position beyond": {"meshes": [{"primitives": [{"attributes": {"POSITION": 9}, "indices": 1}]}]},
        "uvs are indices": {
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 1}]}]
        },
        "indices are positions": {
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 0}]}]
        },
        "draco": {"extensionsRequired": ["KHR_draco_mesh_compression"]},
        "unknown extension": {"extensionsRequired": ["EXT_made_up"]},
    }


def _oddities() -> dict[str, dict[str, Any]]:
    """Parts that readers differ about."""
    return {
        "no scene": {"scenes": [], "scene": 4},
        "scene as text": {"scene": "first"},
        "nan matrix": {"nodes": [{"mesh": 0, "matrix": [float("nan")] * 16}]},
        "short matrix": {"nodes": [{"mesh": 0, "matrix": [1, 0, 0]}]},
        "matrix of text": {"nodes": [{"mesh": 0, "matrix": ["a"] * 16}]},
        "huge scale": {"nodes": [{"mesh": 0, "scale": [1e300, 1e300, 1e300]}]},
        "zero scale": {"nodes": [{"mesh": 0, "scale": [0, 0, 0]}]},
        "wrong rotation": {"nodes": [{"mesh": 0, "rotation": [0, 0, 0, 0]}]},
        "asset missing": {"asset": None},
        "texture beyond": {"textures": [{"source": 99}]},
        "texture negative": {"textures": [{"source": -1}]},
        "material of numbers": {"materials": [3]},
        "material beyond": {"materials": []},
        "factor of text": {"materials": [{"pbrMetallicRoughness": {"baseColorFactor": "red"}}]},
        "factor nan": {"materials": [{"pbrMetallicRoughness": {"baseColorFactor": [float("nan")] * 4}}]},
        "factor short": {"materials": [{"pbrMetallicRoughness": {"baseColorFactor": [1]}}]},
        "roughness of text": {"materials": [{"pbrMetallicRoughness": {"roughnessFactor": "very"}}]},
        "roughness huge": {"materials": [{"pbrMetallicRoughness": {"metallicFactor": 1e308}}]},
        "skins wrong": {"skins": [{"joints": [99]}], "nodes": [{"mesh": 0, "skin": 5}]},
        "animations wrong": {"animations": [{"channels": 3}]},
        "cameras wrong": {"cameras": [{"perspective": None}], "nodes": [{"mesh": 0, "camera": 9}]},
        "lights": {"extensions": {"KHR_lights_punctual": {"lights": [{"type": "x" * 10_000}]}}},
        "name of a path": {"nodes": [{"mesh": 0, "name": "../../../../tmp/owned"}]},
        "name of a list": {"nodes": [{"mesh": 0, "name": ["a"]}]},
        "extras deep": {"extras": json.loads("[" * 400 + "]" * 400)},
    }


def _numbers() -> dict[str, np.ndarray]:
    def spoiled(value: float) -> np.ndarray:
        changed = CORNERS.copy()
        changed[2, 1] = value
        return changed

    return {"nan": spoiled(np.nan), "infinity": spoiled(np.inf), "all nan": CORNERS * np.nan}


def _textures() -> dict[str, Any]:
    return {
        "texture bomb": lambda: png(60_000, 60_000, rows=1),
        "texture of 30000": lambda: png(30_000, 30_000, rows=1),
        "texture cut": lambda: encoded(picture(64, 64), "PNG")[:200],
        "texture gif": lambda: encoded(picture(16, 16), "GIF"),
        "texture svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "texture empty": lambda: b"",
        "texture noise": lambda: noise(2_000),
    }
