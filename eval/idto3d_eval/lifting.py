"""Landmarks of a head in three dimensions: read on its frontal renders and lifted onto its surface by ray
casting, the same way for every method and for the truth, so that a reader's bias falls on all alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.features import HeadFeatures
from idto3d_eval.metrics.geometry_now import NOW_LANDMARKS
from idto3d_eval.metrics.surface import Surface
from idto3d_eval.views import ViewSpec

Floats = NDArray[np.float64]


def lift_now_landmarks(
    features: HeadFeatures, expression: str, views: Sequence[ViewSpec], head: Surface
) -> Floats:
    """NoW's seven landmarks of a head.

    Args:
        features: readings of the head's views.
        expression: which of its expressions.
        views: the cameras of those views, in the order of the features.
        head: the rendered mesh, mm.

    Returns:
        [7, 3] mm in the head's frame, in the order of `NOW_LANDMARKS`: the median, coordinate by coordinate,
        over the frontal views in which a face was read and the ray hits; NaN where there is none.

    Raises:
        ValueError: views of other names than those that were read.
    """
    if tuple(spec.name for spec in views) != features.views:
        raise ValueError(
            f"Found views {[spec.name for spec in views]} for features of {list(features.views)}, expected "
            f"the "
            "same in the same order; read the features of this views folder again."
        )
    row = features.expression(expression)
    lifted = [
        lift_points(features.landmarks[row, column, list(NOW_LANDMARKS)].astype(np.float64), spec, head)
        for column, spec in enumerate(views)
        if features.frontal[column]
    ]
    return _median(np.stack(lifted))


def lift_points(pixels: Floats, view: ViewSpec, head: Surface) -> Floats:
    """Points of the surface seen at pixels of a view.

    Args:
        pixels: [N, 2], x right and y down, the first pixel's centre at 0.5; NaN where unread.
        view: whose camera drew it.
        head: mm.

    Returns:
        [N, 3] mm; NaN where a pixel is unread or its ray misses.
    """
    camera = view.camera
    focal = 0.5 * camera.resolution / float(np.tan(0.5 * camera.fovy))
    read = np.isfinite(pixels[:, :1]) & np.isfinite(pixels[:, 1:])  # [N, 1]
    offset = np.where(read, pixels, 0.0) - 0.5 * camera.resolution
    local = np.stack([offset[:, 0] / focal, -offset[:, 1] / focal, -np.ones(len(pixels))], axis=1)
    directions = local @ camera.rotation()
    origins = np.broadcast_to(camera.position(), directions.shape)
    return np.where(read, head.cast(origins, directions), np.nan)


def _median(stack: Floats) -> Floats:
    """Median over the first axis of [K, N, 3] of the rows that are finite; NaN where none is."""
    result = np.full(stack.shape[1:], np.nan)
    for index in range(stack.shape[1]):
        rows = stack[:, index][np.isfinite(stack[:, index]).all(axis=1)]
        if len(rows):
            result[index] = np.median(rows, axis=0)
    return result
