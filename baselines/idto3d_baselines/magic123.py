"""Magic123 (Qian et al. 2023, arXiv 2306.17843), adapted: one photo held, the unseen side imagined by SDS.

The paper: a reference view is reconstructed (photometric and mask losses at the photo's own camera) while
score distillation by a text-to-image prior and by a 3D-aware one (Zero-1-to-3) fills in what it does not
show; coarsely as a NeRF, then as a DMTet mesh.

Adapted to the task: the reference view is the person's best photo; words are the attributes that the methods'
reader finds in the photos, and an expression's name. Deviations:

- no 3D-aware prior: neither profile has one. The 2D prior is told the camera, and the mean head besides;
- no NeRF: the head starts as the photo's fit on the mean head (`reference_head`), in the photo's colours;
- no monocular depth: the fit's shape stands in its place;
- the words stand where the paper has a token by textual inversion and a user's prompt;
- timesteps reach from 0.5 to 0.98: the priors are trained from 0.55 on;
- each expression moves the neutral head by SDS on normal maps, told its name and measured from neutral, with
  no photo to hold. The neutral head wears what the photo wore.
"""

from __future__ import annotations

from idto3d.asset import write_head_asset
from idto3d.generate import textured_meshes, without_identity
from idto3d.geometry.head_field import NEUTRAL
from idto3d.guidance.sample import Scales
from idto3d.profile import load_profile
from idto3d.threads import torch_threads
from idto3d_baselines.photographs import best_of, photographs_of
from idto3d_baselines.plain_sds import Bounds, Distillation, budget_of
from idto3d_baselines.reference_head import fit_reference, imagine, photo_material, split_calls
from idto3d_baselines.sds_head import GEOMETRY, TEXTURE, express, open_workshop
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import manifest_of, read_photos, subject_of

SPEC = MethodSpec(
    name="magic123",
    kind="adapted",
    summary="Magic123: the best photo held by a photometric loss, the rest by text SDS",
    conditioned_on=("one photo", "text attributes read from the photos", "expression name"),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="approximated",
    source="arXiv 2306.17843, re-implemented on this project's priors",
    needs_sds=True,
)

NOISE: Bounds = (0.5, 0.98)
# Of the small networks; Stable Diffusion's are the profile's. A colour scale of 2 blackened hair and bleached
# skin on validation person 3. Expressions are measured from neutral: by words alone they hardly moved.
EXPRESSION_SCALE, COLOUR_SCALE = 3.0, 1.25


def generate(request: GenerateRequest) -> None:
    """Make the head that the best photo shows from its camera, and that words describe elsewhere."""
    found = read_photos(request)
    calls = budget_of(request)
    with torch_threads(request.budget.threads):
        shop = open_workshop(request, without_identity(subject_of(found)), calls)
        photographs = photographs_of(request, found, shop.mean_head.landmarks)
        number, photo = best_of(request, photographs)
        on_motion, on_colour = schedules(request)
        neutral, rest, others = split_calls(calls, len(request.expressions))
        body, view = fit_reference(shop, photo, request.expressions, request.budget.fit_steps)
        material = photo_material(shop, body, view)
        # The paper's two stages: shape and colour together, then the colours of a shape that is there.
        body = imagine(shop, body, material, view, shop.colour, neutral, on_colour, 21, stage=GEOMETRY)
        body = imagine(
            shop, body, material, view, shop.colour, rest, on_colour, 22, moving=False, stage=TEXTURE
        )
        body = express(shop, body, others, on_motion)
        meshes = textured_meshes(body, material, shop.settings.texture_size)
    manifest = manifest_of(request, SPEC.name, found)
    manifest = manifest.model_copy(
        update={
            "parameters": {**manifest.parameters, "photo": number, "fit_steps": request.budget.fit_steps},
            "threads": request.budget.threads,
            "guidance_calls": shop.shape.calls + shop.colour.calls,
        }
    )
    write_head_asset(request.out, meshes, manifest)


def schedules(request: GenerateRequest) -> tuple[Distillation, Distillation]:
    """How normal maps of expressions and how colours are asked about; scales are the profile's, where it has
    some."""
    asked = load_profile(request.weights).settings
    motion = float(asked.get("expression_scale", EXPRESSION_SCALE))
    colour = float(asked.get("texture_guidance_scale", COLOUR_SCALE))
    from_neutral = Scales(expression=motion, rest=NEUTRAL)
    return (
        Distillation(from_neutral, lambda _: NOISE, batch=request.budget.geometry_batch),
        Distillation(Scales(colour, colour), lambda _: NOISE, batch=request.budget.texture_batch),
    )
