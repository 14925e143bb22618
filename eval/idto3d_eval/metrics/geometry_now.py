"""NoW: distance of a cropped face scan to a head laid on it (Sanyal et al., "Learning to Regress 3D Face
Shape and Expression from an Image without 3D Supervision", CVPR 2019; constants read in
soubhiksanyal/now_evaluation).

Three named variants: `now` (scale free, a mirrored fit refused), `now_metrical` (scale fixed, mirror
refused) and `now_published` (scale free, a mirror passes where it fits the landmarks better).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement, MetricCard
from idto3d_eval.metrics.read_with import LIFTED, READER
from idto3d_eval.metrics.registration import Similarity, procrustes, refine
from idto3d_eval.metrics.surface import Surface

Floats = NDArray[np.float64]

# Right eye's outer and inner corner, left eye's inner and outer, nose bottom, right and left mouth corner,
# in the numbering of iBUG 300-W from 0.
NOW_LANDMARKS = (36, 39, 42, 45, 33, 48, 54)
CENTRE_LIFT = 0.3  # share of the way from the nose bottom to the middle of the inner eye corners
MIRROR_RATIO = 0.5  # of the two fits' rms, below which the mirrored one is no accident of reading
RADIUS_FACTOR = 1.4  # of the mean of outer eye distance and nose distance


@dataclass(frozen=True)
class NowVariant:
    """What the alignment may do."""

    name: str
    scale: bool
    reflection: bool


VARIANTS = {
    "now": NowVariant("now", scale=True, reflection=False),
    "now_metrical": NowVariant("now_metrical", scale=False, reflection=False),
    "now_published": NowVariant("now_published", scale=True, reflection=True),
}


@dataclass(frozen=True)
class NowResult:
    """Distances [N] mm of the cropped scan's points and the alignment; empty, with a reason, where
    undefined."""

    distances: Floats
    alignment: Similarity | None
    reason: str = ""

    def median(self) -> Measurement:
        """Median distance in mm."""
        return self._figure(np.median)

    def mean(self) -> Measurement:
        """Mean distance in mm."""
        return self._figure(np.mean)

    def std(self) -> Measurement:
        """Standard deviation of the distances in mm."""
        return self._figure(np.std)

    def _figure(self, statistic: object) -> Measurement:
        if len(self.distances) == 0:
            return Measurement(math.nan, self.reason)
        assert callable(statistic)
        return Measurement(float(statistic(self.distances)))


def _cards() -> tuple[MetricCard, ...]:
    source = "Sanyal et al., CVPR 2019; constants from soubhiksanyal/now_evaluation."
    crop = (
        "Crop the truth's outer skin (area-uniform points) to the ball about a point 0.3 of the way from "
        "the nose "
        "bottom to the inner eye corners, radius 1.4 times the mean of outer eye distance and nose "
        "distance; lay "
        "the head on it by Procrustes over seven landmarks, refine the unsigned scan-to-mesh distance"
    )
    common = (
        "Landmarks are read on renders; a head whose face is misread is misaligned and shows as a large "
        "error.",
        "A smooth mean head scores well: read it beside identity.",
    )

    def card(name: str, title: str, how: str, failures: tuple[str, ...] = ()) -> MetricCard:
        return MetricCard(
            name=name,
            title=title,
            definition=f"{crop}{how}",
            source=source,
            unit="mm",
            low=0.0,
            high=math.inf,
            better="lower",
            family="geometry",
            level="method" if name == "now_pooled_median" else "identity",
            statistic="pooled" if name == "now_pooled_median" else "mean",
            failure_modes=common + failures,
            preprocessing=LIFTED,
            networks=(READER,),
        )

    free = " with the scale free and a mirrored fit refused, to what is seen of the head from outside; "
    return (
        card("now_median", "NoW median", free + "median distance of an identity's cropped points."),
        card("now_mean", "NoW mean", free + "mean distance.", ("One spike moves it: read the median.",)),
        card("now_std", "NoW std", free + "standard deviation of the distances."),
        card(
            "now_metrical_median",
            "NoW metrical median",
            " with the scale fixed at 1 and a mirrored fit refused, to what is seen of the head from "
            "outside; median distance.",
            ("Punishes a method that knows no absolute size, as no photo tells it.",),
        ),
        card(
            "now_published_median",
            "NoW median as published",
            " with the scale free and reflection allowed, as the published code does; median distance. "
            "Points are "
            "area-uniform here, scan vertices there.",
            ("A mirrored head passes.", "Surfaces inside the head, as of mouth and throat, lower it."),
        ),
        card(
            "now_pooled_median",
            "NoW pooled median",
            free + "median over the points of all identities together, as the benchmark's table prints it.",
            ("Large faces hold more points; an identity with a failed alignment hides in the tail.",),
        ),
    )


CARDS = _cards()


def now_crop(points: Floats, landmarks: Floats) -> NDArray[np.bool_]:
    """Which points lie in NoW's face region.

    Args:
        points: [N, 3] mm of the scan.
        landmarks: [7, 3] mm of the scan, in the order of `NOW_LANDMARKS`.

    Returns:
        [N] True inside the ball.
    """
    nose_bottom = landmarks[4]
    nose_bridge = (landmarks[1] + landmarks[2]) / 2.0
    centre = nose_bottom + CENTRE_LIFT * (nose_bridge - nose_bottom)
    outer_eyes = float(np.linalg.norm(landmarks[0] - landmarks[3]))
    nose = float(np.linalg.norm(nose_bridge - nose_bottom))
    radius = RADIUS_FACTOR * (outer_eyes + nose) / 2.0
    inside: NDArray[np.bool_] = np.linalg.norm(points - centre, axis=1) <= radius
    return inside


def now_errors(
    scan_points: Floats, scan_landmarks: Floats, mesh: Surface, mesh_landmarks: Floats, variant: NowVariant
) -> NowResult:
    """NoW's scan-to-mesh distances.

    Args:
        scan_points: [N, 3] mm: the truth's outer skin, area-uniform (or a scan's vertices).
        scan_landmarks: [7, 3] mm in the scan's frame, in the order of `NOW_LANDMARKS`.
        mesh: the head to measure.
        mesh_landmarks: [7, 3] in the head's frame; NaN where one could not be read.
        variant: one of `VARIANTS`.

    Returns:
        Distances of the points inside the crop; none, with a reason, where a landmark is missing or where the
        landmarks fit clearly better mirrored and the variant refuses that.

    Raises:
        ValueError: the scan's own landmarks are missing, or its crop holds no point.
    """
    if not np.isfinite(scan_landmarks).all():
        raise ValueError(
            "Found a scan without all seven landmarks, expected them; check the true head's renders."
        )
    missing = int((~np.isfinite(mesh_landmarks).all(axis=1)).sum())
    if missing:
        return NowResult(np.zeros(0), None, f"{missing} of the seven landmarks could not be read on the head")
    cropped = scan_points[now_crop(scan_points, scan_landmarks)]
    if len(cropped) == 0:
        raise ValueError("Found no point of the scan in the face region, expected some; check its landmarks.")
    start = procrustes(mesh_landmarks, scan_landmarks, scale=variant.scale, reflection=variant.reflection)
    if not variant.reflection and fits_mirrored(mesh_landmarks, scan_landmarks):
        return NowResult(np.zeros(0), None, "the landmarks fit the truth clearly better mirrored than turned")
    alignment = refine(cropped, mesh, start, scale=variant.scale)
    # Distances are asked in the mesh's frame, where the tree is, and scaled back to the scan's millimetres.
    return NowResult(alignment.scale * mesh.distance(alignment.inverse(cropped)), alignment)


def fits_mirrored(mesh_landmarks: Floats, scan_landmarks: Floats) -> bool:
    """Whether landmarks [7, 3] fit clearly better mirrored than turned, as those of a mirrored head do.

    The seven points are nearly flat, so that an error of reading alone may tip the best fit to a mirror; then
    both fits are about equally good and the turned one stands.
    """
    rms = []
    for reflection in (True, False):
        fit = procrustes(mesh_landmarks, scan_landmarks, scale=True, reflection=reflection)
        rms.append(float(np.sqrt(((fit.apply(mesh_landmarks) - scan_landmarks) ** 2).sum(axis=1).mean())))
    return rms[0] < MIRROR_RATIO * rms[1]


def pooled_median(distances: Sequence[Floats]) -> Measurement:
    """Median over all points of all identities; NaN with a reason where there is none."""
    pooled = np.concatenate([np.zeros(0), *distances])
    if len(pooled) == 0:
        return Measurement(math.nan, "no identity has a distance")
    return Measurement(float(np.median(pooled)))


def cumulative_curve(distances: Floats, thresholds: Floats) -> Floats:
    """Share of distances at or below each threshold [T] mm, as NoW's cumulative error curve plots it."""
    return np.searchsorted(np.sort(distances), thresholds, side="right") / max(len(distances), 1)
