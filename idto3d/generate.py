"""ID-to-3D, top to bottom: photos of one person in, a head with expressions out (arXiv 2405.16570).

    photos ─► identity embedding ─► stage 1: DMTet geometry, SDS on normals ─► stage 2: PBR texture,
    SDS on shaded colour under random light ─► UVs, baked maps, one GLB per expression.

The paper's schedules, ranks and step counts are not public; each number below that is not measured here names
the public source it follows. Nothing in this file knows who the person is beyond the photos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
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
from idto3d.geometry.cleanup import Reduced, largest_component, reduce_faces
from idto3d.geometry.head_field import NEUTRAL, HeadField, smooth_gradients
from idto3d.geometry.mean_head import MeanHead, load_mean_head
from idto3d.geometry.mesh import Mesh
from idto3d.geometry.mouth import jaw_dropped, lip_heights, near_mouth, parted, unfolded
from idto3d.geometry.place_fit import fit_places
from idto3d.geometry.preconditioning import UniformAdam
from idto3d.geometry.regularisers import eikonal_loss, laplacian_loss, sign_change_loss
from idto3d.geometry.sdf import mesh_sdf
from idto3d.geometry.spline_motion import SplineBasis, strain_loss
from idto3d.geometry.tet_grid import FACE, TetGrid, Thin, build_tet_grid
from idto3d.guidance.asking import Block, BlockViews, asked, random_of, softened, split_steps
from idto3d.guidance.cameras import AROUND, draw_view
from idto3d.guidance.condition import Condition
from idto3d.guidance.control import UNIT, ControlView, Drawn
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.places import asked_places, place_loss, place_weight
from idto3d.guidance.priors import open_prior
from idto3d.guidance.reference_views import ReferenceViews, StillViews, ViewOrder, plain_views, still_views
from idto3d.guidance.sample import Scales, to_uint8
from idto3d.guidance.sds import TIMESTEP_RANGES, blurred, pull_loss
from idto3d.guidance.shown import Shown
from idto3d.profile import Stage, load_profile
from idto3d.prompt import Prompt
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight
from idto3d.render.normals import render_normal_views
from idto3d.render.rasterise import carried_views
from idto3d.texture.bake import rasterise_atlas
from idto3d.texture.coloured_head import ColouredHead
from idto3d.texture.maps import material_maps
from idto3d.texture.material_field import MaterialField, Near, material_smoothness
from idto3d.texture.unwrap import unwrap

Progress = Callable[[int, int, str], None]
OpenPrior = Callable[[Path, Stage], Guidance]
GENERATOR_VERSION = "8"
# Shares of the noise schedule that distillation looks at, at its first and at its last step: the priors are
# trained from 0.55 on, where the condition and not the noisy picture says what is there.
FIRST_NOISE, LAST_NOISE = (0.7, 0.98), (0.55, 0.75)
PHASES = 3  # in which the range falls; each has reference views of its own
# Pixels that an expression's pictures are blurred by more, by phase: a jaw drops further than a sharp
# picture's gradient reaches. As many lattices move as phases have begun.
EXPRESSION_BLUR = (2.5, 1.2, 0.0)
# mm that a jaw may have dropped before an expression is drawn, and how many views choose: closed lips have no
# gradient that parts them.
JAW_DROPS, JAW_VIEWS = (0.0, 5.0, 10.0, 16.0, 23.0), 8
LAYOUT_LATTICES, LAYOUT_COLOURS = 2, 2  # coarse ones
LAYOUT_BLUR = (3.0, 2.0, 1.0)  # pixels, by phase
FACE_TEXEL = 1.3  # mm; eyes, lips and brows, at what a picture of 64 pixels shows of them from near
# Grids finer than what a smooth answer says keep much of the mean head's detail: with one rate for all, the
# skin came out checked.
FINE_GRIDS, FINE_RATE = 2, 0.3
FINE_FROM = 0.6  # share of the neutral part after which the level set moves too
PREVIEW_CAMERAS = [Camera(yaw, 0.0, 0.0, 900.0, 0.34, (0.0, -15.0, -60.0), 192) for yaw in (0.0, 0.6)]
EVEN_LIGHT = EnvironmentLight.uniform(0.9)
BAND = 20.0  # mm that the surface may move from the mean head
LIP_CELL, LIP_MARGIN = 0.6, 1.5  # mm: height of the grid's cells between the lips, and how far beside them
REGULARISED_POINTS = 1000  # surface points a step that texture smoothness is measured at
# `pull_loss` is a mean over a picture's 12,288 numbers; as a sum it outweighs the regularisers.
SDS_WEIGHT = 12_288.0


@dataclass(frozen=True)
class GeneratorSettings:
    """Hyper-parameters of both stages; lengths in mm, timesteps as shares of the schedule."""

    geometry_steps: int = 500
    layout_share: float = 0.5  # steps before stage 1, as a share of its steps for the neutral head
    neutral_weight: float = 5.0  # steps of a stage for the neutral head, as many expressions' worth
    views: int = 32  # reference views of a part
    # The denoiser is asked about several views at once, and its answers are followed for some steps.
    neutral_askings: int = 12  # in a part
    expression_askings: int = 3  # of an expression
    looks: int = 3  # at a view before it is asked about again
    # What sets this apart from plain SDS; `idto3d-eval run --protocol distillation` takes each away.
    reference: bool = True  # Delta Denoising Score of expressions, against the person's neutral head
    noise_range: str = "annealed"  # of TIMESTEP_RANGES
    distillation_weight: str = "clean_sample"  # of WEIGHTS: a loss in x0
    geometry_blur: float = 0.7  # pixels that pictures are compared through (`blurred`)
    tint_blur: float = 1.0
    rescale: float = 0.0  # of classifier-free guidance (Lin et al. 2023, eq. 16)
    texture_steps: int = 250
    geometry_batch: int = 2
    texture_batch: int = 2
    grid_resolution: int = 60
    # Of the identity. On validation people 0 and 3 the mean NoW median was 1.29 mm at 1 and 1.38 at 2 (mean
    # head 1.31); what tells faces apart is small, and pushing it pushes its error.
    guidance_scale: float = 1.0
    expression_scale: float = 2.0  # away from neutral, in stage 1
    texture_expression_scale: float = 1.5  # and in stage 2
    texture_guidance_scale: float = 1.25  # of the neutral head; 3 saturated the colours
    layout_rate: float = 0.6  # mm a step, of the coarsest lattice while features find their places
    likeness_rate: float = 0.3  # mm a step, of the coarsest lattice that moves the mean head to the person
    prompt_move: float = 1.0  # of the embedding along a prompt's words (`WordDirections.moved`)
    # How far a prompt pushes away from the words read from the photos; None is not at all where the embedding
    # moves, and `LOUDNESS` where it does not.
    prompt_loudness: float | None = None
    geometry_rate: float = 0.5  # mm a step, at the place that moves most
    displacement_rate: float = 0.8  # mm; an expression is drawn in few steps, and a jaw drops 20 mm
    texture_rate: float = 0.05
    refinement_rate: float = 0.4  # mm a step, of an expression's motion in stage 2
    tint_rate: float = 0.2  # the most in a step, of what one expression alone shows, in a few steps
    smoothing_passes: int = 8
    sdf_regularity: float = 0.02
    surface_regularity: float = 0.02
    displacement_regularity: float = 0.05
    texture_regularity: float = 0.1
    place_weight: float = 300.0  # of where things are, beside how they look; 0 asks for no places
    # Of an expression's, away from neutral: the slope of true on expected shifts was 0.8 to 1.7 over the
    # expressions. On validation people 0, 1, 3, 4 and 5 and seven expressions, identity drifted 1.25 times as
    # far as the true heads' at 1.2 and 1.45 times at 1.6; of 28 faces of the first four the reader named 18
    # right at 1.2 and 21 at 1.6 (by scripts that were not kept).
    place_scale: float = 1.3
    begin_at_places: bool = True  # an expression, by one solve (`fit_places`)
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


@dataclass(frozen=True)
class Geometry:
    """A field, and one mesh of bounded size for all its expressions."""

    field: HeadField
    faces: Tensor  # [F, 3]
    vertices: dict[str, Tensor]  # expression -> [V, 3] mm
    on_mean: Tensor  # [V, 3] mm: where each vertex lies on the mean head
    places: Tensor  # [V, 3] mm: the same, with the lips apart (`unfolded`)
    basis: SplineBasis  # of displacements at these vertices

    def displaced(self, expression: int) -> Tensor:
        """How an expression, by its index above 0, moves each vertex; [V, 3] mm, differentiable."""
        return self.basis(list(self.field.displacement[expression - 1]))

    def posed(self, expression: int) -> Tensor:
        """The vertices [V, 3] mm of an expression by its index; differentiable in its displacement."""
        neutral = self.vertices[next(iter(self.vertices))]
        return neutral if expression == NEUTRAL else neutral + self.displaced(expression)


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
    ).to(shown.device)


def as_asked(subject: Subject, guidance: Guidance, settings: GeneratorSettings) -> Subject:
    """The subject with an embedding that agrees with the prompt, where the model knows how to move one."""
    prompt = subject.prompt
    if prompt is None or subject.embedding is None or guidance.words is None:
        return subject
    embedding = guidance.words.moved(subject.embedding, subject.attributes, prompt, settings.prompt_move)
    quiet = replace(prompt, loudness=0.0) if prompt.loudness is None else prompt
    return replace(subject, embedding=embedding, prompt=quiet)


def placed(condition: Condition, shown: Shown | None, settings: GeneratorSettings) -> Condition:
    """The condition, told besides where on the mean head a picture's pixels are: a head that is there already
    gets its answer where its own lips are, not where they are expected."""
    if shown is None or not settings.place_weight:
        return condition
    return replace(condition, place=shown.on_mean)


def wanted_places(
    guidance: Guidance,
    seen: ReferenceViews,
    told: Callable[[ReferenceViews], Condition],
    settings: GeneratorSettings,
    neutral: bool,
) -> Tensor | None:
    """Where the prior wants what is seen (`asked_places`); None where it knows of none or nobody asks."""
    if not by_place(guidance, settings):
        return None
    return asked_places(guidance, seen, told, 1.0 if neutral else settings.place_scale, NEUTRAL)


def by_place(guidance: Guidance, settings: GeneratorSettings) -> bool:
    """Whether places guide."""
    return settings.place_weight > 0.0 and guidance.knows_places


def noise_bounds(settings: GeneratorSettings, phase: int) -> tuple[float, float]:
    """The range of noise of a phase, as shares of the schedule."""
    return TIMESTEP_RANGES[settings.noise_range](phase / (PHASES - 1), FIRST_NOISE, LAST_NOISE)


def neutral_share(settings: GeneratorSettings, expressions: int) -> float:
    """Share of a stage's steps for the neutral head, of so many expressions, itself included."""
    return settings.neutral_weight / (settings.neutral_weight + expressions - 1)


def blocks_of(steps: int, expressions: int, settings: GeneratorSettings) -> list[Block]:
    """A stage's steps: the neutral head's, then the other expressions' in turn."""
    askings = settings.neutral_askings, settings.expression_askings
    return split_steps(steps, neutral_share(settings, expressions), expressions, askings, PHASES)


def views_of(
    pool: StillViews, guidance: Guidance, key: Sequence[int], settings: GeneratorSettings
) -> BlockViews:
    """A part's views, ready to be asked about block by block."""
    return BlockViews(pool, guidance, key, partial(noise_bounds, settings), PHASES, settings.looks)


def scales_of(settings: GeneratorSettings, neutral: bool, identity: float, expression: float) -> Scales:
    """Guidance of the neutral head by who it is and all that is told, of an expression away from neutral."""
    if neutral:
        return Scales(identity, identity, rescale=settings.rescale)
    return Scales(expression=expression, rest=NEUTRAL, rescale=settings.rescale)


def lay_out(
    subject: Subject,
    field: HeadField,
    guidance: Guidance,
    control: ControlView,
    mean_head: MeanHead,
    settings: GeneratorSettings,
    seed: int,
    progress: Progress | None = None,
    kept: Checkpoints | None = None,
) -> None:
    """Before stage 1: the texture prior moves the mean head's eyes, brows and lips to the person's.

    A normal map hardly says where lips and brows are. Without this, stage 1 modelled a new mouth beside the
    mean head's, whose lips alone can part, and stage 2 drew second brows. Only coarse motions learn, from the
    places that the prior wants to be seen (`idto3d.guidance.places`). A prior that knows of none is asked by
    SDS on shaded colour, with coarse colours that are forgotten.

    Args:
        subject: what the photos said.
        field: of `start_field`; its likeness moves.
        guidance: the base model with its texture adapter.
        control, mean_head, settings, seed, progress, kept: as in `paint`.
    """
    steps = round(
        settings.layout_share * round(settings.geometry_steps * neutral_share(settings, len(field.codes)))
    )
    blocks = blocks_of(steps, 1, settings)
    if not blocks:
        return
    start, faces = light_start(field, settings.faces)
    basis = SplineBasis(field.likeness_lattices[:LAYOUT_LATTICES], start.cpu().numpy())
    levels = nn.ParameterList(list(field.likeness)[:LAYOUT_LATTICES])
    motion = torch.optim.Adam(motion_groups([levels], settings.layout_rate), betas=(0.9, 0.99))
    optimisers: list[torch.optim.Optimizer] = [motion]
    learned = nn.ModuleDict({"field": field})
    by_colour = not by_place(guidance, settings)
    if by_colour:
        places = torch.from_numpy(unfolded(start.cpu().numpy(), mean_head.landmarks)).to(start)
        learned["material"] = material = mean_material(places, faces, mean_head)
        coarse = list(material.shared)[:LAYOUT_COLOURS]
        optimisers.append(torch.optim.Adam([colour_group(coarse, settings.texture_rate)], betas=(0.9, 0.99)))
        head, no_code = ColouredHead(faces, places, start, material), places.new_zeros(0)
    done = kept.restore("layout", learned, optimisers, guidance) if kept else 0
    if done == len(blocks):
        return
    learned.requires_grad_(False)
    for moving in (levels, *(coarse if by_colour else ())):
        moving.requires_grad_(True)

    def pictures(cameras: Sequence[Camera], lights: Sequence[Drawn]) -> Shown:
        return head.pictures(head.posed(start + basis(list(levels))), no_code, cameras, lights)

    def told(some: ReferenceViews) -> Condition:
        return condition_of(subject, EXPRESSIONS[0], some.cameras, some.control)

    shown_from = lit_views(np.random.default_rng([seed, 0]), guidance.resolution, settings.views, 0.0)
    views = views_of(plain_views(guidance, control, *shown_from), guidance, [seed, 0], settings)
    for block in blocks[done:]:
        seen = views.of(block, settings.texture_batch)
        blur = LAYOUT_BLUR[block.phase]
        if by_colour:
            answers = asked(
                guidance,
                seen,
                lambda some: pictures(some.cameras, some.drawn),
                lambda some, _: told(some),
                Scales(rescale=settings.rescale),
                settings.distillation_weight,
            )
            answers = softened(guidance, answers, blur)
        else:
            answers = asked_places(guidance, seen, told)
        order = ViewOrder(len(seen), np.random.default_rng([seed, 0, block.number]))
        for step in range(block.first, block.last):
            rows = order.take(settings.texture_batch)
            cameras = [seen.cameras[row] for row in rows]
            moved = basis(list(levels))
            if by_colour:
                shown = pictures(cameras, [seen.drawn[row] for row in rows]).pictures
                loss = SDS_WEIGHT * pull_loss(guidance.encode(blurred(shown, blur)), answers[rows])
            else:
                on_mean = carried_views(start + moved, faces, start / UNIT, cameras)
                loss = settings.place_weight * place_loss(on_mean, answers[rows])
            loss = loss + settings.displacement_regularity * strain_loss(moved, start, faces)
            for optimiser in optimisers:
                make_ready(optimiser, block.share_at(step))
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
            if progress:
                progress(step + 1, steps, "layout")
        if kept:
            kept.after_step(
                "layout",
                block is blocks[-1],
                lambda: state_of(block.number + 1, learned, optimisers, guidance),  # noqa: B023
                lambda: normals_picture(field),
            )
    field.requires_grad_(True)


@torch.no_grad()
def light_start(field: HeadField, faces: int) -> tuple[Tensor, Tensor]:
    """The surface that a field starts from with a bounded number of faces: vertices [V, 3] mm, faces."""
    start, topology = field.start(), field.surface().faces
    reduced = light_body(start, topology, faces)
    vertices = torch.from_numpy(reduced.carry(start.cpu().numpy())).to(start)
    return vertices, torch.from_numpy(reduced.faces).to(topology.device)


def light_body(vertices: Tensor, topology: Tensor, faces: int) -> Reduced:
    """The largest body of a mesh, with a bounded number of faces."""
    body = largest_component(Mesh(vertices.cpu().double().numpy(), topology.cpu().numpy()))
    return reduce_faces(body, faces)


def mean_material(places: Tensor, faces: Tensor, mean_head: MeanHead, code_size: int = 0) -> MaterialField:
    """The mean head's colours over places [V, 3] mm (`unfolded`), ready to be learned, on their device."""
    apart = replace(mean_head, points=unfolded(mean_head.points, mean_head.landmarks).astype(np.float32))
    return MaterialField(
        places.cpu(),
        faces.cpu(),
        lambda points: torch.from_numpy(apart.albedo_at(points.numpy())),
        code_size=code_size,
        near=Near(FACE.lower, FACE.upper, FACE_TEXEL),
    ).to(places.device)


def sculpt(
    subject: Subject,
    expressions: Sequence[str],
    guidance: Guidance,
    control: ControlView,
    field: HeadField,
    settings: GeneratorSettings,
    seed: int,
    progress: Progress | None = None,
    kept: Checkpoints | None = None,
) -> Geometry:
    """Stage 1: SDS on normal maps moves the mean head to the person, then that head to each expression.

    The person's neutral head is the reference of the expressions, so that they move it by what tells them
    from neutral. The neutral head has none: giving back what the denoiser takes off the mean head kept more
    of the mean head (validation people 3 and 6: NoW median 0.88 and 1.08 mm with, 0.84 and 0.95 without).

    Args:
        subject: what the photos said.
        expressions: names, neutral first.
        guidance: the base model with its geometry adapter.
        control: the mean head, as the denoiser is shown it.
        field: of `start_field`, laid out (`lay_out`).
        settings, seed: hyper-parameters and the run's randomness: what is drawn follows from the seed and the
            block of steps alone, so that a run goes on from a checkpoint as if it had not stopped.
        progress: called after each step.
        kept: where checkpoints are written to and read from.
    """
    level_set = {"params": [field.sdf, field.deformation], "rate": settings.geometry_rate}
    fine = UniformAdam([level_set], lr=settings.geometry_rate, betas=(0.9, 0.99))
    coarse = torch.optim.Adam(motion_groups([field.likeness], settings.likeness_rate), betas=(0.9, 0.99))
    motion = torch.optim.Adam(
        motion_groups(field.displacement, settings.displacement_rate), betas=(0.8, 0.95)
    )
    optimisers: list[torch.optim.Optimizer] = [coarse, fine, motion]
    blocks = blocks_of(settings.geometry_steps, len(expressions), settings)
    done = kept.restore("geometry", field, optimisers, guidance) if kept else 0

    # What only moves is seen with few faces: the start before its level set is learned, and the finished
    # neutral head, which expressions move.
    @cache
    def light() -> tuple[Tensor, Tensor, SplineBasis]:
        start, faces = light_start(field, settings.faces)
        return start, faces, SplineBasis(field.likeness_lattices, start.cpu().numpy())

    body: Geometry | None = None
    carving = False  # whether the level set is learned

    def mesh(index: int) -> tuple[Tensor, Tensor, Tensor]:
        if body is not None:
            return body.posed(index), body.faces, body.on_mean
        if carving:
            return *field.mesh(index), field.start()
        start, faces, basis = light()
        return start + basis(list(field.likeness)), faces, start

    def normals(mesh: tuple[Tensor, Tensor, Tensor], cameras: Sequence[Camera], more: float = 0.0) -> Shown:
        vertices, faces, on_mean = mesh
        shown = render_normal_views(vertices, faces, cameras, on_mean.detach() / UNIT)
        pictures, on_mean = (image.permute(0, 3, 1, 2) for image in (shown.normals, shown.carried))
        return Shown(blurred(pictures, float(np.hypot(settings.geometry_blur, more))), on_mean)

    views: dict[bool, BlockViews] = {}
    for block in blocks[done:]:
        index, neutral = block.expression, block.expression == NEUTRAL
        carving = neutral and block.share[1] > FINE_FROM
        # An expression moves the head that is there, and does not change whose it is.
        field.likeness.requires_grad_(neutral)
        for parameter in (field.sdf, field.deformation):
            parameter.requires_grad_(False)
        if not neutral and body is None:
            body = settled(field, expressions, control.landmarks, settings.faces)
        if neutral not in views:
            numbers = np.random.default_rng([seed, 1, neutral])
            shown_from = drawn_views(numbers, guidance.resolution, settings.views, AROUND if neutral else 0.0)
            pool = (
                plain_views(guidance, control, *shown_from)
                if neutral or not settings.reference
                else still_views(
                    guidance,
                    control,
                    *shown_from,
                    lambda cameras, _: normals(mesh(NEUTRAL), cameras),
                    lambda cameras, shown, _: condition_of(subject, expressions[0], cameras, shown),
                )
            )
            views[neutral] = views_of(pool, guidance, [seed, 1, neutral], settings)
        seen = views[neutral].of(block, settings.geometry_batch)

        def told(some: ReferenceViews, seen: Shown | None = None) -> Condition:
            condition = condition_of(subject, expressions[index], some.cameras, some.control)  # noqa: B023
            return placed(condition, seen, settings) if neutral else condition  # noqa: B023

        targets = asked(
            guidance,
            seen,
            lambda some: normals(mesh(index), some.cameras),  # noqa: B023
            told,
            scales_of(settings, neutral, settings.guidance_scale, settings.expression_scale),
            settings.distillation_weight,
        )
        wanted = wanted_places(guidance, seen, told, settings, neutral)
        blur = 0.0 if neutral else EXPRESSION_BLUR[block.phase]
        targets = softened(guidance, targets, blur)

        def pull(rows: Sequence[int], posed: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            shown = normals(posed, [seen.cameras[row] for row in rows], blur)  # noqa: B023
            loss = SDS_WEIGHT * pull_loss(guidance.encode(shown.pictures), targets[rows])  # noqa: B023
            if wanted is not None:  # noqa: B023
                loss = loss + settings.place_weight * place_loss(shown.on_mean, wanted[rows])  # noqa: B023
            return loss

        if not neutral:
            if block.share[0] == 0.0:
                chosen = range(min(JAW_VIEWS, len(seen)))
                dropped = drop_jaw(field, index, control.landmarks, lambda: pull(chosen, mesh(index)))  # noqa: B023
                if settings.begin_at_places and wanted is not None and body is not None:
                    every = views[neutral].every(block.phase)
                    places = asked_places(guidance, every, told, settings.place_scale, NEUTRAL)
                    open_mouth = control.landmarks if dropped else None
                    begin_at_places(body, index, every.cameras, places, open_mouth)
            for level, lattice in enumerate(field.displacement[index - 1]):
                lattice.requires_grad_(level <= block.phase)
        order = ViewOrder(len(seen), np.random.default_rng([seed, 1, block.number]))
        for step in range(block.first, block.last):
            # Coarse to fine.
            moving: list[torch.optim.Optimizer] = [motion]
            if neutral:
                moving = [coarse, fine] if block.share_at(step) >= FINE_FROM else [coarse]
            for parameter in (field.sdf, field.deformation):
                parameter.requires_grad_(fine in moving)
            rows = order.take(settings.geometry_batch)
            vertices, faces, on_mean = posed = mesh(index)
            loss = pull(rows, posed)
            before = on_mean if neutral else mesh(NEUTRAL)[0]
            moved = vertices - before
            loss = loss + settings.displacement_regularity * strain_loss(moved, before, faces)
            if fine in moving:
                loss = loss + settings.sdf_regularity * (sign_change_loss(field) + eikonal_loss(field))
                loss = loss + settings.surface_regularity * laplacian_loss(vertices, faces)
            for optimiser in optimisers:
                make_ready(optimiser, block.share_at(step))
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
                block is blocks[-1],
                lambda: state_of(block.number + 1, field, optimisers, guidance),  # noqa: B023
                lambda: normals_picture(field),
            )
    if body is None:
        return settled(field, expressions, control.landmarks, settings.faces)
    return with_expressions(body, expressions)


@torch.no_grad()
def drop_jaw(
    field: HeadField, expression: int, landmarks: NDArray[np.floating], loss: Callable[[], Tensor]
) -> float:
    """Begin an expression with the jaw as far down as fits best, of `JAW_DROPS`; says how far, mm.

    landmarks: [68, 3] mm, of the mean head.
    """
    finest, lattice = field.displacement[expression - 1][-1], field.lattices[-1]
    motion = torch.from_numpy(jaw_dropped(lattice.places(), landmarks)).to(finest)
    losses = []
    for drop in JAW_DROPS:
        finest.copy_(drop * motion)
        losses.append(float(loss()))
    drop = JAW_DROPS[int(np.argmin(losses))]
    finest.copy_(drop * motion)
    return drop


@torch.no_grad()
def begin_at_places(
    body: Geometry,
    expression: int,
    cameras: Sequence[Camera],
    wanted: Tensor,
    open_mouth: NDArray[np.floating] | None,
) -> None:
    """Move an expression at once to where the prior's places [N, 3, R, R] in N views would have it.

    open_mouth: landmarks [68, 3] mm of the mean head where a jaw has dropped. What is then seen between the
    lips is nowhere on the mean head, and its places draw the lips together: those at a mouth are left out.
    """
    pixels = UNIT * wanted.permute(0, 2, 3, 1).cpu().double().numpy()
    weight = place_weight(wanted).cpu().double().numpy()
    if open_mouth is not None:
        weight[near_mouth(pixels, open_mouth)] = 0.0
    values = fit_places(
        body.basis.matrix(),
        body.posed(expression).cpu().double().numpy(),
        body.faces.cpu().numpy(),
        body.on_mean.cpu().double().numpy(),
        cameras,
        pixels,
        weight,
    )
    first = 0
    for lattice in body.field.displacement[expression - 1]:
        lattice.add_(torch.from_numpy(values[first : first + len(lattice)]).to(lattice))
        first += len(lattice)


def motion_groups(motions: Iterable[nn.ParameterList], rate: float) -> list[dict[str, Any]]:
    """Parameter groups for Adam, one a lattice: `rate` mm a step on the coarsest, half on each finer one."""
    levels = zip(*motions, strict=True)
    return [{"params": list(level), "rate": rate * 0.5**index} for index, level in enumerate(levels)]


def colour_group(grids: Iterable[nn.Module], rate: float) -> dict[str, Any]:
    """A parameter group for Adam of a reflectance's grids, which move by `rate` a step."""
    return {"params": [parameter for grid in grids for parameter in grid.parameters()], "rate": rate}


def make_ready(optimiser: torch.optim.Optimizer, share: float) -> None:
    """Rates for this share of a part, from each group's own `rate`, and no gradients."""
    for group in optimiser.param_groups:
        group["lr"] = group["rate"] * learning_rate(share)
    optimiser.zero_grad(set_to_none=True)


@torch.no_grad()
def normals_picture(field: HeadField) -> NDArray[np.uint8]:
    """The neutral head's and the last expression's normals from the front, for the one who waits."""
    shown = [
        render_normal_views(*field.mesh(index), PREVIEW_CAMERAS)[0]
        for index in sorted({NEUTRAL, len(field.codes) - 1})
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
    """One clean body with a bounded number of faces, and every expression of it."""
    with torch.no_grad():
        neutral, topology = field.mesh(NEUTRAL)
        start = field.start().cpu().numpy()
    reduced = light_body(neutral, topology, faces)
    on_mean = reduced.carry(start)
    places = unfolded(on_mean, landmarks)
    vertices = {expressions[0]: torch.from_numpy(reduced.carry(neutral.cpu().numpy())).to(neutral)}
    basis = SplineBasis(field.lattices, places)
    geometry = Geometry(
        field,
        torch.from_numpy(reduced.faces).to(topology.device),
        vertices,
        torch.from_numpy(on_mean).to(neutral),
        torch.from_numpy(places).to(neutral),
        basis,
    )
    return with_expressions(geometry, expressions)


@torch.no_grad()
def with_expressions(geometry: Geometry, expressions: Sequence[str]) -> Geometry:
    """The same mesh with every expression as its field has it now."""
    posed = {name: geometry.posed(index).clone() for index, name in enumerate(expressions)}
    return replace(geometry, vertices=posed)


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
) -> tuple[MaterialField, Geometry]:
    """Stage 2: SDS on shaded colour under random light; reflectance lives on the mean head's surface.

    As the shape starts at the mean head's, the colour starts at its: what every head has, eyes and lips, is
    there to be moved and tinted. Then the expressions again: lips, lids and brows are seen in colour, so that
    what moves them is found here, and a tint where moving is not enough.

    Args:
        subject: what the photos said.
        geometry: from `sculpt`.
        guidance: the base model with its texture adapter.
        control: the mean head, as the denoiser is shown it.
        mean_head: its shape and colour.
        settings, seed, progress, kept: as in `sculpt`.

    Returns:
        the reflectance, and the geometry with its expressions moved on.
    """
    names, places, faces = list(geometry.vertices), geometry.places, geometry.faces
    field = geometry.field.requires_grad_(False)
    material = mean_material(places, faces, mean_head, field.codes.shape[1])
    levels, rate = list(material.shared), settings.texture_rate
    colours = torch.optim.Adam(
        [
            colour_group(levels[:-FINE_GRIDS], rate),
            colour_group(levels[-FINE_GRIDS:], FINE_RATE * rate),
        ],
        betas=(0.9, 0.99),
        fused=True,
    )
    motion = torch.optim.Adam(motion_groups(field.displacement, settings.refinement_rate), betas=(0.8, 0.95))
    # One step size a lattice: what an expression does not change gets no colour of its own.
    tinted = {"params": list(material.moved.parameters()), "rate": settings.tint_rate}
    tints = UniformAdam([tinted], lr=settings.tint_rate, betas=(0.8, 0.95))
    optimisers: list[torch.optim.Optimizer] = [colours, motion, tints]
    codes = [field.code(index).detach() for index in range(len(names))]
    head = ColouredHead(faces, places, geometry.on_mean, material)
    rest = head.posed(geometry.posed(NEUTRAL))
    learned = nn.ModuleDict({"material": material, "field": field})

    def pictures_of(index: int, cameras: Sequence[Camera], lights: Sequence[Drawn], blur: float) -> Shown:
        posed = rest if index == NEUTRAL else head.posed(geometry.posed(index))
        shown = head.pictures(posed, codes[index], cameras, lights)
        return shown._replace(pictures=blurred(shown.pictures, blur))

    blocks = blocks_of(settings.texture_steps, len(names), settings)
    done = kept.restore("texture", learned, optimisers, guidance) if kept else 0
    views: dict[bool, BlockViews] = {}
    for block in blocks[done:]:
        index, neutral = block.expression, block.expression == NEUTRAL
        # The neutral head has the person's colours; an expression moves it, and tints what it changes.
        material.shared.requires_grad_(neutral)
        for motion_of in field.displacement:
            motion_of.requires_grad_(not neutral)
        blur = 0.0 if neutral else settings.tint_blur

        def pictures(cameras: Sequence[Camera], lights: Sequence[Drawn]) -> Shown:
            return pictures_of(index, cameras, lights, blur)  # noqa: B023

        def told(some: ReferenceViews, seen: Shown | None = None) -> Condition:
            condition = condition_of(subject, names[index], some.cameras, some.control)  # noqa: B023
            return placed(condition, seen, settings)

        if neutral not in views:
            numbers = np.random.default_rng([seed, 2, neutral])
            shown_from = lit_views(numbers, guidance.resolution, settings.views, AROUND if neutral else 0.0)
            # Colours follow the denoiser's whole answer: on validation people 1 and 3 calibrated identity was
            # 0.50 and 0.51 so, and 0.42 and 0.32 with the mean head's detail given back.
            pool = (
                plain_views(guidance, control, *shown_from)
                if neutral or not settings.reference
                else still_views(
                    guidance,
                    control,
                    *shown_from,
                    lambda cameras, lights: pictures_of(NEUTRAL, cameras, lights, blur),  # noqa: B023
                    lambda cameras, shown, seen: placed(
                        condition_of(subject, names[0], cameras, shown), seen, settings
                    ),
                )
            )
            views[neutral] = views_of(pool, guidance, [seed, 2, neutral], settings)
        seen = views[neutral].of(block, settings.texture_batch)
        targets = asked(
            guidance,
            seen,
            lambda some: pictures(some.cameras, some.drawn),
            told,
            scales_of(settings, neutral, settings.texture_guidance_scale, settings.texture_expression_scale),
            settings.distillation_weight,
        )
        wanted = None if neutral else wanted_places(guidance, seen, told, settings, neutral)
        order = ViewOrder(len(seen), np.random.default_rng([seed, 2, block.number]))
        for step in range(block.first, block.last):
            moving: list[torch.optim.Optimizer] = [colours] if neutral else [motion, tints]
            rows = order.take(settings.texture_batch)
            shown = pictures([seen.cameras[row] for row in rows], [seen.drawn[row] for row in rows])
            loss = SDS_WEIGHT * pull_loss(guidance.encode(shown.pictures), targets[rows])
            if wanted is not None:
                loss = loss + settings.place_weight * place_loss(shown.on_mean, wanted[rows])
            noise = random_of(seed, 2, step)
            chosen = shown.points[torch.randint(len(shown.points), (REGULARISED_POINTS,), generator=noise)]
            smooth = material_smoothness(material, chosen, codes[index], noise)
            loss = loss + settings.texture_regularity * smooth
            if not neutral:
                moved = geometry.displaced(index)
                loss = loss + settings.displacement_regularity * strain_loss(moved, rest.vertices, faces)
            for optimiser in optimisers:
                make_ready(optimiser, block.share_at(step))
            loss.backward()
            for optimiser in moving:
                optimiser.step()
            if progress:
                progress(step + 1, settings.texture_steps, "texture")
        if kept:
            kept.after_step(
                "texture",
                block is blocks[-1],
                lambda: state_of(block.number + 1, learned, optimisers, guidance),  # noqa: B023
                lambda: colour_picture(head, geometry, codes),
            )
    return material, with_expressions(geometry, names)


def lit_views(
    numbers: np.random.Generator, resolution: int, count: int, around: float
) -> tuple[list[Camera], list[Drawn]]:
    """Cameras for shaded colour, `around` of them from anywhere, each with a light."""
    cameras = [draw_view(numbers, resolution, around) for _ in range(count)]
    return cameras, [EnvironmentLight.random(numbers) for _ in cameras]


@torch.no_grad()
def colour_picture(head: ColouredHead, geometry: Geometry, codes: Sequence[Tensor]) -> NDArray[np.uint8]:
    """The neutral head and the last expression in colour under an even light, for the one who waits."""
    lights = [EVEN_LIGHT] * len(PREVIEW_CAMERAS)
    shown = [
        head.pictures(head.posed(geometry.posed(index)), codes[index], PREVIEW_CAMERAS, lights).pictures
        for index in sorted({NEUTRAL, len(codes) - 1})
    ]
    return np.concatenate(to_uint8(torch.cat(shown)), 1)


def textured_meshes(geometry: Geometry, material: MaterialField, size: int) -> dict[str, TexturedMesh]:
    """Unwrap once, bake each expression's maps."""
    names = list(geometry.vertices)
    neutral = geometry.vertices[names[0]].cpu().double().numpy()
    places = geometry.places.cpu().double().numpy()
    layout = unwrap(Mesh(neutral, geometry.faces.cpu().numpy()), size)
    texels = rasterise_atlas(layout, size)
    meshes = {}
    for index, name in enumerate(names):
        code = geometry.field.code(index).detach()
        albedo, surface = material_maps(material, texels, layout.faces, places[layout.source], code)
        vertices = geometry.vertices[name].cpu().double().numpy()[layout.source]
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
    colour_prior, shape_prior = opened(weights, "texture"), opened(weights, "geometry")
    subject = as_asked(subject, colour_prior, settings)
    grid = start_grid(mean_head, settings.grid_resolution).to(shape_prior.device)
    control = ControlView(mean_head)
    field = start_field(grid, len(expressions), mean_head.landmarks)
    lay_out(subject, field, colour_prior, control, mean_head, settings, seed, progress, checkpoints)
    layout_calls, colour_prior.calls = colour_prior.calls, 0
    geometry = sculpt(
        subject, expressions, shape_prior, control, field, settings, seed, progress, checkpoints
    )
    material, geometry = paint(
        subject, geometry, colour_prior, control, mean_head, settings, seed, progress, checkpoints
    )
    meshes = textured_meshes(geometry, material, settings.texture_size)
    manifest = manifest.model_copy(
        update={
            "guidance_calls": layout_calls + shape_prior.calls + colour_prior.calls,
            "generator_version": GENERATOR_VERSION,
            "threads": torch.get_num_threads(),
        }
    )
    return write_head_asset(out, meshes, manifest)


def without_identity(subject: Subject) -> Subject:
    """The same words, nobody's embedding: what text-only distillation is told."""
    return replace(subject, embedding=None)
