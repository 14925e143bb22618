"""Rows of geometry: a head's meshes against the true outer skin, and NoW over the points of all people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from idto3d_eval.geometry_score import measure_geometry, measure_posed
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.geometry_now import CURVE_MM, cumulative_curve, pooled
from idto3d_eval.reference import GEOMETRY_EXPRESSION
from idto3d_eval.rows.context import Floats, Head, Measures, RowWriter

NOBODY = "no identity has a distance"  # as `pooled` says


class GeometryRows:
    """Keeps every head's distances for the figures over all people."""

    def __init__(self) -> None:
        self._distances: dict[tuple[str, int], tuple[Floats, Floats]] = {}

    def head_rows(self, writer: RowWriter, head: Head, measures: Measures) -> None:
        """All figures of one head's neutral mesh, and those of its other expressions."""
        reference = measures.references[head.identity]
        geometry = measure_geometry(head.asset, head.features, head.views, reference.truth, head.failure)
        for name, measured in geometry.measurements.items():
            writer.write(name, measured, expression=GEOMETRY_EXPRESSION)
        self._distances[head.identity, head.seed] = geometry.distances, geometry.published
        for expression in measures.expressions:
            if expression == GEOMETRY_EXPRESSION:
                continue
            posed = measure_posed(
                head.asset,
                head.features,
                head.views,
                reference.truth_of(expression),
                expression,
                geometry.outside,
                head.failure,
            )
            for name, measured in posed.items():
                writer.write(name, measured, expression=expression)

    def method_rows(self, writer: RowWriter, heads: Sequence[Head], measures: Measures) -> None:
        """NoW's median, of the published variant also mean and std, and the cumulative curve."""
        del measures
        kept = [self._distances.get((head.identity, head.seed), (np.zeros(0),) * 2) for head in heads]
        for prefix, distances in (("now", [own for own, _ in kept]), ("now_published", [p for _, p in kept])):
            writer.write(f"{prefix}_pooled_median", pooled(distances, np.median), GEOMETRY_EXPRESSION)
            _curve_rows(writer, f"{prefix}_curve", np.concatenate([np.zeros(0), *distances]))
        published = [p for _, p in kept]
        writer.write("now_published_pooled_mean", pooled(published, np.mean), GEOMETRY_EXPRESSION)
        writer.write("now_published_pooled_std", pooled(published, np.std), GEOMETRY_EXPRESSION)


def _curve_rows(writer: RowWriter, metric: str, distances: Floats) -> None:
    """One row a threshold, which stands in the row's view."""
    if len(distances) == 0:
        writer.write(metric, Measurement(np.nan, NOBODY), GEOMETRY_EXPRESSION)
        return
    for mm, share in zip(CURVE_MM, cumulative_curve(distances, CURVE_MM), strict=True):
        writer.write(metric, Measurement(float(share)), GEOMETRY_EXPRESSION, f"{mm:g} mm")
