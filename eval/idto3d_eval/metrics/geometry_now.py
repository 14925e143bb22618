"""NoW: distance of a cropped face scan to a head laid on it (Sanyal et al., "Learning to Regress 3D Face
Shape and Expression from an Image without 3D Supervision", CVPR 2019; constants read in
soubhiksanyal/now_evaluation).

Four named variants: `now` and `now_metrical` (scale free and scale fixed, a mirrored fit refused), and as the
benchmark's code has them `now_published` and `now_published_metrical` (a mirror passes where it fits the
landmarks better).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.registration import Similarity, procrustes, refine
from idto3d_eval.metrics.surface import Surface

Floats = NDArray[np.float64]

# Right eye's outer and inner corner, left eye's inner and outer, nose bottom, right and left mouth corner,
# in the numbering of iBUG 300-W from 0.
NOW_LANDMARKS = (36, 39, 42, 45, 33, 48, 54)
CENTRE_LIFT = 0.3  # share of the way from the nose bottom to the middle of the inner eye corners
MIRROR_RATIO = 0.5  # of the two fits' rms, below which the mirrored one is no accident of reading
RADIUS_FACTOR = 1.4  # of the mean of outer eye distance and nose distance
CURVE_MM = np.arange(1, 33) / 4.0  # where the cumulative curve is kept; the published plot ends at 8 mm


@dataclass(frozen=True)
class NowVariant:
    """What the alignment may do."""

    name: str
    scale: bool
    reflection: bool

    def start(self, mesh_landmarks: Floats, scan_landmarks: Floats) -> Similarity:
        """Where refinement begins: Procrustes over the seven landmarks [7, 3].

        The published metrical code takes rotation and translation of the fit with a free scale and leaves the
        scale away; ours fits again without one. Refinement brings both to the same place.
        """
        fit = procrustes(
            mesh_landmarks, scan_landmarks, scale=self.scale or self.reflection, reflection=self.reflection
        )
        return fit if self.scale else Similarity(1.0, fit.orthogonal, fit.translation)


VARIANTS = {
    "now": NowVariant("now", scale=True, reflection=False),
    "now_metrical": NowVariant("now_metrical", scale=False, reflection=False),
    "now_published": NowVariant("now_published", scale=True, reflection=True),
    "now_published_metrical": NowVariant("now_published_metrical", scale=False, reflection=True),
}


@dataclass(frozen=True)
class NowResult:
    """Distances [N] mm of the cropped scan's points and the alignment; empty, with a reason, where undefined.

    `landmark_rms` is what Procrustes left between the seven landmarks, mm.
    """

    distances: Floats
    alignment: Similarity | None
    reason: str = ""
    landmark_rms: float = math.nan

    def median(self) -> Measurement:
        """Median distance in mm."""
        return self._figure(np.median)

    def mean(self) -> Measurement:
        """Mean distance in mm."""
        return self._figure(np.mean)

    def std(self) -> Measurement:
        """Standard deviation of the distances in mm."""
        return self._figure(np.std)

    def landmark_residual(self) -> Measurement:
        """Root mean square, mm, of what Procrustes left between the landmarks."""
        return self._figure(lambda _: self.landmark_rms)

    def refined_residual(self) -> Measurement:
        """Root mean square of the distances, mm: what refinement makes least."""
        return self._figure(lambda distances: np.sqrt((distances**2).mean()))

    def fitted_scale(self) -> Measurement:
        """The factor that brought the head to the scan's size."""
        return self._figure(lambda _: self.alignment.scale if self.alignment else math.nan)

    def _figure(self, statistic: Callable[[Floats], float | np.floating]) -> Measurement:
        if len(self.distances) == 0:
            return Measurement(math.nan, self.reason)
        return Measurement(float(statistic(self.distances)))


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
    start = variant.start(mesh_landmarks, scan_landmarks)
    if not variant.reflection and fits_mirrored(mesh_landmarks, scan_landmarks):
        return NowResult(np.zeros(0), None, "the landmarks fit the truth clearly better mirrored than turned")
    # As published, every point counts from the first step on.
    alignment = refine(cropped, mesh, start, scale=variant.scale)
    # Distances are asked in the mesh's frame, where the tree is, and scaled back to the scan's millimetres.
    distances = alignment.scale * mesh.distance(alignment.inverse(cropped))
    return NowResult(distances, alignment, landmark_rms=rms(start.apply(mesh_landmarks) - scan_landmarks))


def fits_mirrored(mesh_landmarks: Floats, scan_landmarks: Floats) -> bool:
    """Whether landmarks [7, 3] fit clearly better mirrored than turned, as those of a mirrored head do.

    The seven points are nearly flat, so that an error of reading alone may tip the best fit to a mirror; then
    both fits are about equally good and the turned one stands.
    """
    left = []
    for reflection in (True, False):
        fit = procrustes(mesh_landmarks, scan_landmarks, scale=True, reflection=reflection)
        left.append(rms(fit.apply(mesh_landmarks) - scan_landmarks))
    return left[0] < MIRROR_RATIO * left[1]


def rms(gaps: Floats) -> float:
    """Root mean square length of vectors [N, 3]."""
    return float(np.sqrt((gaps**2).sum(axis=1).mean()))


def pooled_median(distances: Sequence[Floats]) -> Measurement:
    """Median over all points of all identities; NaN with a reason where there is none."""
    return pooled(distances, np.median)


def pooled(distances: Sequence[Floats], statistic: Callable[[Floats], float | np.floating]) -> Measurement:
    """A statistic over all points of all identities; NaN with a reason where there is none."""
    together = np.concatenate([np.zeros(0), *distances])
    if len(together) == 0:
        return Measurement(math.nan, "no identity has a distance")
    return Measurement(float(statistic(together)))


def cumulative_curve(distances: Floats, thresholds: Floats) -> Floats:
    """Share of distances at or below each threshold [T] mm, as NoW's cumulative error curve plots it."""
    return np.searchsorted(np.sort(distances), thresholds, side="right") / max(len(distances), 1)
