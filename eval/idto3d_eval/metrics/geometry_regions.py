"""Where a head is wrong: the mean distance from the truth to it in eight regions of the head.

Regions are told from the truth's seven landmarks alone, in units of the face, so that they lie in the same
places on a synthetic head and on a scan of any topology; `docs/geometry.md` shows them on both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement, MetricCard
from idto3d_eval.metrics.read_with import LIFTED, READER

Floats = NDArray[np.float64]

# Bounds by eye on synthetic heads and on a real scan. u and w count outer eye distances to the person's left
# and to the front, v counts the height from mouth to eyes upward, all from the middle between the eyes.
EYE = (0.66, 0.20)  # half width of an eye's ellipse, of the eye's width; half height, of v
MOUTH = (0.66, 0.30)  # half width of the mouth's ellipse, of the mouth's width; half height, of v
NOSE_TOP, NOSE_UNDER = 0.05, 0.10  # v above the eyes, and below the nose bottom
NOSE_HALF = (0.10, 0.25)  # u: half width at the eyes and at the nose bottom
EAR = ((0.6, 1.3), (-1.0, 0.4), (-1.5, -0.62))  # |u|, v, w
FOREHEAD = (0.75, (0.14, 1.2), -0.62)  # |u| below, v between, w above
CHEEK = (0.85, (-1.0, 0.14), -0.62)
CHIN = (0.6, (-1.9, -1.0), -0.5)
SKULL = -0.45  # v above, of what is left; below lie jaw and neck, which belong to no region

REGIONS = ("nose", "mouth", "eyes", "ears", "forehead", "cheeks", "chin", "skull")


def _card(region: str) -> MetricCard:
    return MetricCard(
        name=f"region_{region}",
        title=f"Error of the {region}",
        definition=f"Mean distance of the truth's points in the {region} to what is seen of the head from "
        "outside, after the alignment of NoW's median (scale free); rows one an expression, against the true "
        "head with that expression, and the figure is their mean. Regions are told from the truth's "
        "landmarks.",
        source="This toolkit; bounds of the regions by eye, in units of the face.",
        unit="mm",
        low=0.0,
        high=math.inf,
        better="lower",
        family="geometry",
        level="identity",
        failure_modes=(
            "The alignment fits the face alone: a turn of a degree shows as millimetres at skull and ears.",
            "A method that makes hair as geometry is wrong at the skull, as the truth has none.",
            "Regions of a scan without ears or skull have no points and are undefined.",
        ),
        preprocessing=LIFTED,
        networks=(READER,),
    )


CARDS = tuple(_card(region) for region in REGIONS)


def face_coordinates(points: Floats, landmarks: Floats) -> Floats:
    """Points in units of the face.

    Args:
        points: [N, 3] mm.
        landmarks: [7, 3] mm, in the order of `NOW_LANDMARKS`.

    Returns:
        [N, 3]: u toward the person's left and w to the front in outer eye distances, v upward in heights from
        mouth to eyes, from the middle between the eyes.
    """
    eyes, mouth = landmarks[:4].mean(axis=0), landmarks[5:7].mean(axis=0)
    left = landmarks[3] - landmarks[0]
    width = float(np.linalg.norm(left))
    left = left / width
    up = eyes - mouth
    up = up - (up @ left) * left
    height = float(np.linalg.norm(up))
    up = up / height
    axes = np.stack([left / width, up / height, np.cross(left, up) / width])
    coordinates: Floats = (points - eyes) @ axes.T
    return coordinates


def region_of(points: Floats, landmarks: Floats) -> NDArray[np.int64]:
    """Which region each point belongs to.

    Args:
        points: [N, 3] mm of the truth.
        landmarks: [7, 3] mm of the truth.

    Returns:
        [N] index into `REGIONS`, -1 for none (jaw and neck).
    """
    u, v, w = face_coordinates(points, landmarks).T
    marks = face_coordinates(landmarks, landmarks)
    front = w > FOREHEAD[2]
    rules = {
        "nose": front & _nose(u, v, marks),
        "mouth": front & _ellipse(u, v, marks[5], marks[6], *MOUTH),
        "eyes": front & (_ellipse(u, v, marks[0], marks[1], *EYE) | _ellipse(u, v, marks[2], marks[3], *EYE)),
        "ears": _between(np.abs(u), EAR[0]) & _between(v, EAR[1]) & _between(w, EAR[2]),
        "forehead": front & (np.abs(u) < FOREHEAD[0]) & _between(v, FOREHEAD[1]),
        "cheeks": front & (np.abs(u) < CHEEK[0]) & _between(v, CHEEK[1]),
        "chin": (w > CHIN[2]) & (np.abs(u) < CHIN[0]) & _between(v, CHIN[1]),
        "skull": v > SKULL,
    }
    found = np.full(len(points), -1)
    for index, name in reversed(list(enumerate(REGIONS))):
        found[rules[name]] = index
    return found


def region_errors(distances: Floats, regions: NDArray[np.int64]) -> dict[str, Measurement]:
    """The mean distance in each region, by the metric's name.

    Args:
        distances: [N] mm of the truth's points to the aligned head.
        regions: [N] of `region_of`.
    """
    found: dict[str, Measurement] = {}
    for index, name in enumerate(REGIONS):
        inside = distances[regions == index]
        found[f"region_{name}"] = (
            Measurement(float(inside.mean()))
            if len(inside)
            else Measurement(math.nan, f"the truth has no point in the {name}")
        )
    return found


def undefined_regions(reason: str) -> Mapping[str, Measurement]:
    """All regions NaN for one reason."""
    return {f"region_{name}": Measurement(math.nan, reason) for name in REGIONS}


def _nose(u: Floats, v: Floats, marks: Floats) -> NDArray[np.bool_]:
    bottom = marks[4, 1]
    down = np.clip(v / bottom, 0.0, 1.0)
    half = NOSE_HALF[0] + (NOSE_HALF[1] - NOSE_HALF[0]) * down
    inside: NDArray[np.bool_] = (np.abs(u) < half) & _between(v, (bottom - NOSE_UNDER, NOSE_TOP))
    return inside


def _ellipse(u: Floats, v: Floats, one: Floats, other: Floats, wide: float, high: float) -> NDArray[np.bool_]:
    """Within an ellipse about the middle of two marks, `wide` of their distance and `high` of v from it."""
    centre = 0.5 * (one + other)
    half = wide * abs(float(one[0] - other[0]))
    inside: NDArray[np.bool_] = ((u - centre[0]) / half) ** 2 + ((v - centre[1]) / high) ** 2 < 1.0
    return inside


def _between(values: Floats, bounds: tuple[float, float]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (values > bounds[0]) & (values < bounds[1])
    return inside
