"""Analysis by synthesis: pose, shape, light and colour of a head until its picture is the photo.

All of them descend together on what differs between photo and render (Blanz and Vetter, "A Morphable Model
for the Synthesis of 3D Faces", SIGGRAPH 1999); a smooth warp of the mean head replaces the morphable model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from idto3d.geometry.regularisers import laplacian_loss
from idto3d.render.antialias import antialias
from idto3d.render.light import COSINE_LOBE, EnvironmentLight
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterise import interpolate, rasterise
from idto3d.render.shading import linear_to_srgb, sh_basis, shade, srgb_to_linear
from idto3d_baselines.face_warp import FaceWarp, StartHead, upright
from idto3d_baselines.photo_crop import (
    DISTANCE,
    FOCAL,
    Crop,
    above_chin,
    crop_camera,
    first_pose,
    outline,
    surely_head,
)

LANDMARK_UNIT = 2.0  # mm: an error of this size costs about one
# The jaw's landmarks slide along the outline of a turned face, the inner lips move with every word.
LANDMARK_WEIGHTS = np.array([0.3] * 17 + [1.0] * 43 + [0.5] * 8)
PHOTOMETRIC, SILHOUETTE = 8.0, 12.0  # per unit of sRGB and of coverage
# The moves' weight is their number over twice that of the landmarks: as likely as the landmarks' errors are.
# Measured on validation-0003 (frontal photo): a tenth of it ended 7.2 mm from the true landmarks, where the
# mean head is 4.6 mm away and this ends at 3.8.
MOVES, CURVATURE, LIGHT, TINTS = 2.5, 0.3, 0.02, 0.02
FORWARD = 0.5  # how freely a point moves in depth: what one photo shows least, and shading misjudges
RATES = {"turn": 0.004, "shift": 0.5, "moves": 0.5, "light": 0.02, "colour": 0.05, "tints": 0.08}
LANDMARKS_ALONE = 0.2  # share of the steps before pixels count: a picture's basin is as wide as its features
ROUGHNESS = 0.55  # of skin, in the photo and in the asset
LIGHT_DRAWS = 512


@dataclass(frozen=True)
class Fitted:
    """A head and how the photo saw it.

    Attributes:
        vertices: [V, 3] mm, head frame.
        posed: [V, 3] mm, in the frame of `crop_camera`.
        albedo: [V, 3] linear, smooth and symmetric: the colour that the fit itself used.
        light: of the photo, in the frame of `crop_camera`.
        seen: bool [S, S], where the crop shows the head: its outline, or what lies well within the first
            pose where no outline could be told.
        landmark_error: mean distance of the landmarks, mm at the head.
        outlined: whether `seen` is the head's outline.
    """

    vertices: NDArray[np.float64]
    posed: NDArray[np.float64]
    albedo: NDArray[np.float32]
    light: EnvironmentLight
    seen: NDArray[np.bool_]
    landmark_error: float
    outlined: bool = False


def fit_head(
    head: StartHead, crop: Crop, steps: int, seed: int, progress: Callable[[int, int], None] | None = None
) -> Fitted:
    """Fit the mean head to a crop of a photo.

    Args:
        head: where the fit starts.
        crop: photo and landmarks; its resolution is that of the renders.
        steps: of Adam; 0 leaves the posed mean head.
        seed: of what is random (the outline's clusters).
        progress: called with steps done and steps in all.
    """
    camera = crop_camera(crop.image.shape[0])
    rotation, translation = first_pose(head, crop)
    start = torch.from_numpy(rotation).float()
    mean, faces = torch.from_numpy(head.mesh.vertices).float(), torch.from_numpy(head.mesh.faces)
    points = torch.from_numpy(head.landmarks).float()
    warp = FaceWarp(head)
    on_mesh, on_points = warp.influence(head.mesh.vertices), warp.influence(head.landmarks)
    spreads = torch.from_numpy(warp.spreads).float()[:, None] * torch.tensor([1.0, 1.0, FORWARD])

    # What the photo shows, and where it may be compared.
    photo = torch.from_numpy(crop.image).float() / 255.0  # [S, S, 3] sRGB
    target = torch.from_numpy(crop.landmarks).float()
    importance = torch.from_numpy(LANDMARK_WEIGHTS / LANDMARK_WEIGHTS.mean()).float()
    posed_mean = head.mesh.vertices @ rotation.T + translation
    found = outline(crop, posed_mean, head.mesh.faces, seed)
    shape = surely_head(crop, posed_mean, head.mesh.faces) if found is None else found & crop.inside
    seen = torch.from_numpy(shape)
    told = torch.from_numpy(crop.inside & above_chin(crop))
    usual, deviation = usual_light()

    unknown = {
        "turn": torch.zeros(3),
        "shift": torch.from_numpy(translation).float(),
        "moves": torch.zeros(len(spreads), 3),
        "light": usual.clone(),
        "colour": first_colour(crop, usual),
        "tints": torch.zeros(len(spreads), 3),
    }
    for value in unknown.values():
        value.requires_grad_()
    optimiser = torch.optim.Adam([{"params": [v], "base": RATES[k]} for k, v in unknown.items()], lr=0.0)

    def pose(positions: Tensor) -> Tensor:
        return positions @ (_rotation(unknown["turn"]) @ start).T + unknown["shift"]

    def landmark_distance() -> Tensor:
        """[68] mm at the head's depth."""
        pixels = camera.project_torch(pose(on_points.displaced(points, unknown["moves"])))[:, :2]
        scale = (DISTANCE - float(unknown["shift"][2].detach())) / (FOCAL * camera.resolution)
        return torch.sqrt((pixels - target).square().sum(-1) + 1e-6) * scale

    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = group["base"] * (0.1 + 0.9 * 0.5 * (1.0 + cos(pi * step / steps)))
        away = landmark_distance() / LANDMARK_UNIT
        loss = (importance * functional.smooth_l1_loss(away, torch.zeros_like(away), reduction="none")).mean()
        loss = loss + MOVES * (unknown["moves"] / spreads).square().mean()
        if step >= LANDMARKS_ALONE * steps:
            vertices = on_mesh.displaced(mean, unknown["moves"])
            posed = pose(vertices)
            albedo = torch.sigmoid(unknown["colour"] + on_mesh.spread(unknown["tints"]))
            fragments = rasterise(posed, faces, camera)
            layers = interpolate(
                fragments, faces, torch.cat([albedo, vertex_normals(posed, faces), posed], 1)
            )
            colour = _shaded(layers[fragments.mask], unknown["light"])
            compared = seen[fragments.mask]
            loss = loss + PHOTOMETRIC * (colour - photo[fragments.mask])[compared].abs().mean()
            if found is not None:
                cover = fragments.mask[..., None].float()
                cover = antialias(cover, fragments, posed, faces, camera)[..., 0]
                loss = loss + SILHOUETTE * (cover - seen.float()).abs()[told].mean()
            loss = loss + CURVATURE * laplacian_loss(vertices - mean, faces)
            loss = loss + LIGHT * ((unknown["light"] - usual) / deviation).square().mean()
            loss = loss + TINTS * unknown["tints"].square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if progress:
            progress(step + 1, steps)

    with torch.no_grad():
        vertices = on_mesh.displaced(mean, unknown["moves"])
        albedo = torch.sigmoid(unknown["colour"] + on_mesh.spread(unknown["tints"]))
        settled = upright(on_points.displaced(points, unknown["moves"]).double().numpy(), head.landmarks)
        return Fitted(
            settled(vertices.double().numpy()),
            pose(vertices).double().numpy(),
            albedo.numpy(),
            EnvironmentLight(unknown["light"].double().numpy()),
            shape,
            float(landmark_distance().mean()),
            found is not None,
        )


def usual_light() -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, each [9, 3], of the lights that casual photographs are taken in."""
    numbers = np.random.default_rng(0)
    drawn = torch.from_numpy(np.stack([EnvironmentLight.random(numbers).sh for _ in range(LIGHT_DRAWS)]))
    return drawn.mean(0).float(), drawn.std(0).float()


def first_colour(crop: Crop, light: Tensor) -> Tensor:
    """Logits [3] of the albedo that the usual light shows as the median colour between brows and mouth."""
    low, high = crop.landmarks[17:].min(0), crop.landmarks[17:].max(0)
    rows = slice(max(int(low[1]), 0), max(int(high[1]), 0) + 1)
    columns = slice(max(int(low[0]), 0), max(int(high[0]), 0) + 1)
    pixels = torch.from_numpy(crop.image[rows, columns][crop.inside[rows, columns]]).float() / 255.0
    if len(pixels) == 0:
        return torch.full((3,), -1.0)
    lit = _irradiance(torch.tensor([0.0, 0.0, 1.0]), light)
    return torch.logit((srgb_to_linear(pixels).median(0).values / lit).clamp(0.02, 0.9))


def _shaded(layers: Tensor, light: Tensor) -> Tensor:
    """sRGB [P, 3] of albedo, normal and posed position [P, 9]; highlights carry no gradient."""
    albedo, position = layers[:, :3], layers[:, 6:]
    normal = functional.normalize(layers[:, 3:6], dim=-1)
    with torch.no_grad():
        view = functional.normalize(torch.tensor([0.0, 0.0, DISTANCE]) - position, dim=-1)
        plain = torch.full_like(position[:, :1], ROUGHNESS)
        fixed = EnvironmentLight(light.detach().double().numpy())
        highlight = shade(torch.zeros_like(albedo), plain, torch.zeros_like(plain), normal, view, fixed)
    return linear_to_srgb(albedo * _irradiance(normal, light) + highlight)


def _irradiance(normal: Tensor, light: Tensor) -> Tensor:
    """Irradiance over pi at unit normals [..., 3] under coefficients [9, 3], differentiable in both."""
    gains = torch.as_tensor(COSINE_LOBE, dtype=normal.dtype)
    return ((sh_basis(normal) * gains) @ light).clamp_min(0.02)


def _rotation(turn: Tensor) -> Tensor:
    """Rotation matrix [3, 3] of an axis times an angle [3] rad."""
    x, y, z = turn.unbind()
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    rotation: Tensor = torch.linalg.matrix_exp(skew)
    return rotation
