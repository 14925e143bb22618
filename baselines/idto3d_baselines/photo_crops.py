"""The conditioning photos as a texture prior was trained to see people: cut out, on grey, camera told.

The camera of each photo is fitted on the mean head (`idto3d.train.head_pose`), crops turn and zoom it, and
the control shows the mean head from there under the photo's own light, as far as it can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.errors import UserError
from idto3d.generate import Subject
from idto3d.geometry.mean_head import MeanHead
from idto3d.guidance.cameras import FACE, FACE_CENTRE, FEATURES, FEATURES_HIGH, FEATURES_LOW, WHOLE_HEAD
from idto3d.guidance.condition import Condition
from idto3d.guidance.control import UNIT, ControlView
from idto3d.render.camera import HEAD_CENTRE, Camera
from idto3d.render.light import COSINE_LOBE, EnvironmentLight, sh_basis
from idto3d.render.shading import srgb_to_linear
from idto3d.train.head_pose import WORST_MISFIT, HeadPose, fit_photo
from idto3d_baselines.face_warp import StartHead
from idto3d_baselines.photo_crop import crop_matrix, first_pose, head_crop, outline, surely_head
from idto3d_baselines.photo_fit import usual_light
from idto3d_baselines.photographs import Photograph

CROPS = 6  # of each photo: the whole head, the face, then the face or its features in turn
LIGHT_SIDE = 64  # pixels of the crop that a light is read from
OUTLINE_PIXELS = 160  # of the crop that a head is cut out of
LIGHT_CAUTION = (
    0.002  # of a light's distance from the usual one, in its deviations, beside the pixels' errors
)
ROUNDS = 4  # of light and tint in turn
DARKEST = 0.02  # linear; darker pixels are shadows that nine numbers cannot cast


@dataclass(frozen=True)
class PhotoCrops:
    """Pictures of one person.

    Attributes:
        images: [N, 3, R, R] in [-1, 1], on grey.
        condition: of N rows: the subject's words, cameras and controls; no expression and nobody told.
    """

    images: Tensor
    condition: Condition

    def __len__(self) -> int:
        return len(self.images)


def photo_crops(
    photographs: Sequence[Photograph],
    subject: Subject,
    mean_head: MeanHead,
    control: ControlView,
    resolution: int,
    seed: int,
) -> PhotoCrops:
    """Cut crops out of photos.

    Args:
        photographs: of one person.
        subject: whose words are told.
        mean_head: what cameras and lights are fitted on.
        control: the same, as denoisers are shown it.
        resolution: of the crops, pixels a side.
        seed: of the framing.

    Raises:
        UserError: no photo's camera can be told.
    """
    posed = [(photograph, fit_photo(photograph.reading.landmarks)) for photograph in photographs]
    usable = [(photograph, pose) for photograph, pose in posed if pose.misfit <= WORST_MISFIT]
    if not usable:
        best = min(pose.misfit for _, pose in posed)
        raise UserError(
            f"Found landmarks {best:.0%} off the mean head's in the best of {len(posed)} photos, expected at "
            f"most {WORST_MISFIT:.0%} to tell a camera; add a photo from the front."
        )
    lights = _lights([(photograph.image, pose) for photograph, pose in usable], mean_head, control)
    start = StartHead(mean_head.mesh, np.asarray(mean_head.landmarks, np.float64))
    images, cameras, drawn = [], [], []
    for number, ((photograph, pose), light) in enumerate(zip(usable, lights, strict=True)):
        numbers = np.random.default_rng([seed, number])
        mask = _head_in(photograph, start, seed)
        for crop in range(CROPS):
            camera = _framed(pose, crop, resolution, numbers)
            images.append(_cut_out(photograph.image, mask, pose, camera))
            cameras.append(camera)
            drawn.append(light)
    told = Condition.of(None, None, cameras, subject.attributes, control=control.looks(cameras, drawn))
    return PhotoCrops(torch.from_numpy(np.stack(images)), told)


def _framed(pose: HeadPose, crop: int, resolution: int, numbers: np.random.Generator) -> Camera:
    """The camera of one crop: the whole head, the face, then features and face in turn."""
    centre, frame = np.asarray(HEAD_CENTRE), WHOLE_HEAD
    if crop % 2:
        centre, frame = np.asarray(FACE_CENTRE), FACE
    elif crop:
        centre, frame = numbers.uniform(FEATURES_LOW, FEATURES_HIGH), FEATURES
    height = float(numbers.uniform(*frame))
    centre = centre + numbers.normal(0, 0.02, 3) * height * np.array([1, 1, 0])
    return pose.aimed(centre, height, resolution)


def _head_in(photograph: Photograph, start: StartHead, seed: int) -> NDArray[np.uint8]:
    """Where the head is in a photo, [H, W] of 0 or 255: its outline, or what surely lies within it."""
    image, landmarks = photograph.image, photograph.reading.landmarks
    crop = head_crop(image, landmarks, OUTLINE_PIXELS)
    rotation, shift = first_pose(start, crop)
    posed = start.mesh.vertices @ rotation.T + shift
    found = outline(crop, posed, start.mesh.faces, seed)
    if found is None:
        found = surely_head(crop, posed, start.mesh.faces)
    # Shadows, ears and hair that the clusters took for background lie within what surely is the head.
    shown = np.where(found | surely_head(crop, posed, start.mesh.faces), 255, 0).astype(np.uint8)
    back = crop_matrix(landmarks, OUTLINE_PIXELS)
    size = (image.shape[1], image.shape[0])
    return np.asarray(
        cv2.warpAffine(shown, back, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.uint8
    )


def _cut_out(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], pose: HeadPose, camera: Camera
) -> NDArray[np.float32]:
    """[3, R, R] in [-1, 1]: what a camera sees of a photo, grey beside the head."""
    picture, covered = pose.turned(image, camera)
    head = pose.turned(np.repeat(mask[..., None], 3, 2), camera)[0][..., 0] / 255.0
    told = (picture.astype(np.float32) / 127.5 - 1.0) * (head * covered)[..., None]
    return np.asarray(told.transpose(2, 0, 1), np.float32)


def _lights(
    usable: Sequence[tuple[NDArray[np.uint8], HeadPose]], mean_head: MeanHead, control: ControlView
) -> list[EnvironmentLight]:
    """The light of each photo, and with it one tint of the mean head's albedo for all: a face that is dark in
    every light is a dark face."""
    usual, deviation = (value.double().numpy() for value in usual_light())
    shown = [_shown(image, pose, mean_head, control) for image, pose in usable]
    coefficients = [usual for _ in shown]
    tint = np.ones(3)
    for _ in range(ROUNDS):
        before, after = np.zeros(3), np.zeros(3)
        for (basis, albedo, seen), sh in zip(shown, coefficients, strict=True):
            predicted = albedo * (basis @ sh)
            before, after = before + (predicted**2).mean(0), after + (predicted * seen).mean(0)
        tint = after / np.maximum(before, 1e-9)
        coefficients = [
            np.stack([_ridge(basis, tint, albedo, seen, usual, deviation, k) for k in range(3)], 1)
            for basis, albedo, seen in shown
        ]
    return [EnvironmentLight(sh) for sh in coefficients]


def _shown(
    image: NDArray[np.uint8], pose: HeadPose, mean_head: MeanHead, control: ControlView
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of P pixels of the face: irradiance over pi by coefficient [P, 9], the mean albedo and the photo's
    linear colour, each [P, 3]."""
    camera = pose.aimed(FACE_CENTRE, FACE[0], LIGHT_SIDE)
    picture, covered = pose.turned(image, camera)
    layers = control.look(camera, "normals").transpose(1, 2, 0)
    linear = srgb_to_linear(torch.from_numpy(picture).float() / 255.0).numpy().astype(np.float64)
    chosen = (np.abs(layers[..., :3]).sum(-1) > 0) & (covered > 0.99) & (linear.min(-1) > DARKEST)
    place, seen = layers[chosen][:, :3] * UNIT, linear[chosen]
    normals = (2.0 * layers[chosen][:, 3:] - 1.0) @ camera.rotation()
    basis = sh_basis(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9))
    return basis * COSINE_LOBE, mean_head.albedo_at(place).astype(np.float64), seen


def _ridge(
    basis: NDArray[np.float64],
    tint: NDArray[np.float64],
    albedo: NDArray[np.float64],
    seen: NDArray[np.float64],
    usual: NDArray[np.float64],
    deviation: NDArray[np.float64],
    channel: int,
) -> NDArray[np.float64]:
    """Coefficients [9] of one colour of a light, near the usual one where the pixels do not tell."""
    white = tint[channel] * albedo[:, channel : channel + 1] * basis
    count = max(len(white), 1)
    scale = max(float(tint[channel] * albedo[:, channel].mean()) ** 2, 1e-6) if len(white) else 1.0
    caution = LIGHT_CAUTION * scale * np.diag(1.0 / np.maximum(deviation[:, channel], 1e-3) ** 2)
    wrong = seen[:, channel] - white @ usual[:, channel]
    return np.asarray(
        usual[:, channel] + np.linalg.solve(white.T @ white / count + caution, white.T @ wrong / count)
    )
