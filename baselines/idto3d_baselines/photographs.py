"""The conditioning photos as methods that look at them have them: their landmarks, and which one is best.

Where a profile's detector finds five points and no landmarks, those of the mean head stand for them, posed so
that its five points lie on the found ones: a face without a shape of its own, in the right place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from idto3d.identity.align import five_points
from idto3d.identity.detected import DetectedPhoto
from idto3d.identity.embedding import PhotoReading
from idto3d.identity.photo import read_photo
from idto3d.identity.reader import FaceReading
from idto3d_baselines.image_fit import best_photo
from idto3d_baselines.photo_crop import FOCAL, SIDE
from idto3d_baselines.specs import GenerateRequest
from idto3d_baselines.subject import Found


@dataclass(frozen=True)
class Photograph:
    """A photo with one face.

    Attributes:
        image: uint8 [H, W, 3] sRGB.
        reading: its landmarks in pixels, and what else was read.
    """

    image: NDArray[np.uint8]
    reading: FaceReading


def photographs_of(
    request: GenerateRequest, found: Found, mean_landmarks: NDArray[np.floating]
) -> list[Photograph]:
    """The request's photos in their order.

    Args:
        request: names the files.
        found: from `subject.read_photos`.
        mean_landmarks: [68, 3] mm.
    """
    photos: Sequence[PhotoReading | DetectedPhoto] = found.photos
    return [
        Photograph(read_photo(path), _reading_of(photo, mean_landmarks))
        for path, photo in zip(request.photos, photos, strict=True)
    ]


def best_of(request: GenerateRequest, photographs: list[Photograph]) -> tuple[int, Photograph]:
    """The photo with the largest, most frontal and stillest face, and its number."""
    names = [path.name for path in request.photos]
    number, _ = best_photo(names, [photograph.reading for photograph in photographs])
    return number, photographs[number]


def posed_landmarks(
    points: NDArray[np.floating], mean_landmarks: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Pixels [68, 2] of the mean head's landmarks [68, 3] mm, posed by five points [5, 2] (PnP)."""
    mean = np.asarray(mean_landmarks, np.float64)
    read, own = np.ascontiguousarray(points, np.float64), _five_in_space(mean)
    share = np.ptp(mean[:, :2], axis=0).max() / np.ptp(own[:, :2], axis=0).max()
    side = SIDE * share * np.ptp(read, axis=0).max()  # of the crop that the landmarks will have
    middle = read.mean(0)
    lens = np.array([[FOCAL * side, 0.0, middle[0]], [0.0, FOCAL * side, middle[1]], [0.0, 0.0, 1.0]])
    _, turn, shift = cv2.solvePnP(own, read, lens, None, flags=cv2.SOLVEPNP_SQPNP)
    return np.asarray(cv2.projectPoints(mean, turn, shift, lens, None)[0][:, 0], np.float32)


def _reading_of(photo: PhotoReading | DetectedPhoto, mean_landmarks: NDArray[np.floating]) -> FaceReading:
    if isinstance(photo, PhotoReading):
        return photo.reading
    landmarks = posed_landmarks(photo.face.points, mean_landmarks)
    return FaceReading(landmarks, np.zeros(52, np.float32), np.zeros(0, np.float32), photo.face.score)


def _five_in_space(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """`five_points` [5, 3] mm of landmarks in space, which it averages coordinate by coordinate."""
    return np.ascontiguousarray(five_points(landmarks))
