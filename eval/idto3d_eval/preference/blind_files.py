"""Heads as raters' browsers get them: one writer for all methods, and no word of who made what.

Every head is read as a mesh and written anew, so that neither a tool's tag nor a name, an extra, the order of
attributes or a picture's metadata tells methods apart. A shape that is judged alone goes without its maps.
"""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from idto3d.asset import MILLIMETRES_PER_METRE, TexturedMesh
from idto3d.glb import encode_glb, name_targets, seamless_normals
from idto3d.glb_bounds import IMAGE_FORMATS, MAX_PIXELS, split_container

PHOTO_SIDE = 512  # pixels of the longer side
_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942
_SAID = ("name", "extras", "copyright", "generator", "extensionsUsed")

DENT_MM = 14.0  # depth of a damaged head's dents
_DENTS, _DENT_WIDTH_MM = 9, 26.0


def blind_glb(mesh: TexturedMesh, *, textured: bool) -> bytes:
    """A GLB that says nothing but its shape, and its maps where asked for.

    Args:
        mesh: one head, mm.
        textured: whether its maps are kept.
    """
    data = encode_glb(mesh) if textured else _bare(mesh)
    document, binary = split_container(data, "head")
    return _packed(_silenced(document), binary)


def damaged(mesh: TexturedMesh, seed: int) -> TexturedMesh:
    """The head with dents in its skin and stripes in its maps: nobody takes it for the better one."""
    rng = np.random.default_rng(seed)
    points = mesh.vertices
    front = np.flatnonzero(points[:, 2] > np.quantile(points[:, 2], 0.6))
    centres = points[rng.choice(front, size=_DENTS)]
    sides = rng.choice((-1.0, 1.0), size=_DENTS)
    apart = np.linalg.norm(points[:, None] - centres[None], axis=2)  # [V, dents] mm
    push = (np.exp(-0.5 * (apart / _DENT_WIDTH_MM) ** 2) * sides).sum(1) * DENT_MM
    moved = points + seamless_normals(mesh) * push[:, None]
    rows = (np.arange(len(mesh.albedo)) // max(len(mesh.albedo) // 16, 1)) % 2 == 0
    albedo = mesh.albedo.copy()
    albedo[rows] = np.roll(mesh.albedo, len(mesh.albedo) // 3, axis=1)[rows]
    return TexturedMesh(moved, mesh.faces, mesh.uvs, albedo, mesh.roughness_metallic)


def blind_photo(data: bytes) -> bytes:
    """A photograph as a small JPEG without metadata, turned the way its camera says.

    Raises:
        UserError: no picture that can be read.
    """
    from PIL import Image, ImageOps

    from idto3d.errors import UserError

    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise UserError(
                    f"Found a photo of {opened.width} × {opened.height}, expected at most {MAX_PIXELS} "
                    "pixels; make it smaller."
                )
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(
            f"Found a photo that cannot be read ({error}), expected PNG or JPEG; replace it."
        ) from None
    image.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    plain = Image.fromarray(np.asarray(image))  # pixels alone
    written = io.BytesIO()
    plain.save(written, "JPEG", quality=90)
    return written.getvalue()


def _bare(mesh: TexturedMesh) -> bytes:
    """The shape alone, seams closed, so that UVs leave no trace in it."""
    normals = seamless_normals(mesh)
    points, first, place = np.unique(mesh.vertices, axis=0, return_index=True, return_inverse=True)
    faces: NDArray[np.int64] = place.reshape(-1)[mesh.faces]
    shape = trimesh.Trimesh(
        points / MILLIMETRES_PER_METRE, faces, vertex_normals=normals[first], process=False
    )
    scene = trimesh.Scene()
    scene.add_geometry(shape)
    data: bytes = trimesh.exchange.gltf.export_glb(
        scene, include_normals=True, tree_postprocessor=name_targets
    )
    return data


def _silenced(value: Any) -> Any:
    """A glTF document without names, tags and extras."""
    if isinstance(value, dict):
        return {key: _silenced(part) for key, part in value.items() if key not in _SAID}
    return [_silenced(part) for part in value] if isinstance(value, list) else value


def _packed(document: dict[str, Any], binary: bytes) -> bytes:
    """A GLB container (glTF 2.0, section 4.4)."""
    text = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<II", len(text), _JSON_CHUNK) + text
    chunks += struct.pack("<II", len(binary), _BINARY_CHUNK) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
