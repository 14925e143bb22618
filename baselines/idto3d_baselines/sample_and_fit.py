"""Sample, then fit: whole pictures from the very priors of ID-to-3D, and a head fitted to them.

What score distillation must beat at equal calls: if a prior can draw the person, why not let it draw, from
many sides, and fit a head to the drawings? The line of CAP4D and of multi-view diffusion does so with models
whose views agree; these priors draw each view by itself.

Everything but the distillation is `id_to_3d`'s: the identity embedding, the words, the mean head to start
from, both priors, the renderer, the regularisers. Deviations from those lines of work: views are drawn
independently (nothing makes them agree), they are 64 pixels wide, and the fit is this project's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from idto3d.asset import write_head_asset
from idto3d.generate import textured_meshes
from idto3d.guidance.condition import Condition
from idto3d.guidance.control import ControlView, Drawn
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.sample import Scales, evaluations
from idto3d.render.camera import Camera
from idto3d_baselines.plain_sds import Distillation, Views, budget_of
from idto3d_baselines.sampled_views import SampledViews, follow, sampled
from idto3d_baselines.sds_head import carve, colour, express, from_neutral, open_workshop, split_calls
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import manifest_of, read_photos, subject_of

SPEC = MethodSpec(
    name="sample_and_fit",
    kind="native",
    summary="whole pictures sampled from ID-to-3D's own priors, and a head fitted to them",
    conditioned_on=("identity embedding", "text attributes read from the photos", "expression name"),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="own",
    source="a control for score distillation; the road of CAP4D (arXiv 2412.12093) without its model",
    needs_sds=True,
)

STEPS = 8  # of DDIM, a picture
LOOKS = 6  # steps of the fit for every picture


def generate(request: GenerateRequest) -> None:
    """Let the priors draw the person from many sides, and fit a head to what they drew."""
    found = read_photos(request)
    calls = budget_of(request)
    shop = open_workshop(request, subject_of(found), calls, sample_then_fit)
    plain = Distillation(Scales(), lambda _: (0.0, 1.0), batch=request.budget.geometry_batch)
    (neutral, *others), rest = split_calls(request, calls)
    body = carve(shop, request.expressions, neutral, plain)
    body = express(shop, body, others, from_neutral(request, plain.noise))
    material = colour(shop, body, rest, plain)
    manifest = manifest_of(request, SPEC.name, found).model_copy(
        update={"guidance_calls": shop.shape.calls + shop.colour.calls}
    )
    write_head_asset(request.out, textured_meshes(body, material, shop.settings.texture_size), manifest)


def sample_then_fit(
    guidance: Guidance,
    control: ControlView,
    draw: Callable[[np.random.Generator, int], Views],
    pictures: Callable[[Sequence[Camera], Sequence[Drawn]], Tensor],
    told: Callable[[Sequence[Camera], Tensor], Condition],
    groups: Sequence[dict[str, Any]],
    calls: int,
    how: Distillation,
    seed: Sequence[int],
    *,
    besides: Callable[[float], Tensor] | None = None,
    before_step: Callable[[], None] | None = None,
    report: Callable[[int], None] | None = None,
) -> None:
    """In the place of `plain_sds.distil`: all calls go into pictures, and the fit costs none."""
    if calls <= 0:
        return
    cameras, drawn = draw(np.random.default_rng([*seed, 1]), 1)
    each = evaluations(told(cameras, control.looks(cameras, drawn).to(guidance.device)), how.scales)
    count = max(1, calls // (STEPS * each))
    cameras, drawn = draw(np.random.default_rng([*seed, 1]), count)
    condition = told(cameras, control.looks(cameras, drawn).to(guidance.device))
    latents = sampled(guidance, condition, calls, how.scales, [*seed, 2])
    if report is not None:
        report(calls)
    views = SampledViews(cameras, drawn, latents)
    steps = -(-count * LOOKS // how.batch)
    follow(
        guidance,
        views,
        pictures,
        groups,
        steps,
        how.batch,
        [*seed, 3],
        besides=besides,
        before_step=before_step,
    )
