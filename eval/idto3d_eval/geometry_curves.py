"""NoW's cumulative curves, as a report and a dashboard draw them, from the rows of `scores.parquet`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from idto3d_eval.metrics.table import METRICS
from idto3d_eval.scored import Scored

if TYPE_CHECKING:
    import polars

CURVES = ("now_published_curve", "now_curve")
UNIT = " mm"


def now_curves(scored: Scored) -> list[dict[str, Any]]:
    """As `cumulative_curves`, for the curves of a report."""
    return cumulative_curves(scored.scores)


def cumulative_curves(scores: polars.DataFrame | polars.LazyFrame) -> list[dict[str, Any]]:
    """One curve a variant: the share of all cropped points of all identities within a distance.

    Args:
        scores: the score table, with the rows of `CURVES` (a threshold each, in the view).

    Returns:
        {title, x, y, series: {method: [[mm, share], …]}}, points sorted by distance and averaged over seeds;
        variants and methods without a curve are left out.
    """
    import polars

    wanted = polars.col("metric").is_in(CURVES) & polars.col("value").is_finite()
    rows = scores.lazy().filter(wanted).collect()
    points: dict[tuple[str, str], dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for method, metric, view, value in rows.select("method", "metric", "view", "value").iter_rows():
        points[metric, method][float(view.removesuffix(UNIT))].append(value)
    curves = []
    for metric in CURVES:
        series = {
            method: [[0.0, 0.0], *([mm, float(np.mean(shares))] for mm, shares in sorted(found.items()))]
            for (name, method), found in sorted(points.items())
            if name == metric
        }
        if series:
            curves.append(
                {
                    "title": f"{METRICS[metric].title}: points within a distance of the head",
                    "x": "distance, mm",
                    "y": "share of the points of all identities",
                    "series": series,
                }
            )
    return curves
