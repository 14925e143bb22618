"""Hostile OBJs and PLYs: promises that the file does not hold, NaN, files elsewhere, absurd lines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.hostile.case import ACCEPTED, EITHER, REFUSED, Case, damaged, noise, one
from tests.hostile.pictures import encoded, picture, png

READER = "mesh"
SQUARE = b"v -0.1 -0.1 0\nv 0.1 -0.1 0\nv 0.1 0.1 0\nv -0.1 0.1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
OBJ = b"mtllib a.mtl\n" + SQUARE + b"usemtl skin\nf 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"
PLY_HEADER = (
    b"ply\nformat %s 1.0\nelement vertex %d\nproperty float x\nproperty float y\nproperty float z\n"
    b"element face %d\nproperty list uchar int vertex_indices\nend_header\n"
)


def cases() -> Iterator[Case]:
    """All of them."""
    yield one("obj sound", READER, "a.obj", SQUARE + b"f 1/1 2/2 3/3\nf 1/1 3/3 4/4\n", ACCEPTED)
    yield from damaged("obj", READER, "a.obj", lambda: OBJ, 4, 8)
    yield from damaged("ply text", READER, "a.ply", ply_text, 4, 4)
    yield from damaged("ply binary", READER, "a.ply", ply_binary, 4, 6)
    for name, data in _objs().items():
        yield one(f"obj {name}", READER, "a.obj", data)
    for name, data in _odd_objs().items():
        yield one(f"obj {name}", READER, "a.obj", data, EITHER)
    for name, material in _materials().items():
        yield _beside(f"obj material {name}", {"a.mtl": material})
    for name, image in {
        "bomb": png(60_000, 60_000, rows=1),
        "cut": encoded(picture(), "PNG")[:100],
        "noise": noise(3_000),
        "gif": encoded(picture(), "GIF"),
    }.items():
        yield _beside(f"obj texture {name}", {"a.mtl": b"newmtl skin\nmap_Kd a.png\n", "a.png": image})
    for name, data in _plys().items():
        yield one(f"ply {name}", READER, "a.ply", data)
    yield one("mesh of unknown type", READER, "a.stl", b"solid a\nendsolid a\n")
    yield one("mesh fbx", READER, "a.fbx", b"Kaydara FBX Binary  \0")


def ply_text() -> bytes:
    """A sound PLY as text."""
    return PLY_HEADER % (b"ascii", 3, 1) + b"-0.1 0 0\n0.1 0 0\n0 0.1 0\n3 0 1 2\n"


def ply_binary(vertices: int = 3, faces: int = 1) -> bytes:
    """A sound PLY of one triangle, or one that promises more."""
    corners = np.array([[-0.1, 0, 0], [0.1, 0, 0], [0, 0.1, 0]], "<f4").tobytes()
    face = b"\3" + np.array([0, 1, 2], "<i4").tobytes()
    return PLY_HEADER % (b"binary_little_endian", vertices, faces) + corners + face


def _beside(name: str, files: dict[str, bytes]) -> Case:
    """An OBJ that names a material file; a missing or refused one may leave a grey head."""
    expected = REFUSED if name.startswith("obj texture") or "outside" in name or "address" in name else EITHER
    return Case(name, READER, lambda: {"a.obj": OBJ, **files}, expected)


def _objs() -> dict[str, bytes]:
    triangle = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"
    return {
        "empty": b"",
        "nul bytes": OBJ + bytes(10),
        "no faces": SQUARE,
        "faces alone": b"f 1 2 3\n" * 10,
        "nan": b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "infinity": b"v inf 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "overflow": b"v 1e999 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "index beyond": triangle + b"f 1 2 99999999\n",
        "long line": triangle + b"f " + b"1 2 3 " * 200_000 + b"\n",
        "words for numbers": b"v a b c\nv d e f\nv g h i\nf 1 2 3\n",
        "library outside": b"mtllib ../../../../etc/passwd\n" + OBJ[13:],
        "library absolute": b"mtllib /etc/passwd\n" + OBJ[13:],
        "library at an address": b"mtllib http://192.0.2.1/a.mtl\n" + OBJ[13:],
        "many faces": triangle + b"f 1 2 3\n" * 1_500_000,
    }


def _odd_objs() -> dict[str, bytes]:
    triangle = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"
    return {
        "index zero": triangle + b"f 0 1 2\n",
        "index negative": triangle + b"f -1 -2 -3\n",
        "index far negative": triangle + b"f -99999 -2 -3\n",
        "index huge": triangle + b"f 1 2 " + b"9" * 400 + b"\n",
        "face of one": triangle + b"f 1\nf 1 2 3\n",
        "face of slashes": triangle + b"f /// //// 1\n",
        "mixed faces": SQUARE + b"f 1/1 2 3//\n",
        "two numbers": b"v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n",
        "seven numbers": b"v 0 0 0 1 1 1 1\nv 1 0 0 1 1 1 1\nv 0 1 0 1 1 1 1\nf 1 2 3\n",
        "one number": b"v 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "many objects": b"".join(b"o part%d\n" % n + b"f 1 2 3\n" for n in range(300)).join([triangle, b""]),
        "many materials": triangle + b"".join(b"usemtl m%d\nf 1 2 3\n" % n for n in range(500)),
        "many libraries": b"".join(b"mtllib m%d.mtl\n" % n for n in range(500)) + triangle + b"f 1 2 3\n",
        "continued lines": triangle + b"f 1 \\\n2 \\\n3\n" * 50,
        "carriage returns": triangle.replace(b"\n", b"\r") + b"f 1 2 3\r",
        "not utf-8": b"o \xff\xfe\xfd\n" + triangle + b"f 1 2 3\n",
        "long polygon": triangle + b"f " + b"1 2 3 " * 600 + b"\n",
        "flat": b"v 0 0 0\n" * 3 + b"f 1 2 3\n",
    }


def _materials() -> dict[str, bytes]:
    return {
        "outside": b"newmtl skin\nmap_Kd ../../../../etc/hostname\n",
        "outside by backslashes": b"newmtl skin\nmap_Kd ..\\..\\..\\etc\\a.png\n",
        "at an address": b"newmtl skin\nmap_Kd http://192.0.2.1/a.png\n",
        "missing texture": b"newmtl skin\nmap_Kd nowhere.png\n",
        "texture is itself": b"newmtl skin\nmap_Kd a.mtl\n",
        "options": b"newmtl skin\nmap_Kd -s 1 1 1 -o 9 a.png\n",
        "noise": noise(2_000),
        "not utf-8": b"newmtl \xff\xff\nKd a b c\n",
        "colour of text": b"newmtl skin\nKd red\n",
        "colour nan": b"newmtl skin\nKd nan nan nan\nNs nan\n",
        "huge shine": b"newmtl skin\nKd 1 1 1\nNs 1e999\n",
        "no name": b"newmtl\nKd 1 1 1\n",
        "very long": b"newmtl skin\n" + b"Kd 1 1 1\n" * 100_000,
    }


def _plys() -> dict[str, bytes]:
    text = ply_text()
    return {
        "promises vertices": ply_binary(2_000_000_000, 1),
        "promises faces": ply_binary(3, 900_000_000),
        "promises a thousand": ply_binary(1_000, 1),
        "count of many digits": PLY_HEADER.replace(b"%d", b"9" * 5_000).replace(b"%s", b"ascii"),
        "no end": PLY_HEADER[:80] + b"comment a\n" * 10_000,
        "unknown format": text.replace(b"ascii", b"braille"),
        "unknown property": text.replace(b"float x", b"quad x"),
        "third element": text.replace(b"element face", b"element edge 1\nelement face"),
        "element twice": text.replace(b"element face", b"element vertex 3\nelement face"),
        "no faces": PLY_HEADER % (b"ascii", 3, 0) + b"0 0 0\n" * 3,
        "nan": text.replace(b"-0.1 0 0", b"nan 0 0"),
        "index beyond": text.replace(b"3 0 1 2", b"3 0 1 99"),
        "index negative": text.replace(b"3 0 1 2", b"3 0 1 -5"),
        "list as vertex": text.replace(b"property float x", b"property list uchar float x"),
        "long list": ply_binary()[:-13] + b"\xff" + bytes(12),
        "empty": b"",
        "magic alone": b"ply\n",
        "noise": b"ply\n" + noise(1_000),
    }
