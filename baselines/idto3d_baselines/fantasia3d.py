"""Fantasia3D (Chen et al. 2023, arXiv 2303.13873), adapted: geometry and appearance apart, both by text.

The paper: DMTet geometry by SDS on normal maps, then a PBR material by SDS on renders under a light, each
asked in words. Its schedules as public code has them (threestudio's reimplementation): timesteps from 0.02
to 0.5 of the schedule, w(t) = sigma_t², the shape before the material.

Adapted to the task: the words are the attributes that the methods' reader finds in the photos, and an
expression's name; nothing else of the person is heard. Deviations:

- it starts at the shipped mean head, where the paper starts at an ellipsoid or a given mesh;
- normal maps are asked of the geometry prior: the small base of the embedded profile has never seen any,
  where the paper's Stable Diffusion has seen pictures like them. The paper profile does the same;
- timesteps reach from 0.5 to 0.98: the priors are trained from 0.55 on;
- each expression moves the neutral head by a few calls of its own, where the paper makes one object a text;
- no first phase on latents in place of pictures; the metallic range is the generator's.
"""

from __future__ import annotations

from idto3d.asset import write_head_asset
from idto3d.generate import Geometry, textured_meshes, without_identity
from idto3d.guidance.sample import Scales
from idto3d.profile import load_profile
from idto3d.texture.material_field import MaterialField
from idto3d_baselines.plain_sds import Distillation, budget_of
from idto3d_baselines.sds_head import Workshop, carve, colour, express, open_workshop, split_calls
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import manifest_of, read_photos, subject_of

SPEC = MethodSpec(
    name="fantasia3d",
    kind="adapted",
    summary="Fantasia3D: DMTet by text SDS on normals, then a PBR material by text SDS",
    conditioned_on=("text attributes read from the photos", "expression name"),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="approximated",
    source="arXiv 2303.13873, re-implemented on this project's priors",
    needs_sds=True,
)

NOISE = (0.5, 0.98)
TEXT_SCALE = 2.0  # of the small networks; Stable Diffusion's is the profile's


def generate(request: GenerateRequest) -> None:
    """Make the head that the photos' words describe."""
    found = read_photos(request)
    subject = without_identity(subject_of(found))
    calls = budget_of(request)
    shop = open_workshop(request, subject, calls)
    body, material = make_head(request, shop, calls)
    manifest = manifest_of(request, SPEC.name, found).model_copy(
        update={"guidance_calls": shop.shape.calls + shop.colour.calls}
    )
    write_head_asset(request.out, textured_meshes(body, material, shop.settings.texture_size), manifest)


def make_head(request: GenerateRequest, shop: Workshop, calls: int) -> tuple[Geometry, MaterialField]:
    """Shape, expressions and colour with the workshop's priors, by exactly so many calls."""
    asked = load_profile(request.weights).settings
    shape_scale = float(asked.get("guidance_scale", TEXT_SCALE))
    colour_scale = float(asked.get("texture_guidance_scale", TEXT_SCALE))
    on_shape, on_colour = (
        Distillation(Scales(scale, scale), lambda _: NOISE, batch=batch)
        for scale, batch in (
            (shape_scale, request.budget.geometry_batch),
            (colour_scale, request.budget.texture_batch),
        )
    )
    (neutral, *others), rest = split_calls(request, calls)
    body = carve(shop, request.expressions, neutral, on_shape)
    body = express(shop, body, others, on_shape)
    return body, colour(shop, body, rest, on_colour)
