"""One head for several photos: the linear basis' shape by descent, poses beside it, colour and lights solved.

Every photo has its own pose, lens, expression and light; shape and colour are shared. Landmarks and pixels
are explained under Gaussian priors (Blanz and Vetter, SIGGRAPH 1999, section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import atan, cos, exp, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from idto3d.geometry.head_basis import HeadBasis, TorchBasis
from idto3d.geometry.mesh import Mesh
from idto3d.render.camera import Camera
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterise import interpolate_hits, rasterise
from idto3d.render.shading import linear_to_srgb, srgb_to_linear
from idto3d_baselines.basis_colour import ColourFit, SeenPixels, irradiance, solve_colour
from idto3d_baselines.face_warp import StartHead
from idto3d_baselines.photo_crop import DISTANCE, FOCAL, Crop, first_pose

# What the constants say was tried on photos of validation people, never on held-out ones.
LANDMARK_ERROR = 3.0  # mm that a landmark of the methods' reader is usually off
LANDMARK_EVIDENCE = 24.0  # how many independent ones a photo's 68 are worth: their errors go together
PIXEL_EVIDENCE = 60.0  # of a photo's pixels, per unit of mean absolute sRGB difference
EXPRESSION_SPREAD = 0.4  # standard deviation of an expression's weight
LENS_SPREAD = 0.35  # of the logarithm of distance over picture height, about the crop camera's
RATES = {"shape": 0.10, "turn": 0.008, "shift": 0.8, "expression": 0.06, "lens": 0.03}
LANDMARKS_ALONE = 0.25  # share of the steps before pixels count
CERTAINLY_FACE = 0.95  # of the crop's weight: a fringe hangs into its edge
REFRESH = 12  # steps between two solutions of colour and lights


@dataclass(frozen=True)
class FittedBasis:
    """Coefficients of one head in standard deviations.

    Attributes:
        shape: [K]; colour: [C].
        landmark_error: mean distance of the photos' landmarks, mm at the head.
    """

    shape: NDArray[np.float64]
    colour: NDArray[np.float32]
    landmark_error: float


class PhotoPose:
    """Where one photo's camera stood, and the face that was made: the unknowns of a photo."""

    def __init__(self, basis: HeadBasis, crop: Crop) -> None:
        start = StartHead(Mesh(basis.mean.astype(np.float64), basis.faces), basis.landmarks(basis.mean))
        rotation, translation = first_pose(start, crop)
        self.start = torch.from_numpy(rotation).float()
        self.size = crop.image.shape[0]
        self.turn = torch.zeros(3, requires_grad=True)
        self.shift = torch.from_numpy(translation).float().requires_grad_()
        self.expression = torch.zeros(len(basis.expression_names), requires_grad=True)
        self.lens = torch.zeros((), requires_grad=True)

    def posed(self, points: Tensor) -> Tensor:
        """Points [N, 3] mm of the head frame in the frame of `camera`."""
        posed: Tensor = points @ (_rotation(self.turn) @ self.start).T + self.shift
        return posed

    def project(self, posed: Tensor) -> Tensor:
        """Pixels [N, 2] of posed points, differentiable in the lens too."""
        further = torch.exp(self.lens)
        scale = FOCAL * further * self.size / (DISTANCE * further - posed[:, 2:])
        pixels: Tensor = 0.5 * self.size + scale * posed[:, :2] * torch.tensor([1.0, -1.0])
        return pixels

    def camera(self) -> Camera:
        """The camera with this lens: further away it sees narrower, so that a head keeps its size."""
        further = exp(float(self.lens.detach()))
        return Camera(
            0.0, 0.0, 0.0, DISTANCE * further, 2.0 * atan(0.5 / (FOCAL * further)), (0.0, 0.0, 0.0), self.size
        )

    def millimetres(self) -> float:
        """Of one pixel at the head."""
        depth = DISTANCE - float(self.shift[2].detach())
        return float(depth / (FOCAL * self.size))


def fit_basis(
    basis: HeadBasis,
    crops: Sequence[Crop],
    steps: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> FittedBasis:
    """Fit one head to crops of photos of one person.

    Args:
        basis: what heads there are.
        crops: photos with landmarks, all of one resolution.
        steps: of Adam; each looks at all landmarks and, once pixels count, at the pixels of one photo.
        seed: of the order in which photos are looked at.
        progress: called with steps done and steps in all.
    """
    tensors = basis.torch()
    poses = [PhotoPose(basis, crop) for crop in crops]
    shape = torch.zeros(len(basis.shape), requires_grad=True)
    groups = {"shape": [shape]} | {
        name: [getattr(pose, name) for pose in poses] for name in RATES if name != "shape"
    }
    optimiser = torch.optim.Adam([{"params": v, "base": RATES[k]} for k, v in groups.items()], lr=0.0)
    targets = [torch.from_numpy(crop.landmarks).float() for crop in crops]
    photos = [srgb_to_linear(torch.from_numpy(crop.image).float() / 255.0) for crop in crops]
    face = torch.from_numpy(basis.face_weight)
    numbers = torch.Generator().manual_seed(seed)
    order: list[int] = []
    colour: ColourFit | None = None

    def distances() -> Tensor:
        """[photos, 68] mm at the head."""
        found = []
        for pose, target in zip(poses, targets, strict=True):
            points = tensors.landmarks(tensors.vertices(shape, pose.expression))
            away = (pose.project(pose.posed(points)) - target).square().sum(-1)
            found.append(torch.sqrt(away + 1e-6) * pose.millimetres())
        return torch.stack(found)

    def seen(number: int) -> SeenPixels:
        return _look(tensors, shape, poses[number], face, photos[number], crops[number])

    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = group["base"] * (0.1 + 0.9 * 0.5 * (1.0 + cos(pi * step / steps)))
        away = distances() / LANDMARK_ERROR
        loss = LANDMARK_EVIDENCE * functional.smooth_l1_loss(away, 0.0 * away, reduction="none").mean(1).sum()
        loss = loss + 0.5 * shape.square().sum()
        for pose in poses:
            loss = loss + 0.5 * (pose.expression / EXPRESSION_SPREAD).square().sum()
            loss = loss + 0.5 * (pose.lens / LENS_SPREAD).square()
        pixels = step - round(LANDMARKS_ALONE * steps)
        if pixels >= 0:
            if pixels % REFRESH == 0:
                colour = _solve(tensors, [seen(k) for k in range(len(crops))], colour)
            assert colour is not None
            order = order or torch.randperm(len(crops), generator=numbers).tolist()
            number = order.pop()
            look = seen(number)
            shaded = tensors.albedo(colour.colour)
            drawn = look.mix(shaded, tensors.faces) * irradiance(look.normals, colour.lights[number])
            difference = (linear_to_srgb(drawn.clamp(0.0, 1.0)) - linear_to_srgb(look.photo)).abs()
            loss = loss + PIXEL_EVIDENCE * len(crops) * difference.clamp_max(0.3).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if progress:
            progress(step + 1, steps)

    with torch.no_grad():
        colour = _solve(tensors, [seen(k) for k in range(len(crops))], colour)
        return FittedBasis(
            shape.double().numpy(), colour.colour.numpy().astype(np.float32), float(distances().mean())
        )


def _solve(tensors: TorchBasis, looks: Sequence[SeenPixels], known: ColourFit | None) -> ColourFit:
    """Colour and lights that explain all photos at the present shape and poses."""
    with torch.no_grad():
        fixed = [
            replace(look, normals=look.normals.detach(), weights=look.weights.detach()) for look in looks
        ]
        return solve_colour(tensors, fixed, known)


def _look(
    tensors: TorchBasis, shape: Tensor, pose: PhotoPose, face: Tensor, photo: Tensor, crop: Crop
) -> SeenPixels:
    """The photo's pixels that show the face's crop, and where on the head they lie."""
    posed = pose.posed(tensors.vertices(shape, pose.expression))
    fragments = rasterise(posed, tensors.faces, pose.camera())
    normals = interpolate_hits(fragments, tensors.faces, vertex_normals(posed, tensors.faces))
    weight = interpolate_hits(fragments, tensors.faces, face[:, None])[:, 0]
    shown = (weight > CERTAINLY_FACE) & torch.from_numpy(crop.inside)[fragments.mask]
    return SeenPixels(
        photo=photo[fragments.mask][shown],
        normals=functional.normalize(normals[shown], dim=-1),
        triangle=fragments.triangle[fragments.mask][shown],
        weights=fragments.barycentric[fragments.mask][shown],
    )


def _rotation(turn: Tensor) -> Tensor:
    """Rotation matrix [3, 3] of an axis times an angle [3] rad."""
    x, y, z = turn.unbind()
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    rotation: Tensor = torch.linalg.matrix_exp(skew)
    return rotation
