"""A head that keeps to one photo while a denoiser imagines the rest: what image-to-3D by distillation shares.

Magic123 (Qian et al. 2023, arXiv 2306.17843, section 3.1) and DreamCraft3D (Sun et al. 2023, arXiv
2310.16818, section 3.2) hold a photometric loss at the reference view during every step of score
distillation. Here the reference view is the person's best photo, its camera and its light are those that an
analysis by synthesis finds (`photo_fit`), and the head starts as that fit, with lips that can part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor, nn

from idto3d.generate import (
    FINE_GRIDS,
    Geometry,
    colour_group,
    light_start,
    mean_material,
    motion_groups,
    start_field,
    start_grid,
    with_expressions,
)
from idto3d.geometry.mesh import Mesh
from idto3d.geometry.mouth import unfolded
from idto3d.geometry.spline_motion import SplineBasis, strain_loss
from idto3d.guidance.control import Drawn
from idto3d.guidance.guidance import Guidance
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight
from idto3d.render.normals import vertex_normals
from idto3d.texture.coloured_head import ColouredHead
from idto3d.texture.material_field import MaterialField, material_smoothness
from idto3d_baselines.face_warp import StartHead
from idto3d_baselines.photo_crop import above_chin, crop_camera, head_crop
from idto3d_baselines.photo_fit import fit_head
from idto3d_baselines.photo_texture import DARKEST, LIGHTEST, PhotoColour
from idto3d_baselines.photographs import Photograph
from idto3d_baselines.plain_sds import WEIGHT, Distillation, distil, shares_of
from idto3d_baselines.sds_head import REGULARISED_POINTS, Workshop, lit

FIT_PIXELS, COLOUR_PIXELS, HELD_PIXELS = 112, 320, 96  # of the photo's crop: fit, first colours, held view
MARGIN = 6  # pixels of the colours' crop at the head's outline: background that would be spread over the back
SURE = 0.5  # belief below which the photo's colour counts for nothing
FILLING = 32  # known points that an unknown one takes its colour from
NEAREST = 3  # vertices that a colour point is moved by
HELD = 30.0  # of the held view beside score distillation, each a sum over a picture's numbers
# The photo drew the fine grids already: at one rate for all, the skin came out checked.
COLOUR_RATE, FINE_RATE = 0.05, 0.004
ANYWHERE = 0.6  # share of views from anywhere: what the photo does not show is what is to be imagined
RIM = 2  # pixels of the held view inside the outline that may show background
MOTION_RATE = 0.1  # mm a step, of the coarsest lattice: the fit is there already
NO_CODE = 0
# Shares of the calls: the neutral head's shape and colour, its colour alone, and each other expression, which
# no photo shows.
SHAPE_SHARE, COLOUR_SHARE, EXPRESSION_SHARE = 2.0, 2.0, 1.5


@dataclass(frozen=True)
class ReferenceView:
    """The photo as the head must look from its camera.

    Attributes:
        target: [1, 3, S, S] in [-1, 1], the photo on the views' grey.
        compared: bool [S, S], where the photo tells: well inside the head, and beside it where its outline is
            known.
        camera, light: of the photo, in its own frame.
        rotation, shift: [3, 3] and [3] mm, from the head frame into that frame.
        colour: what the photo says of the skin.
    """

    target: Tensor
    compared: Tensor
    camera: Camera
    light: EnvironmentLight
    rotation: Tensor
    shift: Tensor
    colour: PhotoColour

    def loss(self, head: ColouredHead, vertices: Tensor) -> Tensor:
        """Mean square difference of the head with its vertices [V, 3] mm there from the photo."""
        picture = self.picture(head, vertices)
        compared = self.compared.to(picture.device)
        return (picture - self.target.to(picture)).square().mean(1)[0][compared].mean()

    def picture(self, head: ColouredHead, vertices: Tensor) -> Tensor:
        """The head [1, 3, S, S] in [-1, 1] as the photo's camera sees it under its light."""
        posed = vertices @ self.rotation.to(vertices).T + self.shift.to(vertices)
        return head.pictures(
            head.posed(posed), posed.new_zeros(NO_CODE), [self.camera], [self.light]
        ).pictures


def fit_reference(
    shop: Workshop, photo: Photograph, expressions: Sequence[str], steps: int, resolution: int | None = None
) -> tuple[Geometry, ReferenceView]:
    """The generator's start body fitted to a photo, and the photo as its reference view.

    Args:
        shop: mean head, settings and seed.
        photo: the person's best.
        expressions: names, neutral first; as many displacements wait to be learned.
        steps: of the fit.
        resolution: of the start grid; the settings' by default.
    """
    settings, landmarks = shop.settings, shop.mean_head.landmarks
    grid = start_grid(shop.mean_head, resolution or settings.grid_resolution).to(shop.colour.device)
    field = start_field(grid, len(expressions), landmarks).requires_grad_(False)
    start, faces = light_start(field, settings.faces)
    on_mean, topology = start.cpu().double().numpy(), faces.cpu().numpy()
    head = StartHead(Mesh(on_mean, topology), np.asarray(landmarks, np.float64))
    read = photo.reading.landmarks
    fitted = fit_head(head, head_crop(photo.image, read, FIT_PIXELS), steps, shop.seed)
    places = unfolded(on_mean, landmarks)
    body = Geometry(
        field,
        faces,
        {expressions[0]: torch.from_numpy(fitted.vertices).to(start)},
        start,
        torch.from_numpy(places).to(start),
        SplineBasis(field.lattices, places),
    )
    colour = PhotoColour.of(head_crop(photo.image, read, COLOUR_PIXELS), fitted, topology, MARGIN)
    held = head_crop(photo.image, read, HELD_PIXELS)
    seen = _resized(fitted.seen, HELD_PIXELS) & held.inside
    inner = cv2.erode(seen.astype(np.uint8), np.ones((2 * RIM + 1,) * 2, np.uint8)) > 0
    told = inner | (held.inside & above_chin(held) & ~seen) if fitted.outlined else inner
    picture = np.where(seen[..., None], held.image.astype(np.float32) / 127.5 - 1.0, 0.0)
    rotation, shift = colour.pose
    view = ReferenceView(
        torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32)),
        torch.from_numpy(told),
        crop_camera(HELD_PIXELS),
        fitted.light,
        torch.from_numpy(rotation),
        torch.from_numpy(shift),
        colour,
    )
    return with_expressions(body, expressions), view


def split_calls(calls: int, expressions: int) -> tuple[int, int, list[int]]:
    """Calls for the neutral head's shape, for its colour, and for each of the other expressions."""
    shape, colour, *others = shares_of(
        calls, [SHAPE_SHARE, COLOUR_SHARE, *[EXPRESSION_SHARE] * (expressions - 1)]
    )
    return shape, colour, others


def photo_material(shop: Workshop, body: Geometry, view: ReferenceView) -> MaterialField:
    """Reflectance in the photo's colours where it or its mirror image shows the head, else the mean head's,
    tinted as the nearest that is shown."""
    mean = shop.mean_head
    neutral = body.vertices[next(iter(body.vertices))].cpu()
    on_mean, vertices = body.on_mean.cpu().double().numpy(), neutral.double().numpy()
    normals = vertex_normals(neutral, body.faces.cpu()).numpy()
    distance, nearest = cKDTree(on_mean).query(mean.points, k=NEAREST)
    weight = 1.0 / np.maximum(distance, 0.1)
    weight = (weight / weight.sum(1, keepdims=True))[..., None]
    points = mean.points + (weight * (vertices - on_mean)[nearest]).sum(1)
    known, belief = view.colour.both_sides(points, (weight * normals[nearest]).sum(1))
    belief = np.clip((belief - SURE) / (1.0 - SURE), 0.0, 1.0)
    # How the photo differs from the mean head is carried, not its colours: hair behind the ears stays hair.
    tint = known / np.maximum(mean.albedo, DARKEST)
    filled = mean.albedo * _filled(points, tint, belief[:, 0], np.ones_like(known))
    filled = np.clip(filled, DARKEST, LIGHTEST)
    albedo = belief * known + (1.0 - belief) * filled
    return mean_material(body.places, body.faces, replace(mean, albedo=albedo.astype(np.float32)))


def imagine(
    shop: Workshop,
    body: Geometry,
    material: MaterialField,
    view: ReferenceView,
    guidance: Guidance,
    calls: int,
    how: Distillation,
    key: int,
    *,
    moving: bool = True,
    stage: str,
) -> Geometry:
    """Score distillation on shaded colour with the reference view held; the colours learn in place.

    Args:
        shop: mean head, settings and seed.
        body: the shape so far.
        material: the colours so far.
        view: the photo.
        guidance: the prior that is asked, which hears the neutral expression's name.
        calls: to spend.
        how: schedules.
        key: of this part's randomness.
        moving: whether the shape learns too.
        stage: what `shop.report` is told.

    Returns:
        the body with its neutral head moved.
    """
    settings, faces, field = shop.settings, body.faces, body.field
    names = list(body.vertices)
    neutral = body.vertices[names[0]]
    head, no_code = ColouredHead(faces, body.places, body.on_mean, material), neutral.new_zeros(NO_CODE)
    motion = nn.ParameterList(torch.zeros_like(values) for values in field.likeness).to(neutral.device)
    basis = SplineBasis(field.likeness_lattices, body.on_mean.cpu().numpy())
    noise = torch.Generator().manual_seed(shop.seed)

    def moved() -> Tensor:
        return basis(list(motion)) if moving else torch.zeros_like(neutral)

    def pictures(cameras: Sequence[Camera], lights: Sequence[Drawn]) -> Tensor:
        return head.pictures(head.posed(neutral + moved()), no_code, cameras, lights).pictures

    def besides(_: float) -> Tensor:
        motions = moved()
        loss = HELD * WEIGHT * view.loss(head, neutral + motions)
        chosen = body.places[torch.randint(len(body.places), (REGULARISED_POINTS,), generator=noise)]
        loss = loss + settings.texture_regularity * material_smoothness(material, chosen, no_code, noise)
        return loss + settings.displacement_regularity * strain_loss(motions, neutral, faces)

    grids = list(material.shared)
    groups = [
        colour_group(grids[:-FINE_GRIDS], COLOUR_RATE),
        colour_group(grids[-FINE_GRIDS:], FINE_RATE),
    ]
    if moving:
        groups += motion_groups([motion], MOTION_RATE)
    distil(
        guidance,
        shop.control,
        lit(guidance, ANYWHERE),
        pictures,
        shop.told(names[0]),
        groups,
        calls,
        how,
        [shop.seed, key],
        besides=besides,
        report=lambda more: shop.report(more, stage),
    )
    with torch.no_grad():
        vertices = {**body.vertices, names[0]: neutral + moved()}
    return with_expressions(replace(body, vertices=vertices), names)


def _filled(
    points: NDArray[np.floating],
    colours: NDArray[np.floating],
    belief: NDArray[np.floating],
    otherwise: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Colours [N, 3] of points from the believed ones that lie nearest; `otherwise` where there are none."""
    sure = np.flatnonzero(belief > SURE)
    if len(sure) < FILLING:
        return otherwise
    distance, nearest = cKDTree(points[sure]).query(points, k=FILLING)
    weight = 1.0 / (distance + 1.0) ** 4
    filled = (weight[..., None] * colours[sure][nearest]).sum(1) / weight.sum(1, keepdims=True)
    return np.asarray(filled)


def _resized(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """A square mask at another size, nearest pixels."""
    rows = ((np.arange(size) + 0.5) * len(mask) / size).astype(np.int64)
    return np.asarray(mask[rows[:, None], rows[None]])
