"""Wavefront OBJ of one textured mesh, with its material and maps, for programs that read no glTF."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from idto3d.asset import TexturedMesh
from idto3d.glb import seamless_normals


def encode_obj(mesh: TexturedMesh, name: str) -> dict[str, bytes]:
    """The files of one expression: `.obj` in millimetres, `.mtl`, and three PNG maps beside it.

    Seams cut only the UVs: positions and normals are told once a place, so that the surface stays closed.

    Args:
        mesh: the expression.
        name: what the files' names start with.

    Returns:
        Contents by file name; the same mesh gives the same bytes.
    """
    roughness, metallic = mesh.roughness_metallic[..., 1], mesh.roughness_metallic[..., 2]
    return {
        f"{name}.obj": _geometry(mesh, name).encode(),
        f"{name}.mtl": _material(name).encode(),
        f"{name}_albedo.png": _png(mesh.albedo),
        f"{name}_roughness.png": _png(roughness),
        f"{name}_metallic.png": _png(metallic),
    }


def _geometry(mesh: TexturedMesh, name: str) -> str:
    _, first, place = np.unique(mesh.vertices, axis=0, return_index=True, return_inverse=True)
    normals = seamless_normals(mesh)[first]
    corner, place = mesh.faces + 1, place.reshape(-1)[mesh.faces] + 1  # OBJ counts from 1
    lines = [
        "# Units: millimetres. Axes: +Y up, the face looks along +Z, the origin lies between the eyes.",
        f"mtllib {name}.mtl",
        f"o {name}",
        *_rows("v", mesh.vertices[first], 5),
        *_rows("vt", mesh.uvs, 7),
        *_rows("vn", normals, 6),
        "usemtl head",
        "s 1",
        *(
            f"f {a}/{i}/{a} {b}/{j}/{b} {c}/{k}/{c}"
            for (a, b, c), (i, j, k) in zip(place.tolist(), corner.tolist(), strict=True)
        ),
    ]
    return "\n".join(lines) + "\n"


def _rows(keyword: str, values: NDArray[np.float64], decimals: int) -> list[str]:
    """One line a row; zero has no sign."""
    return [
        " ".join((keyword, *(f"{value:.{decimals}f}" for value in row)))
        for row in (values.round(decimals) + 0.0).tolist()
    ]


def _material(name: str) -> str:
    """Pr and Pm stay away: a program that knows the factor but not its map would make the head of metal."""
    return "\n".join(
        (
            "# Physically based: map_Pr and map_Pm are roughness and metallic, linear, in one channel each.",
            "newmtl head",
            "Ka 0 0 0",
            "Kd 1 1 1",
            "Ks 0 0 0",
            "illum 1",
            f"map_Kd {name}_albedo.png",
            f"map_Pr {name}_roughness.png",
            f"map_Pm {name}_metallic.png",
            "",
        )
    )


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return buffer.getvalue()
