"""DreamCraft3D (Sun et al. 2023, arXiv 2310.16818), adapted: the photo held, a prior that knows the person.

The paper: geometry sculpting from a reference view (photometric, mask, depth and normal losses; hybrid score
distillation), then texture boosting by bootstrapped score distillation: a DreamBooth prior, tuned on the
reference and on renderings of the scene that the prior itself has re-drawn from noise, in turns with the
texture that it distils.

Adapted to the task: DreamBooth sees crops of all conditioning photos, with cameras fitted on the mean head,
and every look of its training is a guidance call. The rest is as in `magic123`, and so are its deviations (no
3D-aware prior, no NeRF, no depth, timesteps from 0.5 on, expressions by text alone). Further ones:

- DreamBooth as an adapter of low rank (`personal_prior`), without prior preservation, in one or two hundred
  looks, where the paper tunes a whole Stable Diffusion. In the small network it turns every layer;
- no word names the person: the subject's own words do, and only one subject is ever asked about;
- renderings are re-drawn in one look at high noise, where the paper denoises in many steps;
- plain score distillation by the tuned prior, without the second network of variational distillation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from idto3d.asset import write_head_asset
from idto3d.generate import Geometry, textured_meshes, without_identity
from idto3d.guidance.asking import random_of
from idto3d.guidance.cameras import AROUND
from idto3d.guidance.condition import Condition
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.priors import open_prior
from idto3d.guidance.sample import Scales, evaluations, guided_denoise
from idto3d.texture.coloured_head import ColouredHead
from idto3d.texture.material_field import MaterialField
from idto3d.threads import torch_threads
from idto3d_baselines.magic123 import NOISE, schedules
from idto3d_baselines.personal_prior import personalise
from idto3d_baselines.photo_crops import PhotoCrops, photo_crops
from idto3d_baselines.photographs import best_of, photographs_of
from idto3d_baselines.plain_sds import budget_of, shares_of
from idto3d_baselines.reference_head import fit_reference, imagine, photo_material, split_calls
from idto3d_baselines.sds_head import GEOMETRY, TEXTURE, Workshop, express, lit, open_workshop
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import manifest_of, read_photos, subject_of

SPEC = MethodSpec(
    name="dreamcraft3d",
    kind="adapted",
    summary="DreamCraft3D: the best photo held, the rest by SDS of a prior tuned on the photos",
    conditioned_on=("photos", "text attributes read from the photos", "expression name"),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="approximated",
    source="arXiv 2310.16818, re-implemented on this project's priors",
    needs_sds=True,
)

# Of the calls for colour: tuning on photos, distilling, tuning on photos and re-drawn renderings, distilling.
SHARES = (3.0, 2.0, 2.0, 3.0)
REDRAWN = 8  # renderings
REDRAWN_AT = 0.6  # of the schedule: how much noise renderings are re-drawn from
TUNING = "tuning"


def generate(request: GenerateRequest) -> None:
    """Make the head that the best photo shows from its camera, and a prior of the person elsewhere."""
    found = read_photos(request)
    calls = budget_of(request)
    with torch_threads(request.budget.threads):
        shop = open_workshop(request, without_identity(subject_of(found)), calls)
        shop = replace(shop, colour=_in_single_precision(shop.colour, request))
        photographs = photographs_of(request, found, shop.mean_head.landmarks)
        number, photo = best_of(request, photographs)
        on_motion, on_colour = schedules(request)
        neutral, rest, others = split_calls(calls, len(request.expressions))
        first, painting, second, boosting = shares_of(rest, SHARES)
        crops = photo_crops(
            photographs, shop.subject, shop.mean_head, shop.control, shop.colour.resolution, shop.seed
        )
        body, view = fit_reference(shop, photo, request.expressions, request.budget.fit_steps)
        material = photo_material(shop, body, view)
        body = imagine(shop, body, material, view, shop.colour, neutral, on_colour, 31, stage=GEOMETRY)

        def tune(pictures: PhotoCrops, spend: int, key: int) -> None:
            personalise(
                shop.colour, pictures, spend, NOISE, [shop.seed, key], lambda more: shop.report(more, TUNING)
            )

        def paint(spend: int, key: int) -> Geometry:
            return imagine(
                shop, body, material, view, shop.colour, spend, on_colour, key, moving=False, stage=TEXTURE
            )

        tune(crops, first, 32)
        body = paint(painting, 33)
        redrawn, spent = redraw(shop, body, material, on_colour.scales, second)
        tune(together(crops, redrawn), second - spent, 35)
        body = paint(boosting, 36)
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


@torch.no_grad()
def redraw(
    shop: Workshop, body: Geometry, material: MaterialField, scales: Scales, calls: int
) -> tuple[PhotoCrops | None, int]:
    """Renderings of the head as its prior would have them, and the calls spent: at most half of `calls`.

    Args:
        shop: the tuned prior, its control and the seed.
        body, material: the head.
        scales: of classifier-free guidance.
        calls: of the tuning that renderings are for.
    """
    prior, names = shop.colour, list(body.vertices)
    numbers, noise = np.random.default_rng([shop.seed, 34, 1]), random_of(shop.seed, 34, 2)
    cameras, lights = lit(prior, AROUND)(numbers, REDRAWN)
    told = shop.told(names[0])(cameras, shop.control.looks(cameras, lights).to(prior.device))
    each = evaluations(told, scales)
    count = min(REDRAWN, calls // 2 // each)
    if count == 0:
        return None, 0
    rows = slice(0, count)
    head = ColouredHead(body.faces, body.places, body.on_mean, material)
    neutral = body.vertices[names[0]]
    shown = head.pictures(head.posed(neutral), neutral.new_zeros(0), cameras[rows], lights[rows]).pictures
    z0 = prior.encode(shown)
    t = torch.full((count,), round(REDRAWN_AT * (prior.timesteps - 1)), device=prior.device)
    eps = torch.randn(z0.shape, generator=noise).to(z0)
    condition = told.rows(rows)
    x0_hat = guided_denoise(prior, prior.add_noise(z0, eps, t), t, condition, scales)
    shop.report(count * each, TUNING)
    silent = replace(condition, expression=torch.full_like(condition.expression, -1)).to("cpu")
    return PhotoCrops(prior.decode(x0_hat).clamp(-1.0, 1.0).cpu(), silent), count * each


def together(crops: PhotoCrops, redrawn: PhotoCrops | None) -> PhotoCrops:
    """Photos' crops, and renderings where there are some."""
    if redrawn is None:
        return crops
    return PhotoCrops(
        torch.cat([crops.images, redrawn.images]),
        Condition.concatenate([crops.condition, redrawn.condition]),
    )


def _in_single_precision(prior: Guidance, request: GenerateRequest) -> Guidance:
    """The texture prior as it can be tuned: a step of Adam is lost in half precision."""
    if prior.unet.dtype == torch.float32:
        return prior
    return open_prior(request.weights, "texture", dtype=torch.float32)
