"""The part of a photo that a head is fitted to: a square, a camera for it, and its outline if told."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan

import cv2
import numpy as np
from numpy.typing import NDArray

from idto3d.identity.align import apply, square_crop, warp
from idto3d.render.camera import Camera
from idto3d.render.embree import cast
from idto3d_baselines.face_warp import StartHead

SIDE = 2.4  # crop side over the landmarks' extent: the whole head of the mean person
UPWARD = 0.2  # of the landmarks' extent: a head's middle lies above its landmarks'
# Distance over picture height. One face does not tell a lens from a distance, and the embedded photos were
# taken from 1.4 to 5 times their height: this is their middle, and that of portraits.
FOCAL = 2.8
DISTANCE = 900.0  # mm from the camera to the origin of the posed frame
BAND = 28  # of the crop's side: half the width of the band in which an outline is looked for
ROUNDS = 3  # of GrabCut
TRUSTED_OVERLAP = 0.8  # overlap of outline and posed mean head from which the outline is believed


@dataclass(frozen=True)
class Crop:
    """A square of a photo.

    Attributes:
        image: uint8 [S, S, 3] sRGB.
        inside: bool [S, S], False beyond the photo's border.
        landmarks: [68, 2] pixels of the crop.
    """

    image: NDArray[np.uint8]
    inside: NDArray[np.bool_]
    landmarks: NDArray[np.float64]


def head_crop(image: NDArray[np.uint8], landmarks: NDArray[np.floating], size: int) -> Crop:
    """Cut the head out of a photo.

    Args:
        image: uint8 [H, W, 3].
        landmarks: [68, 2] pixels.
        size: side of the result in pixels.
    """
    matrix = crop_matrix(landmarks, size)
    filled = warp(np.full_like(image, 255), matrix, size)
    return Crop(warp(image, matrix, size), filled[..., 0] > 250, apply(matrix, landmarks))


def crop_matrix(landmarks: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """From a photo's pixels to those of its crop of side `size`, [2, 3], by landmarks [68, 2]."""
    extent = float((landmarks.max(0) - landmarks.min(0)).max())
    lifted = np.asarray(landmarks, np.float64) - [0.0, UPWARD * extent]
    return np.asarray(square_crop(lifted, size, margin=SIDE), np.float64)


def crop_camera(size: int) -> Camera:
    """The frontal camera that sees the posed head as the crop does; the head is moved, the camera is not."""
    return Camera(0.0, 0.0, 0.0, DISTANCE, 2.0 * atan(0.5 / FOCAL), (0.0, 0.0, 0.0), size)


def first_pose(head: StartHead, crop: Crop) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation [3, 3] and translation [3] mm that put the mean head's landmarks on the crop's (PnP).

    Posed points are `points @ rotation.T + translation`, in the frame of `crop_camera`.
    """
    size = crop.image.shape[0]
    matrix = np.array([[FOCAL * size, 0.0, size / 2], [0.0, FOCAL * size, size / 2], [0.0, 0.0, 1.0]])
    pixels = np.ascontiguousarray(crop.landmarks)
    _, turn, shift = cv2.solvePnP(head.landmarks, pixels, matrix, None, flags=cv2.SOLVEPNP_SQPNP)
    # Least squares from there; OpenCV's camera looks along +z with y downward, ours along -z with y up.
    turn, shift = cv2.solvePnPRefineLM(head.landmarks, pixels, matrix, None, turn, shift)
    axes = np.array([1.0, -1.0, -1.0])
    rotation = axes[:, None] * cv2.Rodrigues(turn)[0]
    return rotation, axes * shift[:, 0] + np.array([0.0, 0.0, DISTANCE])


def outline(
    crop: Crop, posed: NDArray[np.float64], faces: NDArray[np.int64], seed: int
) -> NDArray[np.bool_] | None:
    """Pixels of the head by GrabCut (Rother 2004), begun from the posed mean head; None where not to be told.

    Args:
        crop: the photo.
        posed: [V, 3] mm, the mean head in the frame of `crop_camera`.
        faces: [F, 3].
        seed: of the colour clusters' start.

    Returns:
        bool [S, S], or None where what was found overlaps the posed head too little to be believed.
    """
    size = crop.image.shape[0]
    guess = cast(posed, faces, crop_camera(size)).mask
    step = max(1, size // BAND)
    labels = np.full((size, size), cv2.GC_BGD, np.uint8)
    labels[_grown(guess, 2 * step)] = cv2.GC_PR_BGD
    labels[guess] = cv2.GC_PR_FGD
    labels[_grown(guess, -2 * step)] = cv2.GC_FGD
    labels[~crop.inside] = cv2.GC_BGD
    if not (labels == cv2.GC_FGD).any() or not (labels == cv2.GC_BGD).any():
        return None
    cv2.setRNGSeed(seed % 2**31)
    cv2.grabCut(crop.image, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    told = crop.inside & above_chin(crop)
    overlap = (found & guess & told).sum() / max((found | guess)[told].sum(), 1)
    return found if overlap >= TRUSTED_OVERLAP else None


def above_chin(crop: Crop) -> NDArray[np.bool_]:
    """Pixels [S, S] on the eyes' side of a line through the chin: below it neck and clothes begin."""
    eyes = crop.landmarks[36:48].mean(0)
    chin = crop.landmarks[8]
    row, column = np.indices(crop.inside.shape) + 0.5
    up = eyes - chin
    return np.asarray((column - chin[0]) * up[0] + (row - chin[1]) * up[1] > 0.0)


def surely_head(crop: Crop, posed: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Pixels [S, S] well inside the posed mean head: the person, however their outline runs."""
    size = crop.image.shape[0]
    return _grown(cast(posed, faces, crop_camera(size)).mask, -2 * max(1, size // BAND)) & crop.inside


def _grown(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """A mask [S, S] grown by that many pixels, or shrunk by a negative number of them."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    change = cv2.dilate if times > 0 else cv2.erode
    return np.asarray(change(mask.astype(np.uint8), disc, iterations=abs(times)) > 0)
