"""TADA (Liao et al. 2024, arXiv 2308.10899), adapted: a template with a learned displacement, by text.

The paper: SMPL-X, whose shape coefficients and per-vertex displacement are learned together with a texture by
score distillation on renders and on normals, so that both agree; the template's own expressions animate the
result.

Adapted to the task: the template is this project's linear head basis (`head_basis.npz`, learned from at most
200 training people on a topology of its own), its expressions are displacements of the mean head; the words
are the attributes that the methods' reader finds in the photos, and nothing else of the person is heard.
Deviations:

- the displacement is a smooth one (B-spline lattices down to 6 mm) in place of one vector a vertex, with the
  regulariser of this project in place of the paper's Laplacian;
- normals and colours take turns in rounds, in place of mixed latents in every step;
- normal maps are asked of the geometry prior, which knows them; the paper asks Stable Diffusion for both;
- timesteps reach from 0.5 to 0.98, where the priors are trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from idto3d.asset import TexturedMesh, write_head_asset
from idto3d.generate import (
    colour_group,
    drawn_views,
    mean_material,
    motion_groups,
    without_identity,
)
from idto3d.geometry.head_basis import HeadBasis, load_head_basis
from idto3d.geometry.head_field import CELLS, REACH
from idto3d.geometry.spline_motion import SplineBasis, SplineLattice, strain_loss
from idto3d.guidance.cameras import AROUND
from idto3d.guidance.control import Drawn
from idto3d.guidance.sample import Scales
from idto3d.profile import load_profile
from idto3d.render.camera import Camera
from idto3d.texture.bake import rasterise_atlas
from idto3d.texture.coloured_head import ColouredHead
from idto3d.texture.maps import material_maps
from idto3d.texture.material_field import MaterialField
from idto3d.texture.unwrap import Unwrapped
from idto3d_baselines.plain_sds import Distillation, budget_of, distil, shares_of
from idto3d_baselines.sds_head import Workshop, lit, normals_of, open_workshop
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import manifest_of, read_photos, subject_of

SPEC = MethodSpec(
    name="tada",
    kind="adapted",
    summary="TADA: a template's shape, displacement and texture by text SDS; the template's expressions",
    conditioned_on=(
        "text attributes read from the photos",
        "a linear basis of 200 training people",
        "expression name",
    ),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="approximated",
    source="arXiv 2308.10899, re-implemented on this project's basis and priors",
    needs_sds=True,
)

BASIS = "head_basis.npz"
NOISE = (0.5, 0.98)
TEXT_SCALE = 2.0  # of the small networks; Stable Diffusion's is the profile's
ROUNDS = 3
SHAPES = 30  # coefficients that learn
SHAPE_RATE, COEFFICIENT_WEIGHT = 0.04, 0.01  # standard deviations a step; of their square
SHAPE_SHARE = 0.4  # of the calls, for normals


class Template(nn.Module):
    """A basis' head with coefficients and a smooth displacement of its own."""

    def __init__(self, basis: HeadBasis) -> None:
        super().__init__()
        self.mean, self.faces = torch.from_numpy(basis.mean), torch.from_numpy(basis.faces)
        scaled = basis.shape[:SHAPES] * basis.shape_deviations[:SHAPES, None, None]
        self._shapes = torch.from_numpy(np.ascontiguousarray(scaled))
        self.coefficients = nn.Parameter(torch.zeros(len(self._shapes)))
        lattices = [SplineLattice(basis.mean, cell, REACH) for cell in CELLS]
        self.motion = nn.ParameterList(torch.zeros(lattice.count, 3) for lattice in lattices)
        self._motions = SplineBasis(lattices, basis.mean)

    def displacement(self) -> Tensor:
        """What is added to the basis' own shape, [V, 3] mm; differentiable."""
        return self._motions(list(self.motion))

    def forward(self) -> Tensor:
        """Neutral vertices [V, 3] mm; differentiable."""
        own: Tensor = torch.tensordot(self.coefficients, self._shapes, 1)
        return self.mean + own + self.displacement()


def generate(request: GenerateRequest) -> None:
    """Make the head that the photos' words describe."""
    found = read_photos(request)
    calls = budget_of(request)
    shop = open_workshop(request, without_identity(subject_of(found)), calls)
    asked = load_profile(request.weights).settings
    shape_scale = float(asked.get("guidance_scale", TEXT_SCALE))
    colour_scale = float(asked.get("texture_guidance_scale", TEXT_SCALE))
    on_shape = Distillation(
        Scales(shape_scale, shape_scale), lambda _: NOISE, batch=request.budget.geometry_batch
    )
    on_colour = Distillation(
        Scales(colour_scale, colour_scale), lambda _: NOISE, batch=request.budget.texture_batch
    )
    basis = load_head_basis(request.weights / BASIS)
    template = Template(basis)
    material = mean_material(template.mean, template.faces, shop.mean_head)
    turns = shares_of(calls, [SHAPE_SHARE, 1.0 - SHAPE_SHARE] * ROUNDS)
    for number in range(ROUNDS):
        learn_shape(shop, template, turns[2 * number], on_shape, number)
        learn_colour(shop, template, material, turns[2 * number + 1], on_colour, number)
    manifest = manifest_of(request, SPEC.name, found).model_copy(
        update={"guidance_calls": shop.shape.calls + shop.colour.calls}
    )
    meshes = textured(template, material, basis, request.expressions, shop.settings.texture_size)
    write_head_asset(request.out, meshes, manifest)


def learn_shape(shop: Workshop, template: Template, calls: int, how: Distillation, number: int) -> None:
    """SDS on the template's normal maps."""

    def besides(_: float) -> Tensor:
        moved = template.displacement()
        loss = shop.settings.displacement_regularity * strain_loss(moved, template.mean, template.faces)
        return loss + COEFFICIENT_WEIGHT * template.coefficients.square().sum()

    distil(
        shop.shape,
        shop.control,
        lambda numbers, count: drawn_views(numbers, shop.shape.resolution, count, AROUND),
        lambda cameras, _: normals_of(template(), template.faces, cameras),
        shop.told("neutral"),
        [
            {"params": [template.coefficients], "rate": SHAPE_RATE},
            *motion_groups([template.motion], shop.settings.likeness_rate),
        ],
        calls,
        how,
        [shop.seed, 31, number],
        besides=besides,
        report=lambda more: shop.report(more, "shape"),
    )


def learn_colour(
    shop: Workshop,
    template: Template,
    material: MaterialField,
    calls: int,
    how: Distillation,
    number: int,
) -> None:
    """SDS on its shaded pictures, which move the shape besides."""
    head = ColouredHead(template.faces, template.mean, template.mean, material)
    no_code = template.mean.new_zeros(0)

    def pictures(cameras: Sequence[Camera], lights: Sequence[Drawn]) -> Tensor:
        return head.pictures(head.posed(template()), no_code, cameras, lights).pictures

    def besides(_: float) -> Tensor:
        moved = template.displacement()
        return shop.settings.displacement_regularity * strain_loss(moved, template.mean, template.faces)

    distil(
        shop.colour,
        shop.control,
        lit(shop.colour, AROUND),
        pictures,
        shop.told("neutral"),
        [
            colour_group(material.shared, shop.settings.texture_rate),
            *motion_groups([template.motion], 0.5 * shop.settings.likeness_rate),
        ],
        calls,
        how,
        [shop.seed, 32, number],
        besides=besides,
        report=lambda more: shop.report(more, "colour"),
    )


def textured(
    template: Template, material: MaterialField, basis: HeadBasis, expressions: Sequence[str], size: int
) -> dict[str, TexturedMesh]:
    """The learned head with the template's expressions, one atlas for all."""
    with torch.no_grad():
        neutral = template().double().numpy()
    layout = Unwrapped(basis.source, basis.uv_faces, basis.uvs)
    texels = rasterise_atlas(layout, size)
    places = basis.mean.astype(np.float64)[layout.source]
    albedo, surface = material_maps(material, texels, layout.faces, places, None)
    return {
        name: TexturedMesh(
            (neutral + basis.displacement(name))[layout.source],
            layout.faces,
            layout.uvs.astype(np.float64),
            albedo,
            surface,
        )
        for name in expressions
    }
