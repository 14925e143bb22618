"""Binary glTF 2.0 of one textured mesh: written by trimesh, read by it only after every bound was checked."""

import io
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from trimesh.exchange.gltf import export_glb

from idto3d.asset import MILLIMETRES_PER_METRE, TexturedMesh
from idto3d.glb_bounds import DocumentCheck, brief, refused, split_container

_ARRAY, _ELEMENT_ARRAY = 34962, 34963


def encode_glb(mesh: TexturedMesh) -> bytes:
    """A GLB in metres with embedded PNG maps and smooth normals; the same mesh gives the same bytes."""
    data: bytes = export_glb(scene_of(mesh), include_normals=True, tree_postprocessor=name_targets)
    return data


def scene_of(mesh: TexturedMesh) -> trimesh.Scene:
    """The one node, mesh and material that a head's GLB holds, in metres."""
    material = trimesh.visual.material.PBRMaterial(
        name="head",
        baseColorTexture=Image.fromarray(mesh.albedo),
        metallicRoughnessTexture=Image.fromarray(mesh.roughness_metallic),
        metallicFactor=1.0,
        roughnessFactor=1.0,
    )
    shape = trimesh.Trimesh(
        mesh.vertices / MILLIMETRES_PER_METRE,
        mesh.faces,
        vertex_normals=seamless_normals(mesh),
        visual=trimesh.visual.TextureVisuals(uv=mesh.uvs, material=material),
        process=False,
    )
    scene = trimesh.Scene()
    scene.add_geometry(shape, node_name="head", geom_name="head")
    return scene


def name_targets(document: dict[str, Any]) -> None:
    """Say of each buffer view with vertices or indices which it holds (glTF 2.0, section 5.11.5)."""
    views, accessors = document["bufferViews"], document["accessors"]
    for mesh in document["meshes"]:
        for primitive in mesh["primitives"]:
            views[accessors[primitive["indices"]]["bufferView"]]["target"] = _ELEMENT_ARRAY
            for attributes in (primitive["attributes"], *primitive.get("targets", ())):
                for number in attributes.values():
                    views[accessors[number]["bufferView"]]["target"] = _ARRAY


def seamless_normals(mesh: TexturedMesh) -> NDArray[np.float64]:
    """Unit vertex normals [V, 3], equal for vertices that a UV seam split."""
    _, place = np.unique(mesh.vertices, axis=0, return_inverse=True)
    place = place.reshape(-1)
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    weighted = np.cross(b - a, c - a)
    total = np.zeros((int(place.max()) + 1, 3))
    for corner in range(3):
        np.add.at(total, place[mesh.faces[:, corner]], weighted)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    unit = np.where(length > 0, total / np.maximum(length, 1e-30), np.array([0.0, 0.0, 1.0]))
    return np.asarray(unit[place])


def decode_glb(data: bytes, where: str) -> TexturedMesh:
    """The one textured mesh of a GLB, in mm.

    Args:
        data: the file, of at most MAX_GLB_BYTES.
        where: what errors call it.

    Raises:
        AssetError: it is truncated, malformed, oversized, refers outside itself, or is not one triangle mesh.
    """
    document, binary = split_container(data, where)
    DocumentCheck(document, binary, where).run()
    try:
        scene = trimesh.load_scene(io.BytesIO(data), file_type="glb", process=False)
        shapes = scene.dump()
    except Exception as error:  # a foreign file in a foreign parser: whatever it raises is one bad file
        raise refused(where, f"a glTF that cannot be decoded ({brief(error)})", "a valid one") from error
    if len(shapes) != 1 or not isinstance(shapes[0], trimesh.Trimesh):
        raise refused(where, f"{len(shapes)} meshes", "exactly one triangle mesh; join them first")
    shape = shapes[0]
    uvs = getattr(shape.visual, "uv", None)
    uvs = np.zeros((len(shape.vertices), 2)) if uvs is None else np.asarray(uvs, dtype=np.float64)
    if uvs.size and np.isfinite(uvs).all() and (uvs.min() < -1e-3 or uvs.max() > 1.0 + 1e-3):
        raise refused(where, f"UVs from {uvs.min():.2f} to {uvs.max():.2f}", "one tile, from 0 to 1")
    material = getattr(shape.visual, "material", None)
    return TexturedMesh(
        vertices=np.asarray(shape.vertices, dtype=np.float64) * MILLIMETRES_PER_METRE,
        faces=np.asarray(shape.faces, dtype=np.int64),
        uvs=np.clip(uvs, 0.0, 1.0),
        albedo=albedo_of(material),
        roughness_metallic=roughness_metallic_of(material),
    )


def albedo_of(material: Any) -> NDArray[np.uint8]:
    """Base colour map times its factor; the factor is linear, the map sRGB (glTF 2.0, section 3.9.2)."""
    image = _square(getattr(material, "baseColorTexture", None))
    factor = getattr(material, "baseColorFactor", None)
    colour = np.ones(3) if factor is None else np.asarray(factor, dtype=np.float64)[:3] / 255.0
    if image is not None and (colour == 1.0).all():
        return image
    plain = np.full((2, 2, 3), 255, dtype=np.uint8) if image is None else image
    srgb = plain / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4) * colour
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255.0), dtype=np.uint8)


def roughness_metallic_of(material: Any) -> NDArray[np.uint8]:
    """Roughness and metallic map times their factors, 1 where the file says none (glTF 2.0, 5.22)."""
    image = _square(getattr(material, "metallicRoughnessTexture", None))
    plain = np.full((2, 2, 3), 255, dtype=np.uint8) if image is None else image
    scale = np.ones(3)
    for channel, name in ((1, "roughnessFactor"), (2, "metallicFactor")):
        factor = getattr(material, name, None)
        scale[channel] = 1.0 if factor is None else float(np.clip(factor, 0.0, 1.0))
    return np.asarray(np.rint(plain * scale), dtype=np.uint8)


def _square(image: Image.Image | None) -> NDArray[np.uint8] | None:
    """RGB pixels of a map, stretched to a square where it is none; UVs are relative, so nothing moves."""
    if image is None:
        return None
    side = max(image.size)
    rgb = image.convert("RGB")
    if rgb.size != (side, side):
        rgb = rgb.resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(rgb, dtype=np.uint8).copy()
