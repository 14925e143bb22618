"""Rows of geometry: a head's neutral mesh against the true outer skin, and NoW's median over all people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from idto3d_eval.geometry_score import measure_geometry
from idto3d_eval.metrics.geometry_now import pooled_median
from idto3d_eval.reference import GEOMETRY_EXPRESSION
from idto3d_eval.rows.context import Floats, Head, Measures, RowWriter


class GeometryRows:
    """Keeps every head's distances for the figure over all people."""

    def __init__(self) -> None:
        self._distances: dict[tuple[str, int], Floats] = {}

    def head_rows(self, writer: RowWriter, head: Head, measures: Measures) -> None:
        """All figures of one head's neutral mesh."""
        truth = measures.references[head.identity].truth
        geometry = measure_geometry(head.asset, head.features, head.views, truth, head.failure)
        for name, measured in geometry.measurements.items():
            writer.write(name, measured, expression=GEOMETRY_EXPRESSION)
        self._distances[head.identity, head.seed] = geometry.distances

    def method_rows(self, writer: RowWriter, heads: Sequence[Head], measures: Measures) -> None:
        """NoW's median over the points of all people."""
        del measures
        distances = [self._distances.get((head.identity, head.seed), np.zeros(0)) for head in heads]
        writer.write("now_pooled_median", pooled_median(distances), expression=GEOMETRY_EXPRESSION)
