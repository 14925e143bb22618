"""Surface agreement of an aligned head with the truth: Chamfer, recall, F-scores and normals.

As the NeRSemble single-view reconstruction benchmark reports (L1 Chamfer, R@2.5 mm): both directions, inside
NoW's face region, after NoW's metrical alignment. Of the head's own points only those seen from
the front count, so that a mouth cavity is no error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Direction, Measurement, MetricCard
from idto3d_eval.metrics.geometry_now import now_crop
from idto3d_eval.metrics.read_with import LIFTED, READER
from idto3d_eval.metrics.registration import Similarity
from idto3d_eval.metrics.surface import (
    Surface,
    neighbours_together,
    sample_surface,
    sphere_directions,
)

Floats = NDArray[np.float64]

F_SCORE_MM = (1, 2, 5)
POSED_F_SCORE_MM = 2
RECALL_MM = 2.5  # NeRSemble SVFR's threshold
VIEWERS = 96  # directions over the sphere, of which those in front look at the head
FOREMOST, LOWEST = 0.2, -0.35  # least z and y of a viewer: from below one looks into an open neck
CLEARANCE = 0.05  # mm that an occlusion ray starts off the surface
HEAD_POINTS = 50_000  # area-uniform on the whole head, of which the face region keeps some

_REGION = (
    "inside NoW's face region, after NoW's metrical alignment; of the head's own points only those that can "
    "be seen from the front"
)
_BENCHMARK = "NeRSemble single-view face reconstruction benchmark; definition of the region: this toolkit."
_F_SCORE = 'Knapitsch et al., "Tanks and Temples", 2017; definition of the region: this toolkit.'
_CONSISTENCY = 'Mescheder et al., "Occupancy Networks", 2019; definition of the region: this toolkit.'
_POSED = " Of each expression but neutral, against the true head with that expression; mean over them."
_UNREAD_SIZE = "The alignment keeps the head's size: a method that knows no absolute size is punished."


def _card(
    name: str,
    title: str,
    definition: str,
    source: str,
    failure: str,
    unit: str = "1",
    high: float = 1.0,
    better: Direction = "higher",
) -> MetricCard:
    return MetricCard(
        name=name,
        title=title,
        definition=definition,
        source=source,
        unit=unit,
        low=0.0,
        high=high,
        better=better,
        family="geometry",
        level="identity",
        failure_modes=(failure, _UNREAD_SIZE),
        preprocessing=LIFTED,
        networks=(READER,),
    )


def _cards() -> tuple[MetricCard, ...]:
    chamfer = f"Mean of the mean distance truth to head and the mean distance head to truth, {_REGION}."
    bumpy = "Blind to wrong normals: a bumpy surface near the truth scores well."
    consistency = (
        "Mean of |cos| of the angle between a point's normal and that of the closest point of the other "
        f"surface, truth to head and head to truth, {_REGION}."
    )
    sign = "Blind to the sign: a head wound inward scores as well."
    scores = [
        _card(
            f"f_score_{mm}mm",
            f"F-score at {mm} mm",
            "Harmonic mean of the share of the truth's points within "
            f"{mm} mm of the head and of the head's points within {mm} mm of the truth, {_REGION}.",
            _F_SCORE,
            "Two errors just below and just above the threshold count as none and as whole.",
        )
        for mm in F_SCORE_MM
    ]
    posed_score = scores[F_SCORE_MM.index(POSED_F_SCORE_MM)]
    return (
        _card("chamfer_l1", "Chamfer L1", chamfer, _BENCHMARK, bumpy, "mm", math.inf, "lower"),
        _card(
            "chamfer_points",
            "Chamfer L1 of points",
            "As Chamfer L1, with the distance to the nearest of the other's points in place of the surface, "
            "as point-cloud code computes it.",
            _BENCHMARK,
            "Never zero but for equal samples: half a point's spacing is its floor.",
            "mm",
            math.inf,
            "lower",
        ),
        _card(
            "surface_recall",
            "Recall at 2.5 mm",
            f"Share of the truth's points whose distance to the head is at most 2.5 mm, {_REGION}.",
            _BENCHMARK,
            "A foam of floating surfaces has a recall of 1: read it beside Chamfer.",
        ),
        *scores,
        _card("normal_consistency", "Normal consistency", consistency, _CONSISTENCY, sign),
        _card(
            "normal_error",
            "Normal error",
            f"Mean angle between the truth's normal and that of the closest point of the head, {_REGION}.",
            "True angle between unit normals; definition of this toolkit.",
            "Wound inward, a head scores near 180; eyelids, lips and hair have surfaces close behind each "
            "other, so that a few points face the other way.",
            "degrees",
            180.0,
            "lower",
        ),
        _card(
            "posed_chamfer_l1",
            "Chamfer L1, posed",
            chamfer + _POSED,
            _BENCHMARK,
            bumpy,
            "mm",
            math.inf,
            "lower",
        ),
        _card(
            f"posed_f_score_{POSED_F_SCORE_MM}mm",
            f"F-score at {POSED_F_SCORE_MM} mm, posed",
            posed_score.definition + _POSED,
            _F_SCORE,
            posed_score.failure_modes[0],
        ),
        _card(
            "posed_normal_consistency",
            "Normal consistency, posed",
            consistency + _POSED,
            _CONSISTENCY,
            sign,
        ),
    )


CARDS = _cards()


@dataclass(frozen=True)
class SurfaceAgreement:
    """Measurements by the names of this module's neutral cards; each NaN with a reason where undefined."""

    chamfer_l1: Measurement
    chamfer_points: Measurement
    surface_recall: Measurement
    f_score_1mm: Measurement
    f_score_2mm: Measurement
    f_score_5mm: Measurement
    normal_consistency: Measurement
    normal_error: Measurement


AGREEMENT = tuple(field.name for field in fields(SurfaceAgreement))


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
        seed: of the points drawn on the head, as many as the truth has.
    """
    inside = now_crop(truth_points, truth_landmarks)
    points, normals = truth_points[inside], truth_normals[inside]
    found = head.closest(alignment.inverse(points))
    to_head = np.linalg.norm(points - alignment.apply(found.points), axis=1)
    cosine = (_turned(found.normals, alignment) * normals).sum(axis=1)
    angle = float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).mean())
    recall, error = Measurement(float((to_head <= RECALL_MM).mean())), Measurement(angle)
    own, own_normals = visible_points(head, alignment, truth_landmarks, seed, len(truth_points))
    if len(own) == 0:
        none = Measurement(math.nan, "no visible point of the aligned head lies in the face region")
        return SurfaceAgreement(none, none, recall, none, none, none, none, error)
    back = truth.closest(own)
    to_truth = np.linalg.norm(own - back.points, axis=1)
    back_cosine = (back.normals * own_normals).sum(axis=1)
    consistency = 0.5 * float(np.abs(cosine).mean() + np.abs(back_cosine).mean())
    return SurfaceAgreement(
        chamfer_l1=Measurement(0.5 * float(to_head.mean() + to_truth.mean())),
        chamfer_points=Measurement(chamfer_of_points(points, own)),
        surface_recall=recall,
        f_score_1mm=Measurement(f_score(to_head, to_truth, 1.0)),
        f_score_2mm=Measurement(f_score(to_head, to_truth, 2.0)),
        f_score_5mm=Measurement(f_score(to_head, to_truth, 5.0)),
        normal_consistency=Measurement(min(consistency, 1.0)),
        normal_error=error,
    )


def f_score(to_head: Floats, to_truth: Floats, threshold: float) -> float:
    """Harmonic mean of the shares of distances [N] and [M] at or below a threshold; 0 where both are 0."""
    recall, precision = float((to_head <= threshold).mean()), float((to_truth <= threshold).mean())
    return 2.0 * recall * precision / (recall + precision) if recall + precision > 0.0 else 0.0


def chamfer_of_points(one: Floats, other: Floats) -> float:
    """Mean of the two mean distances, mm, from a point of a cloud [N, 3] to the nearest of another [M, 3].

    Raises:
        ValueError: a cloud without points.
    """
    from open3d.core import Tensor, nns

    if not (len(one) and len(other)):
        raise ValueError(f"Found clouds of {len(one)} and {len(other)} points, expected some in both.")
    clouds = [Tensor(neighbours_together(cloud)) for cloud in (one, other)]
    ways = []
    for asked, found in (clouds, reversed(clouds)):
        search = nns.NearestNeighborSearch(found)
        search.knn_index()
        ways.append(float(np.sqrt(search.knn_search(asked, 1)[1].numpy()).mean()))
    return 0.5 * (ways[0] + ways[1])


def _turned(normals: Floats, alignment: Similarity) -> Floats:
    """Normals [N, 3] carried over; a mirror turns the winding inside out, so they are flipped back."""
    turned: Floats = normals @ alignment.orthogonal.T
    return -turned if alignment.mirrored else turned


def visible_points(
    head: Surface, alignment: Similarity, truth_landmarks: Floats, seed: int, count: int = HEAD_POINTS
) -> tuple[Floats, Floats]:
    """Area-uniform points of an aligned head that lie in the face region and can be seen from the front.

    Args:
        head: in its own frame.
        alignment: to the truth's frame, in which +Z is the front.
        truth_landmarks: [7, 3] mm.
        seed: of the draw.
        count: points drawn on the whole head.

    Returns:
        Points [M, 3] mm and their unit normals [M, 3], in the truth's frame.
    """
    points, normals = sample_surface(head.vertices, head.faces, count, seed)
    aligned = alignment.apply(points)
    inside = now_crop(aligned, truth_landmarks)
    around = sphere_directions(VIEWERS)
    viewers = around[(around[:, 2] > FOREMOST) & (around[:, 1] > LOWEST)]
    seen = head.seen_from_outside(points[inside], viewers @ alignment.orthogonal, CLEARANCE / alignment.scale)
    return aligned[inside][seen], _turned(normals[inside][seen], alignment)
