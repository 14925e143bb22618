"""A head on disk: one GLB per expression and `asset.json`; mm in code, metres in the files, converted here.

Files come from other people's methods too, so everything is bounded before it is decoded: file and JSON size,
element counts, index range, image pixels; external references are refused.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from idto3d.errors import UserError

SCHEMA_VERSION = 1
MANIFEST = "asset.json"
MAX_MANIFEST_BYTES = 4 * 2**20
MILLIMETRES_PER_METRE = 1000.0  # glTF 2.0, section 3.4: distances are in metres
MAX_REACH = 2000.0  # mm; a head, even with shoulders, ends long before: catches files in millimetres
NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")


class AssetError(UserError):
    """A head asset that cannot be written or must not be trusted."""


@dataclass(frozen=True)
class TexturedMesh:
    """One expression of a head, with metallic-roughness materials.

    Args:
        vertices: [V, 3] mm, head frame.
        faces: [F, 3] int64, counter-clockwise seen from outside.
        uvs: [V, 2] in [0, 1], v up; seams split, so one UV per vertex.
        albedo: [T, T, 3] uint8 sRGB, row 0 at v = 1.
        roughness_metallic: [T, T, 3] uint8, linear: green roughness, blue metallic (glTF 2.0, section 3.9.2).
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    uvs: NDArray[np.float64]
    albedo: NDArray[np.uint8]
    roughness_metallic: NDArray[np.uint8]


class AssetManifest(BaseModel):
    """Who made a head, and from what; everything that can change the files, and no times."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    method: str
    identity: str
    seed: int
    expressions: tuple[str, ...]
    weights: dict[str, str] = Field(default_factory=dict, description="sha256 of each weight file, by name")
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    photos: tuple[str, ...] = Field(default=(), description="sha256 of each conditioning photo")
    generator_version: str = ""
    trainable_share: float | None = None
    guidance_calls: int = 0
    threads: int = 1
    files: dict[str, str] = Field(default_factory=dict, description="sha256 of each GLB; filled when written")


def write_head_asset(
    folder: Path, meshes: Mapping[str, TexturedMesh], manifest: AssetManifest
) -> AssetManifest:
    """Write a head as a whole or not at all; an asset already at `folder` is replaced.

    The files are written beside `folder`, flushed to disk, and renamed into place. Same input, same bytes.

    Args:
        folder: the asset; its parent is created.
        meshes: one per expression that the manifest names.
        manifest: its `files` are filled in here.

    Returns:
        The manifest as written.

    Raises:
        AssetError: expressions and meshes disagree, a mesh is unsound, or the disk refuses.
    """
    from idto3d.glb import encode_glb

    if set(meshes) != set(manifest.expressions):
        raise AssetError(
            f"Found meshes for {sorted(meshes)}, expected one for each of {sorted(manifest.expressions)}; "
            "pass the meshes that the manifest names."
        )
    for expression, mesh in meshes.items():
        check_name(expression)
        check_mesh(mesh, expression)
    contents = {f"{expression}.glb": encode_glb(meshes[expression]) for expression in manifest.expressions}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    written = manifest.model_copy(update={"files": hashes})
    text = json.dumps(written.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    contents[MANIFEST] = text.encode()

    partial = folder.parent / f".{folder.name}.partial"  # one name: what a killed run left here goes
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for name, data in contents.items():
            with (partial / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        _fsync_folder(partial)
        _replace_folder(partial, folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise AssetError(
            f"Could not write the head asset '{folder}' ({error.strerror or error}), expected a disk "
            "with room for it; free space or choose another folder, then run the same command again."
        ) from error
    return written


def read_manifest(folder: Path) -> AssetManifest:
    """Read `asset.json`.

    Raises:
        AssetError: it is missing, too large, no JSON, or has wrong fields.
    """
    path = folder / MANIFEST
    data = read_bounded(path, MAX_MANIFEST_BYTES)
    try:
        manifest = AssetManifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise AssetError(
            f"Found a bad manifest '{path}' ({where}: {first['msg']}), expected the fields of AssetManifest; "
            "write the asset again."
        ) from error
    if manifest.schema_version != SCHEMA_VERSION:
        raise AssetError(
            f"Found schema version {manifest.schema_version} in '{path}', expected {SCHEMA_VERSION}; "
            "write the asset again with this version."
        )
    return manifest


def read_expression(folder: Path, expression: str) -> TexturedMesh:
    """Read one expression's GLB, bounded before anything is decoded.

    Raises:
        AssetError: missing, truncated, oversized, with NaN, indices out of range or outside references.
    """
    from idto3d.glb import decode_glb
    from idto3d.glb_bounds import MAX_GLB_BYTES

    check_name(expression)
    path = folder / f"{expression}.glb"
    mesh = decode_glb(read_bounded(path, MAX_GLB_BYTES), str(path))
    check_mesh(mesh, str(path))
    return mesh


def check_name(expression: str) -> None:
    """Refuse an expression name that could leave the asset's folder.

    Raises:
        AssetError: anything but lower-case letters, digits and underscores.
    """
    if not NAME.fullmatch(expression):
        raise AssetError(
            f"Found expression name {expression!r}, expected lower-case letters, digits and underscores; "
            "rename it."
        )


def check_mesh(mesh: TexturedMesh, where: str) -> None:
    """Refuse a mesh that no renderer should see.

    Raises:
        AssetError: wrong shapes, NaN or infinity, indices out of range, or a size no head in mm has.
    """

    def refuse(found: str, expected: str) -> AssetError:
        return AssetError(f"Found {found} in '{where}', expected {expected}; repair or regenerate this head.")

    if mesh.vertices.ndim != 2 or mesh.vertices.shape[1] != 3 or len(mesh.vertices) == 0:
        raise refuse(f"vertices of shape {mesh.vertices.shape}", "[V, 3]")
    if mesh.faces.ndim != 2 or mesh.faces.shape[1] != 3 or len(mesh.faces) == 0:
        raise refuse(f"faces of shape {mesh.faces.shape}", "[F, 3]")
    bad = int((~np.isfinite(mesh.vertices)).any(axis=1).sum())
    if bad:
        raise refuse(f"{bad} vertices with NaN or infinity", "finite coordinates")
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise refuse(
            f"face index {int(mesh.faces.max())} with {len(mesh.vertices)} vertices",
            "indices of existing vertices",
        )
    if mesh.uvs.shape != (len(mesh.vertices), 2) or not np.isfinite(mesh.uvs).all():
        raise refuse(f"UVs of shape {mesh.uvs.shape}, or with NaN", "two finite coordinates per vertex")
    reach = float(np.abs(mesh.vertices).max())
    if reach > MAX_REACH:
        raise refuse(
            f"a vertex {reach:.0f} mm from the origin", f"a head within {MAX_REACH:.0f} mm of its eyes"
        )
    for name, image in (("albedo", mesh.albedo), ("roughness-metallic", mesh.roughness_metallic)):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise refuse(f"a {name} map of shape {image.shape}, {image.dtype}", "uint8 [T, T, 3]")


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes.

    Raises:
        AssetError: missing, unreadable or larger.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise AssetError(
                    f"Found {size} bytes in '{path}', expected at most {limit}; use fewer faces or pixels."
                )
            return file.read(limit)
    except OSError as error:
        raise AssetError(
            f"Found no readable file '{path}' ({error.strerror}), expected a part of a head asset; "
            "generate the head again."
        ) from error


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace_folder(partial: Path, folder: Path) -> None:
    """Rename `partial` to `folder`; what was there moves aside first: a full folder cannot be overwritten."""
    aside = folder.parent / f".{folder.name}.replaced"
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
    partial.rename(folder)
    _fsync_folder(folder.parent)
    shutil.rmtree(aside, ignore_errors=True)
