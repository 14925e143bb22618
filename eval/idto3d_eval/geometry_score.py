"""A head's geometry against the true outer skin: NoW in its variants, surface agreement, errors by region."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.features import NOT_PROVIDED, HeadFeatures
from idto3d_eval.lifting import lift_now_landmarks
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.geometry_now import VARIANTS, NowResult, now_errors
from idto3d_eval.metrics.geometry_regions import REGIONS, region_errors, region_of, undefined_regions
from idto3d_eval.metrics.geometry_surface import AGREEMENT, POSED_F_SCORE_MM, surface_agreement
from idto3d_eval.metrics.surface import Surface
from idto3d_eval.reference import GEOMETRY_EXPRESSION, Truth
from idto3d_eval.views import ViewSpec

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh

Floats = NDArray[np.float64]

OWN_NOW = ("now_median", "now_mean", "now_std", "now_landmark_rms", "now_refined_rms", "now_scale")
PUBLISHED_NOW = (
    "now_published_median",
    "now_published_mean",
    "now_published_std",
    "now_published_landmark_rms",
    "now_published_refined_rms",
)
REGION_NAMES = tuple(f"region_{name}" for name in REGIONS)
NAMES = (
    *OWN_NOW,
    "now_metrical_median",
    *PUBLISHED_NOW,
    "now_published_metrical_median",
    *AGREEMENT,
    *REGION_NAMES,
)
POSED_NAMES = (
    "posed_now_median",
    "posed_now_metrical_median",
    "posed_chamfer_l1",
    f"posed_f_score_{POSED_F_SCORE_MM}mm",
    "posed_normal_consistency",
    *REGION_NAMES,
)


@dataclass(frozen=True)
class HeadGeometry:
    """Measurements by name, NoW's distances [N] mm for what is pooled over people, of ours and as published,
    and the faces [F] that are seen of the head from outside (None where there is no head)."""

    measurements: dict[str, Measurement]
    distances: Floats
    published: Floats
    outside: NDArray[np.bool_] | None = None


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
    reason = _missing(asset, features, truth, failure)
    if reason:
        return HeadGeometry(undefined(NAMES, reason), np.zeros(0), np.zeros(0))
    assert asset is not None
    assert features is not None
    assert truth is not None
    head, landmarks = _read(asset, features, views, GEOMETRY_EXPRESSION)
    return compare_geometry(head, landmarks, truth)


def measure_posed(
    asset: Path | None,
    features: HeadFeatures | None,
    views: Sequence[ViewSpec],
    truth: Truth | None,
    expression: str,
    outside: NDArray[np.bool_] | None = None,
    failure: str = "",
) -> dict[str, Measurement]:
    """Measure a head with another expression than neutral.

    Args:
        asset, features, views, failure: as of `measure_geometry`.
        truth: the true head with that expression; None where there is none.
        expression: which.
        outside: [F] faces that are seen of the neutral head: what a mouth shows when it opens is no part of
            the truth's outer skin either. Found anew where the mesh has other faces.

    Returns:
        All of `POSED_NAMES`, NaN with a reason where undefined.
    """
    reason = _missing(asset, features, truth, failure)
    if features is not None and (features.reasons[features.expression(expression)] == NOT_PROVIDED).all():
        reason = NOT_PROVIDED
    if reason:
        return undefined(POSED_NAMES, reason)
    assert asset is not None
    assert features is not None
    assert truth is not None
    head, landmarks = _read(asset, features, views, expression)
    return compare_posed(head, landmarks, truth, outside)


def compare_geometry(head: Surface, landmarks: Floats, truth: Truth) -> HeadGeometry:
    """As `measure_geometry`, for a surface and its seven landmarks [7, 3] mm, NaN where unread.

    Ours are distances to what is seen of the head from outside, as the truth is the outer skin alone; the
    published variants take the mesh as it is, hidden surfaces and all.
    """
    seen = head.seen_faces()
    outside = head.only(seen)
    free, metrical = _laid("now", outside, landmarks, truth), _laid("now_metrical", outside, landmarks, truth)
    published = _laid("now_published", head, landmarks, truth)
    measured = {
        **dict(zip(OWN_NOW, (*_figures(free), free.fitted_scale()), strict=True)),
        "now_metrical_median": metrical.median(),
        **dict(zip(PUBLISHED_NOW, _figures(published), strict=True)),
        "now_published_metrical_median": _laid("now_published_metrical", head, landmarks, truth).median(),
        **_agreement(outside, metrical, truth),
        **_regions(outside, free, truth),
    }
    return HeadGeometry(measured, free.distances, published.distances, seen)


def compare_posed(
    head: Surface, landmarks: Floats, truth: Truth, outside: NDArray[np.bool_] | None = None
) -> dict[str, Measurement]:
    """As `measure_posed`, for a surface and its seven landmarks."""
    known = outside is not None and len(outside) == len(head.faces)
    skin = head.only(outside) if known and outside is not None else head.outside()
    free, metrical = _laid("now", skin, landmarks, truth), _laid("now_metrical", skin, landmarks, truth)
    agreement = _agreement(skin, metrical, truth)
    return {
        "posed_now_median": free.median(),
        "posed_now_metrical_median": metrical.median(),
        **{name: agreement[name.removeprefix("posed_")] for name in POSED_NAMES[2:5]},
        **_regions(skin, free, truth),
    }


def undefined(names: Iterable[str], reason: str) -> dict[str, Measurement]:
    """Every name NaN for one reason."""
    return dict.fromkeys(names, Measurement(math.nan, reason))


def _missing(asset: Path | None, features: HeadFeatures | None, truth: Truth | None, failure: str) -> str:
    """Why there is nothing to compare; empty where there is."""
    if truth is None:
        return "no true head exists for this identity"
    if asset is None or features is None:
        return failure or "the method made no head"
    if not np.isfinite(truth.landmarks).all():
        return "the seven landmarks could not be read on the true head"
    return ""


def _read(
    asset: Path, features: HeadFeatures, views: Sequence[ViewSpec], expression: str
) -> tuple[Surface, Floats]:
    from idto3d.asset import read_expression

    mesh: TexturedMesh = read_expression(asset, expression)
    head = Surface(mesh.vertices, mesh.faces)
    return head, lift_now_landmarks(features, expression, views, head)


def _laid(variant: str, surface: Surface, landmarks: Floats, truth: Truth) -> NowResult:
    return now_errors(truth.points, truth.landmarks, surface, landmarks, VARIANTS[variant])


def _figures(laid: NowResult) -> tuple[Measurement, ...]:
    return laid.median(), laid.mean(), laid.std(), laid.landmark_residual(), laid.refined_residual()


def _agreement(outside: Surface, metrical: NowResult, truth: Truth) -> Mapping[str, Measurement]:
    if metrical.alignment is None:
        return undefined(AGREEMENT, metrical.reason)
    skin = Surface(truth.vertices, truth.faces)
    found = surface_agreement(skin, truth.points, truth.normals, truth.landmarks, outside, metrical.alignment)
    return {name: getattr(found, name) for name in AGREEMENT}


def _regions(outside: Surface, free: NowResult, truth: Truth) -> Mapping[str, Measurement]:
    if free.alignment is None:
        return undefined_regions(free.reason)
    laid = free.alignment
    distances = laid.scale * outside.distance(laid.inverse(truth.points))
    return region_errors(distances, region_of(truth.points, truth.landmarks))
