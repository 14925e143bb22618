"""Albedo from a photo: its colour over the estimated shading where it sees the skin, the mirrored side where
it does not, and what lies nearest where it sees neither."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from idto3d.asset import TexturedMesh
from idto3d.cache import cache_folder
from idto3d.geometry.mesh import Mesh
from idto3d.render.embree import cast
from idto3d.render.normals import vertex_normals
from idto3d.render.shading import linear_to_srgb, shade, srgb_to_linear
from idto3d.texture.bake import bake, rasterise_atlas
from idto3d.texture.unwrap import Unwrapped, unwrap
from idto3d_baselines.photo_crop import Crop, crop_camera
from idto3d_baselines.photo_fit import ROUGHNESS, Fitted

Floats = NDArray[np.float32]

GRAZING, FACING = 0.15, 0.5  # cosines to the viewer between which a photo starts to be believed
DEPTH_SLACK = 4.0  # mm behind the nearest surface that still counts as seen
MARGIN = 3  # pixels of the crop at the head's outline that may show background
DARKEST, LIGHTEST = 0.01, 0.95  # linear albedo
KNOWN_POINTS = 800  # vertices that colour the unseen ones
BATCH = 1 << 15  # texels evaluated at once


@dataclass(frozen=True)
class PhotoColour:
    """The photo as a function of posed surface points."""

    linear: Floats  # [S, S, 3]
    depth: Floats  # [S, S] mm of the nearest surface, infinite where the photo must not be read
    fitted: Fitted

    @classmethod
    def of(cls, crop: Crop, fitted: Fitted, faces: NDArray[np.int64], margin: int = MARGIN) -> PhotoColour:
        """Prepare a crop, which may be finer than the one that the fit saw; `margin` pixels of it at the
        head's outline are not read."""
        size = crop.image.shape[0]
        depth = cast(fitted.posed, faces, crop_camera(size)).depth
        seen = cv2.resize(fitted.seen.astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST)
        usable = crop.inside & np.isfinite(depth) & (seen > 0)
        usable = cv2.erode(usable.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=margin) > 0
        linear = srgb_to_linear(torch.from_numpy(crop.image).float() / 255.0).numpy()
        return cls(linear, np.where(usable, depth, np.float32(np.inf)).astype(np.float32), fitted)

    def read(self, posed: Floats, normals: Floats) -> tuple[Floats, Floats]:
        """Linear albedo [N, 3] and belief [N, 1] in [0, 1] at posed points [N, 3] mm, unit normals [N, 3]."""
        camera = crop_camera(self.linear.shape[0])
        pixels = camera.project(posed).astype(np.float32)
        toward = torch.from_numpy((camera.position() - posed).astype(np.float32))
        view = functional.normalize(toward, dim=-1)
        normal = torch.from_numpy(normals)
        x, y = (pixels[:, k : k + 1] - 0.5 for k in (0, 1))
        colour = torch.from_numpy(_lookup(self.linear, x, y))
        nearest = self.depth[
            np.clip(np.rint(y[:, 0]), 0, len(self.depth) - 1).astype(np.int64),
            np.clip(np.rint(x[:, 0]), 0, len(self.depth) - 1).astype(np.int64),
        ]
        behind = toward[:, 2].numpy() - nearest  # -inf where the photo must not be read
        seen = (np.abs(behind) < DEPTH_SLACK)[:, None]
        cosine = (normal * view).sum(-1, keepdim=True).numpy()
        ramp = np.clip((cosine - GRAZING) / (FACING - GRAZING), 0.0, 1.0)
        # Shading is linear in albedo: its value at black and at white gives both terms.
        rough, none = torch.full_like(toward[:, :1], ROUGHNESS), torch.zeros_like(toward[:, :1])
        black, white = (
            shade(torch.full_like(colour, level), rough, none, normal, view, self.fitted.light)
            for level in (0.0, 1.0)
        )
        albedo = (colour - black) / (white - black).clamp_min(0.05)
        belief = seen * ramp * ramp * (3.0 - 2.0 * ramp)
        return albedo.clamp(DARKEST, LIGHTEST).numpy(), belief.astype(np.float32)

    def both_sides(
        self, points: NDArray[np.floating], normals: NDArray[np.floating]
    ) -> tuple[Floats, Floats]:
        """Linear albedo [N, 3] and belief [N, 1] of points [N, 3] mm and normals in the head frame, from the
        photo and from its mirror image."""
        rotation, shift = self.pose
        read = []
        for axes in (np.ones(3), np.array([-1.0, 1.0, 1.0])):
            posed = (points * axes) @ rotation.T + shift
            turned = (normals * axes) @ rotation.T
            turned = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-9)
            read.append(self.read(posed.astype(np.float32), turned.astype(np.float32)))
        (own, sure), (other, likely) = read
        rest = (1.0 - sure) * likely
        total = sure + rest
        return np.asarray((sure * own + rest * other) / np.maximum(total, 1e-6), np.float32), total

    @cached_property
    def pose(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rotation [3, 3] and shift [3] mm from the head frame into the photo's."""
        return _rigid(self.fitted.vertices, self.fitted.posed)


def layout_of(mesh: Mesh, size: int) -> Unwrapped:
    """UV layout of the start head, which all its fits share; kept on disk, since xatlas takes 13 s for it.

    Args:
        mesh: the mean head.
        size: texels along a side.
    """
    digest = hashlib.sha256(str(size).encode())
    digest.update(mesh.vertices.tobytes())
    digest.update(mesh.faces.tobytes())
    path = cache_folder() / f"fit-layout-{digest.hexdigest()[:16]}.npz"
    if not path.exists():
        made = unwrap(mesh, size)
        partial = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, source=made.source, faces=made.faces, uvs=made.uvs)
        partial.replace(path)
    with np.load(path, allow_pickle=False) as stored:
        return Unwrapped(stored["source"], stored["faces"], stored["uvs"])


def textured_head(
    crop: Crop, fitted: Fitted, layout: Unwrapped, faces: NDArray[np.int64], size: int
) -> TexturedMesh:
    """Bake the albedo of a fitted head.

    Args:
        crop: the photo, at the resolution to take colour from.
        fitted: from `fit_head`.
        layout: from `layout_of`.
        faces: [F, 3] of its mesh.
        size: texels along a side.
    """
    photo = PhotoColour.of(crop, fitted, faces)
    normals = vertex_normals(torch.from_numpy(fitted.vertices), torch.from_numpy(faces)).numpy()
    known, belief = photo.both_sides(fitted.vertices, normals)
    fill = _spread(fitted.vertices, known, belief[:, 0], fitted.albedo)

    def evaluate(values: Floats) -> Floats:
        """sRGB [N, 3] at position, normal and fill colour [N, 9]."""
        parts = []
        for part in np.array_split(values, max(1, -(-len(values) // BATCH))):
            colour, sure = photo.both_sides(part[:, :3], part[:, 3:6])
            parts.append(sure * colour + (1.0 - sure) * part[:, 6:])
        return linear_to_srgb(torch.from_numpy(np.concatenate(parts).astype(np.float32))).numpy()

    texels = rasterise_atlas(layout, size)
    layers = np.concatenate([fitted.vertices, normals, fill], 1)[layout.source]
    srgb = bake(texels, layout.faces, layers, evaluate)
    surface = np.zeros((size, size, 3), np.uint8)
    surface[..., 0], surface[..., 1] = 255, round(ROUGHNESS * 255)
    return TexturedMesh(
        vertices=fitted.vertices[layout.source],
        faces=layout.faces,
        uvs=layout.uvs.astype(np.float64),
        albedo=np.rint(np.clip(srgb, 0.0, 1.0) * 255.0).astype(np.uint8),
        roughness_metallic=surface,
    )


def _rigid(
    points: NDArray[np.float64], posed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation and shift that took points [V, 3] to posed ones (Kabsch 1976)."""
    centre, target = points.mean(0), posed.mean(0)
    left, _, right = np.linalg.svd((posed - target).T @ (points - centre))
    rotation = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    return rotation, target - rotation @ centre


def _spread(
    points: NDArray[np.float64], colours: Floats, belief: Floats, otherwise: Floats
) -> NDArray[np.float64]:
    """Colour of every vertex [V, 3] from the believed ones, nearest first (Shepard 1968, eighth power).

    `otherwise` [V, 3] is returned where nothing is believed.
    """
    sure = np.flatnonzero(belief > 0.5)
    if len(sure) == 0:
        return otherwise.astype(np.float64)
    sure = sure[np.linspace(0, len(sure) - 1, min(len(sure), KNOWN_POINTS)).astype(np.int64)]
    result = np.empty((len(points), 3))
    for rows in np.array_split(np.arange(len(points)), 16):
        squared = ((points[rows, None] - points[None, sure]) ** 2).sum(-1)
        weight = (squared.min(1, keepdims=True) + 1.0) ** 4 / (squared + 1.0) ** 4
        result[rows] = weight @ colours[sure] / weight.sum(1, keepdims=True)
    return result


def _lookup(image: Floats, x: Floats, y: Floats) -> Floats:
    """Bilinear values [N, C] at columns and rows [N, 1], repeated beyond the border."""
    limit = image.shape[0] - 1
    x, y = np.clip(x, 0.0, limit), np.clip(y, 0.0, limit)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, bottom = np.minimum(left + 1, limit), np.minimum(top + 1, limit)
    u, v = x - left, y - top
    upper = image[top[:, 0], left[:, 0]] * (1 - u) + image[top[:, 0], right[:, 0]] * u
    lower = image[bottom[:, 0], left[:, 0]] * (1 - u) + image[bottom[:, 0], right[:, 0]] * u
    return np.asarray(upper * (1 - v) + lower * v, np.float32)
