"""Surface agreement of an aligned head with the truth: L1 Chamfer, recall, and normals, in millimetres.

As the NeRSemble single-view reconstruction benchmark reports (L1 Chamfer, R@2.5 mm): both directions, inside
NoW's face region, after NoW's metrical alignment. Of the head's own points only those seen from
the front count, so that a mouth cavity is no error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement, MetricCard
from idto3d_eval.metrics.geometry_now import now_crop
from idto3d_eval.metrics.read_with import LIFTED, READER
from idto3d_eval.metrics.registration import Similarity
from idto3d_eval.metrics.surface import Surface, sample_surface, sphere_directions

Floats = NDArray[np.float64]

RECALL_MM = 2.5  # NeRSemble SVFR's threshold
VIEWERS = 96  # directions over the sphere, of which those in front look at the head
FOREMOST, LOWEST = 0.2, -0.35  # least z and y of a viewer: from below one looks into an open neck
CLEARANCE = 0.05  # mm that an occlusion ray starts off the surface
HEAD_POINTS = 50_000  # area-uniform on the whole head, of which the face region keeps some

_REGION = (
    "inside NoW's face region, after NoW's metrical alignment; of the head's own points only those that can "
    "be seen from the front"
)
_SOURCE = "NeRSemble single-view face reconstruction benchmark; definition of the region: this toolkit."

CARDS = (
    MetricCard(
        name="chamfer_l1",
        title="Chamfer L1",
        definition=f"Mean of the mean distance truth to head and the mean distance head to truth, {_REGION}.",
        source=_SOURCE,
        unit="mm",
        low=0.0,
        high=math.inf,
        better="lower",
        family="geometry",
        level="identity",
        failure_modes=("Blind to wrong normals: a bumpy surface near the truth scores well.",),
        preprocessing=LIFTED,
        networks=(READER,),
    ),
    MetricCard(
        name="surface_recall",
        title="Recall at 2.5 mm",
        definition=f"Share of the truth's points whose distance to the head is at most 2.5 mm, {_REGION}.",
        source=_SOURCE,
        unit="1",
        low=0.0,
        high=1.0,
        better="higher",
        family="geometry",
        level="identity",
        failure_modes=("A foam of floating surfaces has a recall of 1: read it beside Chamfer.",),
        preprocessing=LIFTED,
        networks=(READER,),
    ),
    MetricCard(
        name="normal_error",
        title="Normal error",
        definition=f"Mean angle between the truth's normal and that of the closest point of the head, "
        f"{_REGION}.",
        source="True angle between unit normals; definition of this toolkit.",
        unit="degrees",
        low=0.0,
        high=180.0,
        better="lower",
        family="geometry",
        level="identity",
        failure_modes=(
            "Wound inward, a head scores near 180.",
            "Eyelids, lips and hair have surfaces close behind each other: a few points face the other way.",
        ),
        preprocessing=LIFTED,
        networks=(READER,),
    ),
)


@dataclass(frozen=True)
class SurfaceAgreement:
    """Chamfer mm, recall in [0, 1] and normal error in degrees; each NaN with a reason where undefined."""

    chamfer_l1: Measurement
    surface_recall: Measurement
    normal_error: Measurement


def surface_agreement(
    truth: Surface,
    truth_points: Floats,
    truth_normals: Floats,
    truth_landmarks: Floats,
    head: Surface,
    alignment: Similarity,
    seed: int = 0,
) -> SurfaceAgreement:
    """Compare an aligned head with the truth.

    Args:
        truth: the truth's outer skin, mm.
        truth_points, truth_normals: [N, 3] area-uniform on it, and their unit normals.
        truth_landmarks: [7, 3] mm.
        head: the method's mesh in its own frame.
        alignment: from the head's frame to the truth's, as NoW's metrical variant found it.
        seed: of the points drawn on the head.
    """
    inside = now_crop(truth_points, truth_landmarks)
    points, normals = truth_points[inside], truth_normals[inside]
    found = head.closest(alignment.inverse(points))
    to_head = np.linalg.norm(points - alignment.apply(found.points), axis=1)
    turned = found.normals @ alignment.orthogonal.T
    # A mirror turns the winding inside out, so its normals point inward until they are flipped.
    turned = -turned if alignment.mirrored else turned
    angle = np.degrees(np.arccos(np.clip((turned * normals).sum(axis=1), -1.0, 1.0)))
    recall = Measurement(float((to_head <= RECALL_MM).mean()))
    own = visible_points(head, alignment, truth_landmarks, seed)
    if len(own) == 0:
        missing = Measurement(math.nan, "no visible point of the aligned head lies in the face region")
        return SurfaceAgreement(missing, recall, Measurement(float(angle.mean())))
    chamfer = 0.5 * (float(to_head.mean()) + float(truth.distance(own).mean()))
    return SurfaceAgreement(Measurement(chamfer), recall, Measurement(float(angle.mean())))


def visible_points(head: Surface, alignment: Similarity, truth_landmarks: Floats, seed: int) -> Floats:
    """Area-uniform points of an aligned head that lie in the face region and can be seen from the front.

    Args:
        head: in its own frame.
        alignment: to the truth's frame, in which +Z is the front.
        truth_landmarks: [7, 3] mm.
        seed: of the draw.

    Returns:
        [M, 3] mm in the truth's frame.
    """
    points, _ = sample_surface(head.vertices, head.faces, HEAD_POINTS, seed)
    aligned = alignment.apply(points)
    inside = now_crop(aligned, truth_landmarks)
    around = sphere_directions(VIEWERS)
    viewers = around[(around[:, 2] > FOREMOST) & (around[:, 1] > LOWEST)]
    seen = head.seen_from_outside(points[inside], viewers @ alignment.orthogonal, CLEARANCE / alignment.scale)
    return aligned[inside][seen]
