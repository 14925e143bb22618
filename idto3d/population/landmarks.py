"""The 68 facial landmarks (iBUG order; Sagonas et al. 2013) as vertices of the head topology."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idto3d.render.camera import Camera
from idto3d.render.embree import Scene

# Read off a frontal render of the mean head by this camera; x, y in pixels of the person's right half.
_CAMERA = Camera(distance=1000.0, fovy=0.2, target=(0.0, -20.0, 0.0), resolution=1000)
_JAW = ((160, 480), (165, 545), (178, 610), (195, 680), (222, 755), (262, 825), (320, 890), (400, 940))
_CHIN = ((500, 960),)
_BROW = ((258, 350), (290, 325), (335, 315), (385, 325), (430, 345))
_BRIDGE = ((500, 385), (500, 450), (500, 515), (500, 590))
_NOSTRIL = ((428, 635), (465, 645))
_NOSE_BOTTOM = ((500, 652),)
_EYE = ((275, 408), (310, 383), (360, 385), (408, 416), (365, 433), (310, 431))
_LIP_UPPER = ((375, 770), (420, 742), (470, 728))
_LIP_MIDDLE = ((500, 733), (500, 836))
_LIP_LOWER = ((460, 830), (430, 812))
_INNER = ((388, 769), (440, 756), (440, 779))
_INNER_MIDDLE = ((500, 757), (500, 778))

NOW_LANDMARKS = (36, 39, 42, 45, 33, 48, 54)  # eye corners, nose bottom, mouth corners (NoW's seven)


def _mirror(points: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """The person's left half."""
    return tuple((1000 - x, y) for x, y in points)


def template_pixels() -> NDArray[np.float64]:
    """All 68 points in the reference render; [68, 2] pixels."""
    eye = _mirror(_EYE)
    inner = _mirror(_INNER)
    points = (
        _JAW + _CHIN + _mirror(_JAW)[::-1] + _BROW + _mirror(_BROW)[::-1] + _BRIDGE
        + _NOSTRIL + _NOSE_BOTTOM + _mirror(_NOSTRIL)[::-1] + _EYE
        + (eye[3], eye[2], eye[1], eye[0], eye[5], eye[4])
        + _LIP_UPPER + _LIP_MIDDLE[:1] + _mirror(_LIP_UPPER)[::-1]
        + _mirror(_LIP_LOWER)[::-1] + _LIP_MIDDLE[1:] + _LIP_LOWER
        + _INNER[:2] + _INNER_MIDDLE[:1] + (inner[1], inner[0], inner[2]) + _INNER_MIDDLE[1:] + _INNER[2:]
    )  # fmt: skip
    return np.array(points, np.float64)


def landmark_vertices(
    mean: NDArray[np.float32], faces: NDArray[np.int64], skin: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The visible skin vertex nearest to each landmark of the reference render.

    Args:
        mean: [V, 3] mm, the mean head.
        faces: [F, 3].
        skin: [F] bool, faces of outer skin.

    Returns:
        [68] int64 vertex indices.
    """
    hits = Scene(mean, faces).cast(_CAMERA)
    seen = np.unique(hits.triangle[hits.mask])
    candidates = np.unique(faces[seen[skin[seen]]])
    pixels = _CAMERA.project(mean[candidates])
    distance = np.linalg.norm(pixels[None] - template_pixels()[:, None], axis=-1)
    return np.asarray(candidates[distance.argmin(1)], np.int64)
