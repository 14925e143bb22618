"""One GLB for all expressions: the neutral head, and a morph target for each other expression."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from trimesh.exchange.gltf import export_glb

from idto3d.asset import MILLIMETRES_PER_METRE
from idto3d.errors import UserError
from idto3d.export.blendshapes import Blendshapes
from idto3d.glb import name_targets, scene_of, seamless_normals

_FLOAT = 5126  # glTF 2.0, section 3.6.2.2


def encode_morph_glb(head: Blendshapes, colours: Mapping[str, NDArray[np.uint8]] | None = None) -> bytes:
    """A GLB in metres with position and normal deltas per expression; the same head gives the same bytes.

    Targets are named in the mesh's `extras.targetNames`, the convention of glTF 2.0, section 3.7.2.2; all
    weights start at 0. Material and maps are the neutral's.

    Args:
        head: with at least one expression besides the neutral.
        colours: per expression, its base colour map [S, S, 3] on the neutral's UVs. Targets of glTF move
            vertices alone, so that these stand in the material's `extras.targetColours`, where our viewer
            mixes them in by the targets' weights and others see the neutral's.

    Raises:
        UserError: it has none.
    """
    if not head.shapes:
        raise UserError(
            "Found a head with a neutral alone, expected another expression to be its morph target; "
            "generate more expressions, or export with --no-morphs."
        )
    deltas = {name: _deltas(head, name) for name in head.shapes}

    def add_targets(buffers: dict[Any, bytes], document: dict[str, Any]) -> None:
        targets: list[dict[str, int]] = []
        for name, attributes in deltas.items():
            targets.append({})
            for attribute, values in attributes.items():
                key = (name, attribute)
                buffers[key] = values.tobytes()
                document["accessors"][key] = {
                    "componentType": _FLOAT,
                    "type": "VEC3",
                    "bufferView": len(buffers) - 1,
                    "byteOffset": 0,
                    "count": len(values),
                    "min": values.min(axis=0).tolist(),
                    "max": values.max(axis=0).tolist(),
                }
                targets[-1][attribute] = len(document["accessors"]) - 1
        mesh = document["meshes"][0]
        mesh["primitives"][0]["targets"] = targets
        mesh["weights"] = [0.0] * len(targets)
        mesh["extras"] = {"targetNames": list(deltas)}
        if colours:
            kept = [_colour(buffers, document, colours.get(name)) for name in deltas]
            document["materials"][0]["extras"] = {"targetColours": kept}

    data: bytes = export_glb(
        scene_of(head.neutral),
        include_normals=True,
        tree_postprocessor=name_targets,
        buffer_postprocessor=add_targets,
    )
    return data


def _colour(
    buffers: dict[Any, bytes], document: dict[str, Any], colour: NDArray[np.uint8] | None
) -> dict[str, Any]:
    """Adds a map as a texture, and refers to it as a material does; empty where a target has none."""
    if colour is None:
        return {}
    file = io.BytesIO()
    Image.fromarray(colour).save(file, format="PNG")
    data = file.getvalue()
    buffers["targetColours", len(buffers)] = data + b"\0" * (-len(data) % 4)
    document["images"].append({"bufferView": len(buffers) - 1, "mimeType": "image/png"})
    document["textures"].append({"source": len(document["images"]) - 1})
    return {"baseColorTexture": {"index": len(document["textures"]) - 1}}


def _deltas(head: Blendshapes, name: str) -> dict[str, NDArray[np.float32]]:
    """What one expression adds to the base as the file holds it, [V, 3] metres and normals."""
    base, shape = head.neutral, replace(head.neutral, vertices=head.shapes[name])
    # From the base as 32-bit floats hold it, so that base and delta add up to the expression.
    start = (base.vertices / MILLIMETRES_PER_METRE).astype(np.float32).astype(np.float64)
    turn = seamless_normals(shape) - seamless_normals(base)
    return {
        "POSITION": (shape.vertices / MILLIMETRES_PER_METRE - start).astype("<f4"),
        "NORMAL": turn.astype("<f4"),
    }
