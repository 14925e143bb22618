"""HumanNorm (Huang et al. 2024, arXiv 2310.01406), adapted: a normal-adapted prior, by text alone.

The paper: SDS with a diffusion model adapted to normal maps (and another to depth) on a DMTet head, coarse
timesteps first; then colour by SDS, and a fine texture by "multi-step SDS": pictures drawn in several steps
from the head as it is, kept, followed and drawn anew. Public configurations (xhuangcv/humannorm): timesteps
from 0.02 to 0.8, annealed late in the geometry; 2,000 coarse texture steps, then fine ones against refreshed
views by an L1 and a perceptual loss.

Adapted to the task: the words are the attributes that the methods' reader finds in the photos, and an
expression's name; nothing else of the person is heard. Deviations:

- no prior on depth: none ships, and HumanNorm's is one more download of the paper profile;
- timesteps stay between 0.55 and 0.98, where the priors are trained, and fall as the generator's do;
- the refreshed views are followed in latents by squares, without a perceptual network;
- each expression moves the neutral head by a few calls of its own.
"""

from __future__ import annotations

import numpy as np
import torch

from idto3d.asset import write_head_asset
from idto3d.generate import FIRST_NOISE, LAST_NOISE, Geometry, colour_group, textured_meshes, without_identity
from idto3d.guidance.cameras import AROUND
from idto3d.guidance.sample import Scales, evaluations
from idto3d.guidance.sds import annealed_range
from idto3d.profile import load_profile
from idto3d.texture.coloured_head import ColouredHead
from idto3d.texture.material_field import MaterialField
from idto3d_baselines.plain_sds import Bounds, Distillation, budget_of, shares_of
from idto3d_baselines.sampled_views import SampledViews, follow, sampled
from idto3d_baselines.sds_head import Workshop, carve, colour, express, lit, open_workshop, split_calls
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import manifest_of, read_photos, subject_of

SPEC = MethodSpec(
    name="humannorm",
    kind="adapted",
    summary="HumanNorm: text SDS under a normal-adapted prior, then colour with multi-step refinement",
    conditioned_on=("text attributes read from the photos", "expression name"),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="approximated",
    source="arXiv 2310.01406, re-implemented on this project's priors, without its depth prior",
    needs_sds=True,
)

TEXT_SCALE = 2.0  # of the small networks; Stable Diffusion's is the profile's
COARSE, FINE, ROUNDS = 0.5, 0.5, 2  # shares of the colour's calls, and how often its views are refreshed
REFRESH_FROM, REFRESH_STEPS, LOOKS = 0.7, 4, 8  # noise that a refreshed view starts at; its steps; its fits


def falling(share: float) -> Bounds:
    """Timesteps: from the generator's first range in the first half to its last."""
    return annealed_range(2.0 * share - 1.0, FIRST_NOISE, LAST_NOISE)


def generate(request: GenerateRequest) -> None:
    """Make the head that the photos' words describe."""
    found = read_photos(request)
    calls = budget_of(request)
    shop = open_workshop(request, without_identity(subject_of(found)), calls)
    asked = load_profile(request.weights).settings
    shape_scale = float(asked.get("guidance_scale", TEXT_SCALE))
    colour_scale = float(asked.get("texture_guidance_scale", TEXT_SCALE))
    on_shape = Distillation(Scales(shape_scale, shape_scale), falling, batch=request.budget.geometry_batch)
    on_colour = Distillation(Scales(colour_scale, colour_scale), falling, batch=request.budget.texture_batch)
    (neutral, *others), rest = split_calls(request, calls)
    coarse, fine = shares_of(rest, [COARSE, FINE])
    body = carve(shop, request.expressions, neutral, on_shape)
    body = express(shop, body, others, on_shape)
    material = colour(shop, body, coarse, on_colour)
    refine(shop, body, material, fine, on_colour)
    manifest = manifest_of(request, SPEC.name, found).model_copy(
        update={"guidance_calls": shop.shape.calls + shop.colour.calls}
    )
    write_head_asset(request.out, textured_meshes(body, material, shop.settings.texture_size), manifest)


def refine(shop: Workshop, body: Geometry, material: MaterialField, calls: int, how: Distillation) -> None:
    """Multi-step SDS: views of the head are drawn anew from its own noised pictures, and followed."""
    neutral = next(iter(body.vertices))
    head = ColouredHead(body.faces, body.places, body.on_mean, material)
    rest, no_code = head.posed(body.vertices[neutral]), body.on_mean.new_zeros(0)
    draw = lit(shop.colour, AROUND)
    for number, spend in enumerate(shares_of(calls, [1.0] * ROUNDS)):
        seed = [shop.seed, 14, number]
        cameras, drawn = draw(np.random.default_rng(seed), max(1, spend // (2 * REFRESH_STEPS)))
        condition = shop.told(neutral)(cameras, shop.control.looks(cameras, drawn).to(shop.colour.device))
        count = min(len(cameras), spend // evaluations(condition, how.scales))
        if count == 0:
            cameras, drawn, count = cameras[:1], drawn[:1], min(1, spend)
        if count == 0:
            continue
        cameras, drawn, condition = cameras[:count], drawn[:count], condition.rows(slice(0, count))
        with torch.no_grad():
            shown = shop.colour.encode(head.pictures(rest, no_code, cameras, drawn).pictures)
        redrawn = sampled(shop.colour, condition, spend, how.scales, seed, REFRESH_FROM, shown)
        shop.report(spend, "texture")
        follow(
            shop.colour,
            SampledViews(cameras, drawn, redrawn),
            lambda some, lights: head.pictures(rest, no_code, some, lights).pictures,
            [colour_group(material.shared, 0.5 * shop.settings.texture_rate)],
            -(-count * LOOKS // how.batch),
            how.batch,
            seed,
        )
