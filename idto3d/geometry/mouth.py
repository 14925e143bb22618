"""Lips that can part: the closed mean head, cut between them into a mouth that an expression can open.

A surface that runs on from lip to lip can only stretch when a jaw drops; it shows skin where a mouth should
be. The cut is as thin as the grid can carry, so the neutral mouth stays closed to the eye.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idto3d.geometry.mesh import FloatArray
from idto3d.geometry.sdf import SignedDistance

CORNERS, UPPER, LOWER = (60, 64), (61, 62, 63), (67, 66, 65)  # of the inner lips, iBUG order
HALF_GAP = 0.5  # mm, between the lips
HALF_ROOM = 2.5  # mm, behind them
DEPTH = 18.0  # mm, of the mouth behind the lips
LIPS = 5.0  # mm that the lips are deep
UNFOLDED, FADING = 10.0, 25.0  # mm that each side is moved, and over which distance that fades
MOUTH = 25.0  # mm about the lips, what a dropping jaw stretches
SHORT = 2.0  # mm that the cut ends before the corners
# What a dropping jaw takes along, mm: beside the lips it fades from their height down, and towards the neck.
JAW_RISE, JAW_SIDE, NECK_DEPTH, NECK_FADING = 14.0, 62.0, 45.0, 20.0


def parted(distance: SignedDistance, landmarks: NDArray[np.floating]) -> SignedDistance:
    """The signed distance of a closed head, with a mouth cut in between its lips.

    Args:
        distance: of the closed head, mm.
        landmarks: [68, 3] mm, iBUG order.
    """

    def cut(points: FloatArray) -> FloatArray:
        return np.maximum(distance(points), -_room(np.asarray(points, np.float64), landmarks))

    return cut


def unfolded(points: NDArray[np.floating], landmarks: NDArray[np.floating]) -> FloatArray:
    """Places [N, 3] mm where the two sides of the cut lie apart, so that a smooth field can part them.

    What is above the line between the lips is lifted and what is below it lowered, most at their middle, not
    at all at their corners, at the mouth's back, and far above and below.
    """
    places = np.array(points, np.float64)
    line = _line(landmarks)
    x, y, z = places.T
    front = np.polyfit(line[:, 0], line[:, 2], 2)
    middle, half = 0.5 * (line[0, 0] + line[-1, 0]), 0.5 * (line[-1, 0] - line[0, 0])
    above = _above(x, y, line)
    depth = np.polyval(front, np.clip(x, line[0, 0], line[-1, 0])) - z
    across = np.clip(1.0 - np.square((x - middle) / half), 0.0, 1.0) ** 0.5
    along = np.clip(1.0 - np.maximum(depth, 0.0) / DEPTH, 0.0, 1.0)
    fading = np.exp(-np.square(above / FADING))
    places[:, 1] += np.sign(above) * UNFOLDED * across * along * fading
    return places


def near_mouth(points: NDArray[np.floating], landmarks: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which points [..., 3] mm lie within `MOUTH` of the line between the lips, seen from the front."""
    line = _line(landmarks)
    x, y, _ = np.moveaxis(np.asarray(points, np.float64), -1, 0)
    beside = x - np.clip(x, line[0, 0], line[-1, 0])
    return np.asarray(np.hypot(beside, _above(x, y, line)) < MOUTH)


def lip_heights(landmarks: NDArray[np.floating]) -> tuple[float, float]:
    """The lowest and the highest y of the line between the lips, mm."""
    line = _line(landmarks)[:, 1]
    return float(line.min()), float(line.max())


def jaw_dropped(places: NDArray[np.floating], landmarks: NDArray[np.floating]) -> FloatArray:
    """How a dropping jaw moves what lies at `places` [N, 3] mm of `unfolded`, per mm at the lower lip.

    The lower jaw turns about the axis between the two ends of the jaw line (landmarks 0 and 16).
    """
    line = _line(landmarks)
    x, y, z = np.asarray(places, np.float64).T
    middle, half = 0.5 * (line[0, 0] + line[-1, 0]), 0.5 * (line[-1, 0] - line[0, 0])
    below = -_above(x, y, line)
    beside = np.clip((np.abs(x - middle) / half) ** 2, 0.0, 1.0)
    share = _ramp(below / np.maximum(JAW_RISE * beside, 2.0))  # at once at the lips, slowly beside them
    share = share * (1.0 - _ramp((np.abs(x - middle) - JAW_SIDE) / 20.0))
    chin = landmarks[8]
    share = share * (1.0 - _ramp((chin[2] - NECK_DEPTH - z) / NECK_FADING))
    share = share * (1.0 - _ramp((chin[1] - 5.0 - y) / NECK_FADING))
    hinge = 0.5 * (landmarks[0] + landmarks[16])
    lip = landmarks[66] - hinge
    reach = float(np.hypot(lip[1], lip[2]))
    moved = np.zeros((len(places), 3))
    moved[:, 1], moved[:, 2] = -(z - hinge[2]), y - hinge[1]  # a small turn about x
    return share[:, None] * moved / reach


def _ramp(value: FloatArray) -> FloatArray:
    """0 below 0, 1 above 1, smooth between."""
    t = np.clip(value, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def _room(points: FloatArray, landmarks: NDArray[np.floating]) -> FloatArray:
    """About the signed distance [N] to the mouth's inside, mm."""
    line = _line(landmarks)
    x, y, z = points.T
    front = np.polyfit(line[:, 0], line[:, 2], 2)
    middle, half = 0.5 * (line[0, 0] + line[-1, 0]), 0.5 * (line[-1, 0] - line[0, 0]) - SHORT
    depth = np.polyval(front, x) - z  # behind the lips' front; negative in front of it
    # The mouth is as wide as the lips in front and rounds off to nothing at its back.
    share = np.clip(depth / DEPTH, 0.0, 1.0)
    width = half * np.sqrt(1.0 - share**2)
    side = 1.0 - np.square(np.minimum(np.abs(x - middle) / np.maximum(width, 1e-6), 1.5))
    grown = np.clip((depth - LIPS) / LIPS, 0.0, 1.0)
    height = (HALF_GAP + (HALF_ROOM - HALF_GAP) * grown * np.sqrt(1.0 - share**2)) * np.minimum(side * 4, 1.0)
    height = np.where(depth > DEPTH, DEPTH - depth, height)
    return np.asarray(np.abs(_above(x, y, line)) - height)


def _above(x: FloatArray, y: FloatArray, line: FloatArray) -> FloatArray:
    """How far above the bent line [5, 3] between the lips, level beyond its ends; mm."""
    bend = np.polyfit(line[:, 0], line[:, 1], 2)
    return np.asarray(y - np.polyval(bend, np.clip(x, line[0, 0], line[-1, 0])))


def _line(landmarks: NDArray[np.floating]) -> FloatArray:
    """Where the lips meet, from corner to corner; [5, 3] mm."""
    between = 0.5 * (landmarks[list(UPPER)] + landmarks[list(LOWER)])
    ends = landmarks[list(CORNERS)]
    line = np.concatenate([ends[:1], between, ends[1:]]).astype(np.float64)
    return line[np.argsort(line[:, 0])]
