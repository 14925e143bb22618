"""DreamFusion (Poole et al. 2022, arXiv 2209.14988), adapted: a volumetric field by text SDS, then a mesh.

The paper: a radiance field whose shaded pictures are pulled by score distillation under a text, timesteps
from 0.02 to 0.98, w(t) = sigma_t², with penalties on opacity and on normals that face away; the mesh is cut
out with marching cubes at the end.

Adapted to the task: the words are the attributes that the methods' reader finds in the photos, and an
expression's name; nothing else of the person is heard. Deviations:

- the field is a grid of 5 mm cells in the place of mip-NeRF 360, and starts as an ellipsoid;
- timesteps reach from 0.5 to 0.98, where the priors are trained;
- the shading is this project's light in place of one lamp; there is no phase of albedo alone or of
  textureless shading, and smoothness of the field stands for the paper's orientation penalty;
- each expression goes on from the neutral field with a few calls of its own, measured from neutral, and gets
  a mesh of its own;
- roughness is a constant: a radiance field has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.asset import TexturedMesh, write_head_asset
from idto3d.generate import without_identity
from idto3d.guidance.cameras import AROUND
from idto3d.guidance.control import Drawn
from idto3d.guidance.sample import Scales
from idto3d.profile import load_profile
from idto3d.render.camera import Camera
from idto3d.render.shading import linear_to_srgb
from idto3d.texture.bake import bake, rasterise_atlas
from idto3d.texture.material_field import START_ROUGHNESS
from idto3d.texture.unwrap import unwrap
from idto3d_baselines.plain_sds import Distillation, budget_of, distil, shares_of
from idto3d_baselines.sds_head import Workshop, from_neutral, lit, open_workshop
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import manifest_of, read_photos, subject_of
from idto3d_baselines.voxel_radiance import FACES, VoxelRadiance

SPEC = MethodSpec(
    name="dreamfusion",
    kind="adapted",
    summary="DreamFusion: a volumetric field by text SDS, then a mesh",
    conditioned_on=("text attributes read from the photos", "expression name"),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="approximated",
    source="arXiv 2209.14988, re-implemented on this project's priors",
    needs_sds=True,
)

NOISE = (0.5, 0.98)
TEXT_SCALE = 1.25  # of the small networks, at 2 skin burnt orange; Stable Diffusion's is the profile's
NEUTRAL = 3.0  # calls of the neutral head, as many expressions' worth
RATE, EXPRESSION_RATE = 0.15, 0.1  # units of density and of albedo's logit a step
SMOOTH = 2.0
OPAQUE = 0.5  # of opacities that are neither 0 nor 1


def generate(request: GenerateRequest) -> None:
    """Make the head that the photos' words describe."""
    found = read_photos(request)
    calls = budget_of(request)
    shop = open_workshop(request, without_identity(subject_of(found)), calls)
    scale = float(load_profile(request.weights).settings.get("texture_guidance_scale", TEXT_SCALE))
    how = Distillation(Scales(scale, scale), lambda _: NOISE, batch=request.budget.texture_batch)
    away = from_neutral(request, lambda _: NOISE)
    spend = shares_of(calls, [NEUTRAL, *[1.0] * (len(request.expressions) - 1)])
    corners = shop.mean_head.mesh.vertices
    field = VoxelRadiance(corners.min(0), corners.max(0))
    meshes = {}
    for index, expression in enumerate(request.expressions):
        own = field if index == 0 else deepcopy(field)
        learn(shop, own, expression, spend[index], away if index else how, index)
        meshes[expression] = textured(own, shop.settings.faces, shop.settings.texture_size)
    manifest = manifest_of(request, SPEC.name, found).model_copy(update={"guidance_calls": shop.colour.calls})
    write_head_asset(request.out, meshes, manifest)


def learn(
    shop: Workshop,
    field: VoxelRadiance,
    expression: str,
    calls: int,
    how: Distillation,
    number: int,
) -> None:
    """SDS on the field's shaded pictures, told one expression."""
    opacity: list[Tensor] = []

    def pictures(cameras: Sequence[Camera], lights: Sequence[Drawn]) -> Tensor:
        rendered = field.pictures(cameras, lights)
        opacity[:] = [rendered.opacity]
        return rendered.pictures

    def besides(_: float) -> Tensor:
        unsure = opacity[0] * (1.0 - opacity[0])
        return SMOOTH * field.roughness() + OPAQUE * unsure.mean()

    distil(
        shop.colour,
        shop.control,
        lit(shop.colour, 0.0 if number else AROUND),
        pictures,
        shop.told(expression),
        [{"params": list(field.parameters()), "rate": EXPRESSION_RATE if number else RATE}],
        calls,
        how,
        [shop.seed, 21, number],
        besides=besides,
        report=lambda more: shop.report(more, expression),
    )


def textured(field: VoxelRadiance, faces: int, size: int) -> TexturedMesh:
    """The field's surface, with at most so many faces, and its albedo baked."""
    mesh = field.mesh(min(faces, FACES))
    layout = unwrap(mesh, size)
    texels = rasterise_atlas(layout, size)
    points = mesh.vertices[layout.source]

    def colour(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(linear_to_srgb(torch.from_numpy(field.albedo_at(values))).numpy(), np.float32)

    albedo = bake(texels, layout.faces, points, colour)
    surface = np.zeros((size, size, 3), np.uint8)
    surface[..., 0], surface[..., 1] = 255, round(START_ROUGHNESS * 255)
    return TexturedMesh(
        vertices=points,
        faces=layout.faces,
        uvs=layout.uvs.astype(np.float64),
        albedo=np.rint(np.clip(albedo, 0.0, 1.0) * 255.0).astype(np.uint8),
        roughness_metallic=surface,
    )
