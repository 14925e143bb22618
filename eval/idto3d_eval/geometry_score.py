"""A head's geometry against the true outer skin: NoW in its three variants, and surface agreement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.features import HeadFeatures
from idto3d_eval.lifting import lift_now_landmarks
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.geometry_now import VARIANTS, NowResult, now_errors
from idto3d_eval.metrics.geometry_surface import surface_agreement
from idto3d_eval.metrics.surface import Surface
from idto3d_eval.reference import GEOMETRY_EXPRESSION, Truth
from idto3d_eval.views import ViewSpec

Floats = NDArray[np.float64]

NAMES = (
    "now_median",
    "now_mean",
    "now_std",
    "now_metrical_median",
    "now_published_median",
    "chamfer_l1",
    "surface_recall",
    "normal_error",
)


@dataclass(frozen=True)
class HeadGeometry:
    """Measurements by name, and NoW's distances [N] mm for the pooled median and the curve."""

    measurements: dict[str, Measurement]
    distances: Floats


def measure_geometry(
    asset: Path | None,
    features: HeadFeatures | None,
    views: Sequence[ViewSpec],
    truth: Truth | None,
    failure: str = "",
) -> HeadGeometry:
    """Measure a head's neutral mesh.

    Args:
        asset: the HeadAsset, None where there is none.
        features: readings of its renders.
        views: the cameras of those renders.
        truth: None where no true head exists.
        failure: why there is no head.

    Returns:
        All of `NAMES`, NaN with a reason where undefined.
    """
    if truth is None:
        return _undefined("no true head exists for this identity")
    if asset is None or features is None:
        return _undefined(failure or "the method made no head")
    if not np.isfinite(truth.landmarks).all():
        return _undefined("the seven landmarks could not be read on the true head")
    from idto3d.asset import read_expression

    mesh = read_expression(asset, GEOMETRY_EXPRESSION)
    head = Surface(mesh.vertices, mesh.faces)
    landmarks = lift_now_landmarks(features, GEOMETRY_EXPRESSION, views, head)
    return compare_geometry(head, landmarks, truth)


def compare_geometry(head: Surface, landmarks: Floats, truth: Truth) -> HeadGeometry:
    """As `measure_geometry`, for a surface and its seven landmarks [7, 3] mm, NaN where unread.

    Ours are distances to what is seen of the head from outside, as the truth is the outer skin alone; the
    published variant takes the mesh as it is, hidden surfaces and all.
    """
    outside = head.outside()

    def laid(variant: str, surface: Surface) -> NowResult:
        return now_errors(truth.points, truth.landmarks, surface, landmarks, VARIANTS[variant])

    free, metrical = laid("now", outside), laid("now_metrical", outside)
    published = laid("now_published", head)
    measured = {
        "now_median": free.median(),
        "now_mean": free.mean(),
        "now_std": free.std(),
        "now_metrical_median": metrical.median(),
        "now_published_median": published.median(),
    }
    if metrical.alignment is None:
        undefined = Measurement(math.nan, metrical.reason)
        measured |= dict.fromkeys(("chamfer_l1", "surface_recall", "normal_error"), undefined)
    else:
        skin = Surface(truth.vertices, truth.faces)
        agreement = surface_agreement(
            skin, truth.points, truth.normals, truth.landmarks, outside, metrical.alignment
        )
        measured["chamfer_l1"] = agreement.chamfer_l1
        measured["surface_recall"] = agreement.surface_recall
        measured["normal_error"] = agreement.normal_error
    return HeadGeometry(measured, free.distances)


def _undefined(reason: str) -> HeadGeometry:
    return HeadGeometry({name: Measurement(math.nan, reason) for name in NAMES}, np.zeros(0))
