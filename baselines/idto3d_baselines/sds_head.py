"""A DMTet head by plain score distillation: shape on normal maps, then expressions, then PBR colour.

What Fantasia3D and HumanNorm have in common; each gives its own schedules. The head starts at the mean head,
as both papers start human heads from a head or an ellipsoid that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from idto3d.generate import (
    GeneratorSettings,
    Geometry,
    Subject,
    colour_group,
    condition_of,
    drawn_views,
    lit_views,
    mean_material,
    motion_groups,
    settled,
    start_field,
    start_grid,
    with_expressions,
)
from idto3d.geometry.head_field import smooth_gradients
from idto3d.geometry.mean_head import MeanHead, load_mean_head
from idto3d.geometry.regularisers import eikonal_loss, laplacian_loss, sign_change_loss
from idto3d.geometry.spline_motion import strain_loss
from idto3d.guidance.cameras import AROUND
from idto3d.guidance.condition import Condition
from idto3d.guidance.control import ControlView, Drawn
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.priors import open_prior
from idto3d.profile import load_profile
from idto3d.render.camera import Camera
from idto3d.render.normals import render_normal_views
from idto3d.texture.coloured_head import ColouredHead
from idto3d.texture.material_field import MaterialField, material_smoothness
from idto3d_baselines.plain_sds import Distillation, Views, distil, shares_of
from idto3d_baselines.specs import GenerateRequest

REGULARISED_POINTS = 1000  # of the surface, a step
GEOMETRY, TEXTURE = "geometry", "texture"


class Pull(Protocol):
    """Brings what is learned to where a prior would have its pictures: `plain_sds.distil`, or another road
    that takes the same arguments."""

    def __call__(
        self,
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
        """See `distil`."""


@dataclass(frozen=True)
class Workshop:
    """What a head is made with.

    Attributes:
        subject: what the photos said, as far as the method hears it.
        shape, colour: the priors of the two stages.
        control: the mean head, as denoisers are shown it.
        mean_head: where the head starts.
        settings: learning rates and regularisers, which are the generator's but for the row's parameters.
        seed: of all that is drawn.
        report: called with the guidance calls of each step and the stage.
        pull: how pictures pull; score distillation unless a method says otherwise.
    """

    subject: Subject
    shape: Guidance
    colour: Guidance
    control: ControlView
    mean_head: MeanHead
    settings: GeneratorSettings
    seed: int
    report: Callable[[int, str], None]
    pull: Pull = distil

    def told(self, expression: str) -> Callable[[Sequence[Camera], Tensor], Condition]:
        """What the denoiser hears of an expression in some views."""
        return lambda cameras, shown: condition_of(self.subject, expression, cameras, shown)


def open_workshop(request: GenerateRequest, subject: Subject, calls: int, pull: Pull = distil) -> Workshop:
    """The workshop of a request; its report says how many of the calls are spent."""
    mean_head = load_mean_head(request.weights / load_profile(request.weights).mean_head)
    done = 0

    def report(more: int, what: str) -> None:
        nonlocal done
        done += more
        if request.progress:
            request.progress(done, calls, what)

    return Workshop(
        subject,
        open_prior(request.weights, "geometry"),
        open_prior(request.weights, "texture"),
        ControlView(mean_head),
        mean_head,
        replace(GeneratorSettings(), **request.parameters),  # type: ignore[arg-type]
        request.seed,
        report,
        pull,
    )


def split_calls(request: GenerateRequest, calls: int) -> tuple[list[int], int]:
    """Calls for each expression's shape, neutral first, and for the colour.

    Stages share them as the budget's steps do, the neutral head has as many as in `idto3d.generate`.
    """
    budget, neutral = request.budget, GeneratorSettings().neutral_weight
    shape, colour = shares_of(calls, [max(budget.geometry_steps, 1), max(budget.texture_steps, 1)])
    others = len(request.expressions) - 1
    return shares_of(shape, [neutral, *[1.0] * others]), colour


def carve(shop: Workshop, expressions: Sequence[str], calls: int, how: Distillation) -> Geometry:
    """Stage 1: the neutral head's level set and motion by SDS on normal maps; as one clean body.

    Args:
        shop: priors, mean head and seed.
        expressions: names, neutral first; as many displacements wait to be learned.
        calls: to spend.
        how: schedules.
    """
    settings = shop.settings
    field = start_field(
        start_grid(shop.mean_head, settings.grid_resolution).to(shop.shape.device),
        len(expressions),
        shop.mean_head.landmarks,
    )

    def pictures(cameras: Sequence[Camera], _: Sequence[Drawn]) -> Tensor:
        return normals_of(*field.mesh(0), cameras)

    def besides(_: float) -> Tensor:
        vertices, faces = field.mesh(0)
        start = field.start()
        loss = settings.sdf_regularity * (sign_change_loss(field) + eikonal_loss(field))
        loss = loss + settings.surface_regularity * laplacian_loss(vertices, faces)
        return loss + settings.displacement_regularity * strain_loss(vertices - start, start, faces)

    shop.pull(
        shop.shape,
        shop.control,
        lambda numbers, count: drawn_views(numbers, shop.shape.resolution, count, AROUND),
        pictures,
        shop.told(expressions[0]),
        [
            *motion_groups([field.likeness], settings.likeness_rate),
            {"params": [field.sdf, field.deformation], "rate": 0.1 * settings.geometry_rate},
        ],
        calls,
        how,
        [shop.seed, 11],
        besides=besides,
        before_step=lambda: smooth_gradients(field, settings.smoothing_passes),
        report=lambda more: shop.report(more, GEOMETRY),
    )
    field.requires_grad_(False)
    return settled(field, expressions, shop.mean_head.landmarks, settings.faces)


def express(shop: Workshop, body: Geometry, calls: Sequence[int], how: Distillation) -> Geometry:
    """Move a neutral body to each further expression by SDS on normal maps, told its name.

    Args:
        shop: priors and seed.
        body: from `carve`.
        calls: to spend on each, in the body's order.
        how: schedules.
    """
    names, faces, field = list(body.vertices), body.faces, body.field
    neutral = body.vertices[names[0]]
    for index, spend in enumerate(calls, start=1):
        motion = field.displacement[index - 1].requires_grad_(True)

        def pictures(cameras: Sequence[Camera], _: Sequence[Drawn]) -> Tensor:
            return normals_of(body.posed(index), faces, cameras)  # noqa: B023

        def besides(_: float) -> Tensor:
            moved = body.displaced(index)  # noqa: B023
            return shop.settings.displacement_regularity * strain_loss(moved, neutral, faces)

        shop.pull(
            shop.shape,
            shop.control,
            lambda numbers, count: drawn_views(numbers, shop.shape.resolution, count, 0.0),
            pictures,
            shop.told(names[index]),
            motion_groups([motion], shop.settings.displacement_rate),
            spend,
            how,
            [shop.seed, 12, index],
            besides=besides,
            report=lambda more: shop.report(more, GEOMETRY),
        )
        motion.requires_grad_(False)
    return with_expressions(body, names)


def colour(
    shop: Workshop,
    body: Geometry,
    calls: int,
    how: Distillation,
    material: MaterialField | None = None,
) -> MaterialField:
    """Stage 2: reflectance by SDS on the neutral head, shaded under random light.

    Args:
        shop: priors, mean head and seed.
        body: the shape, which stays.
        calls: to spend.
        how: schedules.
        material: to go on from; the mean head's colours by default.
    """
    settings, faces = shop.settings, body.faces
    neutral = body.vertices[next(iter(body.vertices))]
    if material is None:
        material = mean_material(body.places, faces, shop.mean_head)
    head = ColouredHead(faces, body.places, body.on_mean, material)
    rest, no_code = head.posed(neutral), neutral.new_zeros(0)
    noise = torch.Generator().manual_seed(shop.seed)

    def besides(_: float) -> Tensor:
        chosen = body.places[torch.randint(len(body.places), (REGULARISED_POINTS,), generator=noise)]
        smooth = material_smoothness(material, chosen, no_code, noise)
        return settings.texture_regularity * smooth

    shop.pull(
        shop.colour,
        shop.control,
        lit(shop.colour, AROUND),
        lambda cameras, lights: head.pictures(rest, no_code, cameras, lights).pictures,
        shop.told(next(iter(body.vertices))),
        [colour_group(material.shared, settings.texture_rate)],
        calls,
        how,
        [shop.seed, 13],
        besides=besides,
        report=lambda more: shop.report(more, TEXTURE),
    )
    return material


def lit(guidance: Guidance, around: float) -> Callable[[np.random.Generator, int], Views]:
    """Draws views in colour, `around` of them from anywhere, each under a light of its own."""
    return lambda numbers, count: lit_views(numbers, guidance.resolution, count, around)


def normals_of(vertices: Tensor, faces: Tensor, cameras: Sequence[Camera]) -> Tensor:
    """Normal maps [B, 3, R, R] in [-1, 1]; differentiable."""
    return render_normal_views(vertices, faces, cameras).normals.permute(0, 3, 1, 2)
