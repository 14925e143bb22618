"""Small heads as GLBs, sound and hostile, for the viewer."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import trimesh

from idto3d.export.blendshapes import blendshapes
from idto3d.export.morph_glb import encode_morph_glb
from idto3d.glb import encode_glb
from tests.export.heads import head, puffed

HEAD = head()


def plain() -> bytes:
    """A sphere of a head's size with maps of noise."""
    return encode_glb(HEAD)


def morphing() -> bytes:
    """The same, with the morph target `smile`."""
    smile = replace(HEAD, vertices=puffed(HEAD.vertices, 25.0))
    return encode_morph_glb(blendshapes(HEAD, {"smile": smile}))


def blushing() -> bytes:
    """A blue head that does not move with its target `smile`, and turns red."""
    blue, red = (np.full((32, 32, 3), colour, np.uint8) for colour in ((40, 40, 200), (200, 40, 40)))
    neutral = replace(HEAD, albedo=blue)
    return encode_morph_glb(blendshapes(neutral, {"smile": neutral}), {"smile": red})


def coloured() -> bytes:
    """The same shape with vertex colours and no material, as an error map is written."""
    colours = np.full((len(HEAD.vertices), 4), (220, 40, 40, 255), np.uint8)
    mesh = trimesh.Trimesh(HEAD.vertices / 1000.0, HEAD.faces, vertex_colors=colours, process=False)
    data: bytes = mesh.export(file_type="glb")
    return data


def edited(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A GLB with another JSON chunk; its lengths hold."""
    size = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + size])
    change(document)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + size :]
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A) + text + rest


def with_binary(data: bytes, change: Callable[[dict[str, Any], bytearray], object]) -> bytes:
    """A GLB with other numbers in its arrays."""
    size = struct.unpack_from("<I", data, 12)[0]
    binary = bytearray(data[28 + size :])
    change(json.loads(data[20 : 20 + size]), binary)
    return data[: 28 + size] + bytes(binary)


def calling(host: str) -> bytes:
    """A GLB whose texture lies at another host."""

    def change(document: dict[str, Any]) -> None:
        document["images"][0] = {"uri": f"http://{host}/texture.png"}

    return edited(plain(), change)
