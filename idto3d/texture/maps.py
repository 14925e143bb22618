"""The texture maps of one expression, baked from a material field."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.render.shading import linear_to_srgb
from idto3d.texture.bake import FloatMap, TexelMap, bake
from idto3d.texture.material_field import MaterialField

EVALUATED_AT_ONCE = 1 << 16  # points: bounds the memory, changes no value


def material_maps(
    field: MaterialField,
    texels: TexelMap,
    faces: NDArray[np.int64],
    canonical: NDArray[np.floating],
    code: Tensor | None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Albedo and roughness-metallic maps as `TexturedMesh` holds them.

    Args:
        field: reflectance over canonical positions.
        texels: from `rasterise_atlas`.
        faces: [F, 3] split faces of the unwrapping.
        canonical: [W, 3] mm, neutral positions of the split vertices.
        code: [K] expression code, or None for neutral.

    Returns:
        [T, T, 3] uint8 sRGB, and [T, T, 3] uint8 with roughness in green and metallic in blue.
    """

    @torch.no_grad()
    def evaluate(points: FloatMap) -> FloatMap:
        parts = []
        for part in torch.from_numpy(points).to(field.start.device).split(EVALUATED_AT_ONCE):
            material = field(part, code)
            full = torch.ones_like(material.roughness)  # glTF leaves red to occlusion: 1 = none
            parts.append(
                torch.cat(
                    [linear_to_srgb(material.albedo), full, material.roughness, material.metallic], dim=1
                )
            )
        return np.asarray(torch.cat(parts).cpu().numpy(), dtype=np.float32)

    maps = bake(texels, faces, canonical, evaluate)  # [T, T, 6]
    encoded = np.rint(np.clip(maps, 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.ascontiguousarray(encoded[..., :3]), np.ascontiguousarray(encoded[..., 3:])
