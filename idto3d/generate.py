"""ID-to-3D, top to bottom: photos of one person in, a head with expressions out (arXiv 2405.16570).

    photos ─► identity embedding ─► stage 1: DMTet geometry, SDS on normals ─► stage 2: PBR texture,
    SDS on shaded colour under random light ─► UVs, baked maps, one GLB per expression.

The paper's schedules, ranks and step counts are not public; each number below that is not measured here names
the public source it follows. Nothing in this file knows who the person is beyond the photos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from idto3d.asset import AssetManifest, TexturedMesh, write_head_asset
from idto3d.attributes import Attributes
from idto3d.checkpoints import Checkpoints, state_of
from idto3d.expressions import EXPRESSIONS
from idto3d.geometry.cleanup import largest_component, reduce_faces
from idto3d.geometry.head_field import HeadField, smooth_gradients
from idto3d.geometry.mean_head import MeanHead, load_mean_head
from idto3d.geometry.mesh import Mesh
from idto3d.geometry.mouth import lip_heights, parted, unfolded
from idto3d.geometry.preconditioning import UniformAdam
from idto3d.geometry.regularisers import eikonal_loss, laplacian_loss, sign_change_loss
from idto3d.geometry.sdf import mesh_sdf
from idto3d.geometry.spline_motion import strain_loss
from idto3d.geometry.tet_grid import FACE, TetGrid, Thin, build_tet_grid
from idto3d.guidance.cameras import AROUND, draw_view
from idto3d.guidance.condition import Condition
from idto3d.guidance.control import ControlView, Drawn
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.priors import open_prior
from idto3d.guidance.reference_views import ViewOrder, mean_views
from idto3d.guidance.sample import Scales, to_uint8
from idto3d.guidance.sds import TIMESTEP_RANGES, blurred, sds_loss
from idto3d.profile import Stage, load_profile
from idto3d.prompt import LOUDNESS, Prompt
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight
from idto3d.render.normals import render_normal_views
from idto3d.texture.bake import rasterise_atlas
from idto3d.texture.coloured_head import ColouredHead
from idto3d.texture.maps import material_maps
from idto3d.texture.material_field import MaterialField, Near, material_smoothness
from idto3d.texture.unwrap import unwrap

Progress = Callable[[int, int, str], None]
OpenPrior = Callable[[Path, Stage], Guidance]
GENERATOR_VERSION = "4"
# Shares of the noise schedule that distillation looks at, at its first and at its last step: the priors are
# trained from 0.55 on, where the condition and not the noisy picture says what is there.
FIRST_NOISE, LAST_NOISE = (0.7, 0.98), (0.55, 0.75)
# The range falls in so many phases; each has reference views of its own.
PHASES = 3
FACE_TEXEL = 1.3  # mm; eyes, lips and brows, at what a picture of 64 pixels shows of them from near
# Grids finer than what a smooth answer says keep much of the mean head's detail: with one rate for all, the
# skin came out checked.
FINE_GRIDS, FINE_RATE = 2, 0.3
NEUTRAL_PICTURES = 0.5  # share of stage 2's steps that look at the neutral head alone
FINE_FROM = 0.6  # share of the neutral part after which the level set moves too
PREVIEW_CAMERAS = [Camera(yaw, 0.0, 0.0, 900.0, 0.34, (0.0, -15.0, -60.0), 192) for yaw in (0.0, 0.6)]
EVEN_LIGHT = EnvironmentLight.uniform(0.9)
BAND = 20.0  # mm that the surface may move from the mean head
LIP_CELL, LIP_MARGIN = 0.6, 1.5  # mm: height of the grid's cells between the lips, and how far beside them
REGULARISED_POINTS = 1000  # surface points a step that texture smoothness is measured at
# `sds_loss` is a mean over a picture's 12,288 numbers; as a sum it outweighs the regularisers.
SDS_WEIGHT = 12_288.0


@dataclass(frozen=True)
class GeneratorSettings:
    """Hyper-parameters of both stages; lengths in mm, timesteps as shares of the schedule."""

    geometry_steps: int = 500
    neutral_share: float = 0.4  # of these steps; the others are shared by the other expressions
    views: int = 64  # reference views of a part
    # What sets this apart from plain SDS; `idto3d-eval bench ablation` takes each away.
    reference: bool = True  # Delta Denoising Score against the mean head
    noise_range: str = "annealed"  # of TIMESTEP_RANGES
    distillation_weight: str = "clean_sample"  # of WEIGHTS: a loss in x0
    geometry_blur: float = 0.7  # pixels that pictures are compared through (`blurred`)
    texture_detail: float = 2.0  # pixels: what is finer in the start's colours is given back (`noised`)
    tint_blur: float = 1.0
    rescale: float = 0.0  # of classifier-free guidance (Lin et al. 2023, eq. 16)
    texture_steps: int = 250
    geometry_batch: int = 2
    texture_batch: int = 2
    grid_resolution: int = 60
    # Of the identity. On validation people 0 and 3 the mean NoW median was 1.29 mm at 1 and 1.38 at 2 (mean
    # head 1.31); what tells faces apart is small, and pushing it pushes its error.
    guidance_scale: float = 1.0
    text_scale: float = 2.5  # of expression and attributes in stage 1's expressions
    texture_guidance_scale: float = 1.25  # of the neutral head; 3 saturated the colours
    likeness_rate: float = 0.3  # mm a step, of the coarsest lattice that moves the mean head to the person
    prompt_loudness: float = LOUDNESS  # how far a prompt pushes away from the words read from the photos
    geometry_rate: float = 0.5  # mm a step, at the place that moves most
    displacement_rate: float = 0.8  # mm; an expression is drawn in few steps, and a jaw drops 20 mm
    texture_rate: float = 0.05
    tint_rate: float = 0.2  # the most in a step, of what one expression alone shows, in a few steps
    smoothing_passes: int = 8
    sdf_regularity: float = 0.02
    surface_regularity: float = 0.02
    displacement_regularity: float = 0.05
    texture_regularity: float = 0.1
    faces: int = 16_000
    texture_size: int = 512


def learning_rate(progress: float) -> float:
    """Share of the base rate: a short warm-up, then a cosine to a tenth."""
    return min(1.0, progress / 0.03 + 0.1) * (0.1 + 0.9 * 0.5 * (1.0 + float(np.cos(np.pi * progress))))


@dataclass(frozen=True)
class Subject:
    """What the photos said: embedding [D] (unit) or None, and attributes in words or None; and what a prompt
    asks for beyond them."""

    embedding: NDArray[np.float32] | None
    attributes: Attributes | None
    prompt: Prompt | None = None


NOBODY = Subject(None, None)


@dataclass(frozen=True)
class Geometry:
    """Stage 1's result: the field, and one mesh for all expressions."""

    field: HeadField
    faces: Tensor  # [F, 3]
    vertices: dict[str, Tensor]  # expression -> [V, 3] mm
    places: Tensor  # [V, 3] mm: where each vertex lies on the mean head, its lips apart (`unfolded`)


def start_grid(head: MeanHead, resolution: int) -> TetGrid:
    """The tetrahedral grid around the mean head, whose lips it parts."""
    (left, low, back), (right, high, front) = head.mesh.vertices.min(0), head.mesh.vertices.max(0)
    below, above = lip_heights(head.landmarks)
    return build_tet_grid(
        parted(mesh_sdf(head.mesh), head.landmarks),
        (left, low, back),
        (right, high, front),
        resolution,
        BAND,
        FACE,
        Thin(below - LIP_MARGIN, above + LIP_MARGIN, LIP_CELL),
    )


def start_field(grid: TetGrid, expressions: int, landmarks: NDArray[np.floating]) -> HeadField:
    """The mean head as a field whose motions can part its lips; landmarks [68, 3] mm."""
    return HeadField(grid, expressions, lambda points: unfolded(points, landmarks))


def condition_of(
    subject: Subject,
    expression: str,
    cameras: Sequence[Camera],
    shown: Tensor,
) -> Condition:
    """What the denoiser is told of a batch of views of one expression; `shown` is `ControlView.looks`."""
    return Condition.of(
        subject.embedding,
        EXPRESSIONS.index(expression),
        cameras,
        subject.attributes,
        control=shown,
        prompt=subject.prompt,
    )


def sculpt(
    subject: Subject,
    expressions: Sequence[str],
    guidance: Guidance,
    control: ControlView,
    grid: TetGrid,
    settings: GeneratorSettings,
    seed: int,
    progress: Progress | None = None,
    kept: Checkpoints | None = None,
) -> Geometry:
    """Stage 1: SDS on normal maps moves the mean head to the person, then that head to each expression.

    The mean head under nobody's condition is the reference of `sds_loss`: with plain SDS the small denoiser's
    blur melted nose and ears within 150 steps.

    Args:
        subject: what the photos said.
        expressions: names, neutral first.
        guidance: the base model with its geometry adapter.
        control: the mean head, as the denoiser is shown it.
        grid: from `start_grid`.
        settings, seed: hyper-parameters and the run's randomness: what is drawn follows from the seed and the
            step alone, so that a run goes on from a checkpoint as if it had not stopped.
        progress: called after each step.
        kept: where checkpoints are written to and read from.
    """
    field = start_field(grid, len(expressions), control.landmarks)
    with torch.no_grad():
        start = field.mesh(0)
    others = len(expressions) - 1
    neutral_steps = round(settings.geometry_steps * (settings.neutral_share if others else 1.0))
    parts = Parts(settings.geometry_steps, neutral_steps, settings.noise_range)
    level_set = {"params": [field.sdf, field.deformation], "rate": settings.geometry_rate}
    fine = UniformAdam([level_set], lr=settings.geometry_rate, betas=(0.9, 0.99))
    coarse = torch.optim.Adam(motion_groups([field.likeness], settings.likeness_rate), betas=(0.9, 0.99))
    motion = torch.optim.Adam(
        motion_groups(field.displacement, settings.displacement_rate), betas=(0.8, 0.95)
    )
    optimisers: list[torch.optim.Optimizer] = [coarse, fine, motion]
    first = kept.restore("geometry", field, optimisers, guidance) if kept else 0
    for step in range(first, settings.geometry_steps):
        neutral, share = step < neutral_steps, parts.share(step)
        if step in (first, neutral_steps):
            numbers = np.random.default_rng([seed, 1, neutral])
            seen_mean = mean_views(
                guidance,
                control,
                *drawn_views(numbers, guidance.resolution, settings.views, AROUND if neutral else 0.0),
                lambda cameras, _: blurred(
                    render_normal_views(*start, cameras)[0].permute(0, 3, 1, 2), settings.geometry_blur
                ),
                lambda cameras, shown: condition_of(NOBODY, expressions[0], cameras, shown),
            )
            order = ViewOrder(settings.views, numbers, parts.taken(step) * settings.geometry_batch)
        if step == first or parts.opens_phase(step):
            noise = generator_of(seed, 1, neutral, parts.phase(step))
            views = seen_mean.noised(guidance, parts.bounds(step), noise)
        index = 0 if neutral else 1 + (step - neutral_steps) % others
        # Coarse to fine; and an expression moves the head that is there, and does not change whose it is.
        moving: list[torch.optim.Optimizer] = [motion]
        if neutral:
            moving = [coarse, fine] if share >= FINE_FROM else [coarse]
        field.likeness.requires_grad_(neutral)
        for parameter in (field.sdf, field.deformation):
            parameter.requires_grad_(fine in moving)
        seen = views.pick(order.take(settings.geometry_batch))
        vertices, faces = field.mesh(index)
        normals, _ = render_normal_views(vertices, faces, seen.cameras)
        loss = SDS_WEIGHT * sds_loss(
            guidance,
            blurred(normals.permute(0, 3, 1, 2), settings.geometry_blur),
            condition_of(subject, expressions[index], seen.cameras, seen.control),
            seen.t,
            Scales(
                settings.guidance_scale,
                settings.guidance_scale if neutral else settings.text_scale,
                rescale=settings.rescale,
            ),
            seen.noise,
            weight=settings.distillation_weight,
            error=seen.error if settings.reference else None,
        )
        before = field.start() if neutral else field.neutral()
        moved = field.moved(field.likeness) if neutral else vertices - before
        loss = loss + settings.displacement_regularity * strain_loss(moved, before, faces)
        if fine in moving:
            loss = loss + settings.sdf_regularity * (sign_change_loss(field) + eikonal_loss(field))
            loss = loss + settings.surface_regularity * laplacian_loss(vertices, faces)
        for optimiser in moving:
            make_ready(optimiser, share)
        loss.backward()
        if fine in moving:
            smooth_gradients(field, settings.smoothing_passes)
        for optimiser in moving:
            optimiser.step()
        if progress:
            progress(step + 1, settings.geometry_steps, "geometry")
        if kept:
            kept.after_step(
                "geometry",
                step + 1 == settings.geometry_steps,
                lambda: state_of(step + 1, field, optimisers, guidance),  # noqa: B023
                lambda: normals_picture(field),
            )
    return settled(field, expressions, control.landmarks, settings.faces)


def motion_groups(motions: Iterable[nn.ParameterList], rate: float) -> list[dict[str, Any]]:
    """Parameter groups for Adam, one a lattice: `rate` mm a step on the coarsest, half on each finer one."""
    levels = zip(*motions, strict=True)
    return [{"params": list(level), "rate": rate * 0.5**index} for index, level in enumerate(levels)]


def make_ready(optimiser: torch.optim.Optimizer, share: float) -> None:
    """Rates for this share of a part, from each group's own `rate`, and no gradients."""
    for group in optimiser.param_groups:
        group["lr"] = group["rate"] * learning_rate(share)
    optimiser.zero_grad(set_to_none=True)


@dataclass(frozen=True)
class Parts:
    """A stage's two parts, the neutral head and then the others; each anneals in `PHASES` phases."""

    steps: int
    neutral_steps: int
    noise_range: str

    def share(self, step: int) -> float:
        """How far a step is in its part, in [0, 1)."""
        return self.taken(step) / (
            self.neutral_steps if step < self.neutral_steps else self.steps - self.neutral_steps
        )

    def taken(self, step: int) -> int:
        """Steps of its part before a step."""
        return step if step < self.neutral_steps else step - self.neutral_steps

    def phase(self, step: int) -> int:
        """The phase of its part that a step lies in."""
        return int(PHASES * self.share(step))

    def opens_phase(self, step: int) -> bool:
        """Whether a step is the first of its part or of one of its phases."""
        return self.taken(step) == 0 or self.phase(step) != self.phase(step - 1)

    def bounds(self, step: int) -> tuple[float, float]:
        """The range of noise of a step's phase, as shares of the schedule."""
        return TIMESTEP_RANGES[self.noise_range](self.phase(step) / (PHASES - 1), FIRST_NOISE, LAST_NOISE)


def generator_of(*key: int) -> torch.Generator:
    """The randomness of one purpose, from the seed and what it is for."""
    return torch.Generator().manual_seed(int(np.random.default_rng(key).integers(2**62)))


@torch.no_grad()
def normals_picture(field: HeadField) -> NDArray[np.uint8]:
    """The neutral head's and the last expression's normals from the front, for the one who waits."""
    shown = [
        render_normal_views(*field.mesh(index), PREVIEW_CAMERAS)[0]
        for index in sorted({0, len(field.codes) - 1})
    ]
    return np.concatenate(to_uint8(torch.cat(shown).permute(0, 3, 1, 2)), 1)


def drawn_views(
    numbers: np.random.Generator, resolution: int, count: int, around: float
) -> tuple[list[Camera], list[Drawn]]:
    """Cameras for normal maps; `around` of them from anywhere."""
    return [draw_view(numbers, resolution, around) for _ in range(count)], ["normals"] * count


def settled(
    field: HeadField, expressions: Sequence[str], landmarks: NDArray[np.floating], faces: int
) -> Geometry:
    """One clean body with a bounded number of faces, carried to every expression."""
    with torch.no_grad():
        posed = {name: field.mesh(index) for index, name in enumerate(expressions)}
        start = field.start().numpy()
    neutral, topology = posed[expressions[0]]
    body = largest_component(Mesh(neutral.double().numpy(), topology.numpy()))
    reduced = reduce_faces(body, faces)
    vertices = {name: torch.from_numpy(reduced.carry(v.numpy())).float() for name, (v, _) in posed.items()}
    places = torch.from_numpy(unfolded(reduced.carry(start), landmarks)).float()
    return Geometry(field, torch.from_numpy(reduced.faces), vertices, places)


def paint(
    subject: Subject,
    geometry: Geometry,
    guidance: Guidance,
    control: ControlView,
    mean_head: MeanHead,
    settings: GeneratorSettings,
    seed: int,
    progress: Progress | None = None,
    kept: Checkpoints | None = None,
) -> MaterialField:
    """Stage 2: SDS on shaded colour under random light; reflectance lives on the mean head's surface.

    As the shape starts at the mean head's, the colour starts at its: what every head has, eyes and lips, is
    there to be moved and tinted. The detail that the denoiser takes off the head in these colours is given
    back (`MeanViews.noised`).

    Args:
        subject: what the photos said.
        geometry: from `sculpt`.
        guidance: the base model with its texture adapter.
        control: the mean head, as the denoiser is shown it.
        mean_head: its shape and colour.
        settings, seed, progress, kept: as in `sculpt`.
    """
    names, places, faces = list(geometry.vertices), geometry.places, geometry.faces
    apart = replace(mean_head, points=unfolded(mean_head.points, mean_head.landmarks).astype(np.float32))
    material = MaterialField(
        places,
        faces,
        lambda points: torch.from_numpy(apart.albedo_at(points.numpy())),
        code_size=geometry.field.codes.shape[1],
        near=Near(FACE.lower, FACE.upper, FACE_TEXEL),
    )
    levels = list(material.shared)
    rates = (levels[:-FINE_GRIDS], 1.0), (levels[-FINE_GRIDS:], FINE_RATE)
    colours = torch.optim.Adam(
        [
            {"params": [p for grid in grids for p in grid.parameters()], "rate": rate * settings.texture_rate}
            for grids, rate in rates
        ],
        betas=(0.9, 0.99),
        fused=True,
    )
    # One step size a lattice: what an expression does not change gets no colour of its own.
    tinted = {"params": list(material.moved.parameters()), "rate": settings.tint_rate}
    tints = UniformAdam([tinted], lr=settings.tint_rate, betas=(0.8, 0.95))
    codes = [geometry.field.code(index).detach() for index in range(len(names))]
    head = ColouredHead(faces, list(geometry.vertices.values()), places, codes, material)
    optimisers: list[torch.optim.Optimizer] = [colours, tints]
    numbers = np.random.default_rng([seed, 2])
    seen_start = mean_views(
        guidance,
        control,
        *lit_views(numbers, guidance.resolution, settings.views),
        lambda cameras, lights: head.pictures(0, cameras, lights)[0],
        lambda cameras, shown: condition_of(subject, names[0], cameras, shown),
    )
    first = kept.restore("texture", material, optimisers, guidance) if kept else 0
    others = len(names) - 1
    neutral_steps = round(settings.texture_steps * (NEUTRAL_PICTURES if others else 1.0))
    parts = Parts(settings.texture_steps, neutral_steps, settings.noise_range)
    order = ViewOrder(settings.views, numbers, first * settings.texture_batch)
    for step in range(first, settings.texture_steps):
        neutral, share = step < neutral_steps, parts.share(step)
        noise = generator_of(seed, 2, step)
        if step == first or parts.opens_phase(step):
            views = seen_start.noised(
                guidance,
                parts.bounds(step),
                generator_of(seed, 2, neutral, settings.texture_steps + parts.phase(step)),
                settings.texture_detail,
            )
        # The neutral head has the person's colours; an expression tints what it changes.
        moving = optimisers[0 if neutral else 1]
        material.shared.requires_grad_(neutral)
        index = 0 if neutral else 1 + (step - neutral_steps) % others
        name, code = names[index], codes[index]
        view = views.pick(order.take(settings.texture_batch))
        shown, points = head.pictures(index, view.cameras, view.drawn)
        blur = 0.0 if neutral else settings.tint_blur
        loss = SDS_WEIGHT * sds_loss(
            guidance,
            blurred(shown, blur),
            condition_of(subject, name, view.cameras, view.control),
            view.t,
            Scales(
                settings.texture_guidance_scale,
                settings.texture_guidance_scale if neutral else 1.0,
                rescale=settings.rescale,
            ),
            view.noise,
            weight=settings.distillation_weight,
            error=view.error if settings.reference and neutral else None,
        )
        chosen = points[torch.randint(len(points), (REGULARISED_POINTS,), generator=noise)]
        loss = loss + settings.texture_regularity * material_smoothness(material, chosen, code, noise)
        make_ready(moving, share)
        loss.backward()
        moving.step()
        if progress:
            progress(step + 1, settings.texture_steps, "texture")
        if kept:
            kept.after_step(
                "texture",
                step + 1 == settings.texture_steps,
                lambda: state_of(step + 1, material, optimisers, guidance),  # noqa: B023
                lambda: colour_picture(head),
            )
    return material


def lit_views(numbers: np.random.Generator, resolution: int, count: int) -> tuple[list[Camera], list[Drawn]]:
    """Cameras for shaded colour, each with a light."""
    cameras = [draw_view(numbers, resolution) for _ in range(count)]
    return cameras, [EnvironmentLight.random(numbers) for _ in cameras]


@torch.no_grad()
def colour_picture(head: ColouredHead) -> NDArray[np.uint8]:
    """The neutral head and the last expression in colour under an even light, for the one who waits."""
    lights = [EVEN_LIGHT] * len(PREVIEW_CAMERAS)
    shown = [head.pictures(index, PREVIEW_CAMERAS, lights)[0] for index in sorted({0, len(head) - 1})]
    return np.concatenate(to_uint8(torch.cat(shown)), 1)


def textured_meshes(geometry: Geometry, material: MaterialField, size: int) -> dict[str, TexturedMesh]:
    """Unwrap once, bake each expression's maps."""
    names = list(geometry.vertices)
    neutral = geometry.vertices[names[0]].double().numpy()
    places = geometry.places.double().numpy()
    layout = unwrap(Mesh(neutral, geometry.faces.numpy()), size)
    texels = rasterise_atlas(layout, size)
    meshes = {}
    for index, name in enumerate(names):
        code = geometry.field.code(index).detach()
        albedo, surface = material_maps(material, texels, layout.faces, places[layout.source], code)
        vertices = geometry.vertices[name].double().numpy()[layout.source]
        meshes[name] = TexturedMesh(vertices, layout.faces, layout.uvs.astype(np.float64), albedo, surface)
    return meshes


def generate_head(
    subject: Subject,
    expressions: Sequence[str],
    weights: Path,
    out: Path,
    manifest: AssetManifest,
    settings: GeneratorSettings,
    seed: int,
    progress: Progress | None = None,
    kept: Path | None = None,
    opened: OpenPrior = open_prior,
) -> AssetManifest:
    """Both stages, then the asset on disk.

    Args:
        subject: what the photos said.
        expressions: names of `EXPRESSIONS`, neutral first.
        weights: folder with both priors and the mean head, as its profile names them.
        out: where the HeadAsset folder goes.
        manifest: who, for whom and from what; this fills in the parameters and the guidance calls.
        settings, seed: hyper-parameters and the run's randomness.
        progress: called with steps done, steps in all, and the stage's name.
        kept: folder of checkpoints and of a preview; the same call goes on from there. None keeps nothing.
        opened: reads the prior of a stage from the folder of weights.
    """
    manifest = manifest.model_copy(update={"parameters": {**manifest.parameters, **asdict(settings)}})
    checkpoints = None if kept is None else Checkpoints(kept, manifest.model_dump_json())
    mean_head = load_mean_head(weights / load_profile(weights).mean_head)
    grid, control = start_grid(mean_head, settings.grid_resolution), ControlView(mean_head)
    shape_prior = opened(weights, "geometry")
    geometry = sculpt(subject, expressions, shape_prior, control, grid, settings, seed, progress, checkpoints)
    colour_prior = opened(weights, "texture")
    material = paint(
        subject, geometry, colour_prior, control, mean_head, settings, seed, progress, checkpoints
    )
    meshes = textured_meshes(geometry, material, settings.texture_size)
    manifest = manifest.model_copy(
        update={
            "guidance_calls": shape_prior.calls + colour_prior.calls,
            "generator_version": GENERATOR_VERSION,
            "threads": torch.get_num_threads(),
        }
    )
    return write_head_asset(out, meshes, manifest)


def without_identity(subject: Subject) -> Subject:
    """The same words, nobody's embedding: what text-only distillation is told."""
    return replace(subject, embedding=None)
