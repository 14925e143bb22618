"""Reads a GLB, OBJ or PLY that another program wrote, bounded before it is decoded, as one textured mesh."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from idto3d.asset import AssetError, TexturedMesh, read_bounded
from idto3d.foreign.colours import Part, join_parts
from idto3d.foreign.folder import FolderFiles, inside
from idto3d.foreign.glb_scene import MAX_PRIMITIVES, SceneCheck
from idto3d.foreign.plain_bounds import MAX_TEXT_BYTES, check_obj, check_ply
from idto3d.glb import albedo_of, roughness_metallic_of
from idto3d.glb_bounds import MAX_ELEMENTS, MAX_GLB_BYTES, brief, refused, split_container

SUFFIXES = (".glb", ".obj", ".ply")
MILLIMETRES = {"m": 1000.0, "cm": 10.0, "mm": 1.0}
PLAIN_GREY = 200  # sRGB of a mesh that brings no colour


@dataclass(frozen=True)
class ForeignMesh:
    """A mesh in the frame of its file, lengths in millimetres, and what its reader had to assume."""

    mesh: TexturedMesh
    notes: tuple[str, ...]


def read_foreign_mesh(folder: Path, name: str, unit: str) -> ForeignMesh:
    """The mesh in a file of a folder.

    Several nodes, primitives and materials are joined; colours of vertices or faces become a texture of two
    by two texels a face. Skins, morph targets and animations are left out.

    Args:
        folder: what the file, its materials and its textures must lie in.
        name: relative to the folder.
        unit: one of `MILLIMETRES`.

    Raises:
        AssetError: it is missing, leads out of the folder, is oversized, malformed, has NaN, or refers to
            what it must not.
    """
    path = inside(folder, name)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise refused(name, f"a file of type {suffix!r}", ", ".join(SUFFIXES))
    data = read_bounded(path, MAX_GLB_BYTES if suffix == ".glb" else MAX_TEXT_BYTES)
    files = FolderFiles(path.parent)
    if suffix == ".glb":
        document, binary = split_container(data, name)
        SceneCheck(document, binary, name).run()
    else:
        (check_obj if suffix == ".obj" else check_ply)(data, name)
    notes: list[str] = []
    try:
        parts = [_part(shape, suffix, name, notes) for shape in _shapes(data, suffix, name, files)]
    except AssetError:
        raise
    except Exception as error:  # materials of any form come through a foreign parser
        raise refused(name, f"a material that cannot be read ({brief(error)})", "a valid one") from error
    _check_parts(parts, name)
    if files.missing:
        notes.append(f"no file {', '.join(sorted(set(files.missing)))[:200]} beside it")
    try:
        mesh = join_parts(parts)
    except AssetError as error:
        raise AssetError(f"{str(error).rstrip('.')} (in '{name}').") from error
    scaled = replace(mesh, vertices=mesh.vertices * MILLIMETRES[unit])
    return ForeignMesh(scaled, tuple(dict.fromkeys(notes)))


def _shapes(data: bytes, suffix: str, name: str, files: FolderFiles) -> list[Any]:
    """The meshes of a file in one frame, decoded by trimesh."""
    try:
        scene = trimesh.load_scene(
            io.BytesIO(data), file_type=suffix[1:], resolver=files, process=False, maintain_order=True
        )
        shapes = list(scene.dump())
    except Exception as error:  # a foreign file in a foreign parser: whatever it raises is one bad file
        files.settle()
        raise refused(name, f"a mesh that cannot be decoded ({brief(error)})", "a valid one") from error
    files.settle()
    if not shapes or not all(isinstance(shape, trimesh.Trimesh) for shape in shapes):
        raise refused(name, "no surface, or points and lines beside it", "triangles alone")
    return [shape for shape in shapes if len(shape.faces)]


def _part(shape: Any, suffix: str, name: str, notes: list[str]) -> Part:
    visual = shape.visual
    vertices, faces = np.asarray(shape.vertices, np.float64), np.asarray(shape.faces, np.int64)
    if visual.kind in ("vertex", "face"):
        notes.append(f"colours of its {'vertices' if visual.kind == 'vertex' else 'faces'} made a texture")
        corners = _corner_colours(visual, faces, name, linear=suffix == ".glb")
        return Part(vertices, faces, None, np.zeros((1, 1, 3), np.uint8), _matt(), corners)
    material = getattr(visual, "material", None)
    if material is not None and hasattr(material, "to_pbr") and suffix != ".glb":
        material = material.to_pbr()
    uvs = getattr(visual, "uv", None)
    if uvs is not None:
        uvs = np.asarray(uvs, np.float64)[:, :2]
    if material is None or (suffix == ".ply" and uvs is None):
        notes.append("it brings no colour: grey")
        grey = np.full((2, 2, 3), PLAIN_GREY, np.uint8)
        return Part(vertices, faces, None, grey, _matt())
    return Part(vertices, faces, uvs, albedo_of(material), _surface_of(material, suffix, notes))


def _surface_of(material: Any, suffix: str, notes: list[str]) -> NDArray[np.uint8]:
    """Roughness and metallic; a file that says nothing of metal means none, whatever its format's default."""
    if suffix != ".glb":
        return _matt()
    said = getattr(material, "metallicFactor", None), getattr(material, "metallicRoughnessTexture", None)
    found = roughness_metallic_of(material)
    if said == (None, None):
        notes.append("it says nothing of metal: none")
        found = found.copy()
        found[..., 2] = 0
    return found


def _matt() -> NDArray[np.uint8]:
    """Rough and not metallic."""
    return np.full((1, 1, 3), (0, 255, 0), np.uint8)


def _corner_colours(visual: Any, faces: NDArray[np.int64], name: str, *, linear: bool) -> NDArray[np.uint8]:
    """[F, 3, 3] uint8 sRGB; glTF's vertex colours are linear (glTF 2.0, section 3.9.2), the others sRGB."""
    if visual.kind == "face":
        colours = np.asarray(visual.face_colors, np.uint8)[:, None, :3]
        corners = np.broadcast_to(colours, (len(faces), 3, 3))
    else:
        table = np.asarray(visual.vertex_colors, np.uint8)[:, :3]
        if faces.max() >= len(table) or faces.min() < 0:
            raise refused(
                name, f"face index {int(faces.max())} with {len(table)} vertices", "existing vertices"
            )
        corners = table[faces]
    if not linear:
        return corners
    values = corners / 255.0
    encoded = np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255.0), np.uint8)


def _check_parts(parts: list[Part], name: str) -> None:
    """Refuse what joining could trip over: NaN, indices out of range, polygons that became too many faces."""
    if not parts:
        raise refused(name, "no face", "a surface")
    if len(parts) > MAX_PRIMITIVES:
        raise refused(name, f"{len(parts)} materials", f"at most {MAX_PRIMITIVES}; join them first")
    if (
        max(sum(len(part.vertices) for part in parts), 3 * sum(len(part.faces) for part in parts))
        > MAX_ELEMENTS
    ):
        raise refused(name, "too many vertices or faces", f"at most {MAX_ELEMENTS} and {MAX_ELEMENTS // 3}")
    for part in parts:
        bad = int((~np.isfinite(part.vertices)).any(axis=1).sum())
        if bad:
            raise refused(name, f"{bad} vertices with NaN or infinity", "finite coordinates")
        if part.faces.min() < 0 or part.faces.max() >= len(part.vertices):
            raise refused(
                name,
                f"face index {int(part.faces.max())} with {len(part.vertices)} vertices",
                "indices of existing vertices",
            )
