"""Rows of light: how much of the albedo is light, and what other lights cost in identity."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.identity import identity_similarity
from idto3d_eval.metrics.light import baked_light, relighting_drop
from idto3d_eval.reference import GEOMETRY_EXPRESSION
from idto3d_eval.rows.context import Head, Measures, RowWriter


def head_rows(writer: RowWriter, head: Head, measures: Measures) -> None:
    """How much of the albedo is light, of the neutral head and beyond its true head's."""
    from idto3d.asset import read_expression

    if head.asset is None:
        writer.write("baked_light", head.missing(), expression=GEOMETRY_EXPRESSION)
        writer.write("baked_light_excess", head.missing(), expression=GEOMETRY_EXPRESSION)
        return
    own, true = (
        baked_light(read_expression(head.asset, GEOMETRY_EXPRESSION)),
        measures.references[head.identity].albedo_light,
    )
    writer.write("baked_light", own, expression=GEOMETRY_EXPRESSION)
    if true is None or math.isnan(true):
        excess = Measurement(math.nan, "no true head's albedo is known for this identity")
    else:
        excess = Measurement(own.value - true, own.reason)
    writer.write("baked_light_excess", excess, expression=GEOMETRY_EXPRESSION)


def method_rows(writer: RowWriter, heads: Sequence[Head], measures: Measures) -> None:
    """What other lights cost the method."""
    writer.write("relighting_drop", _relighting_drop(heads, measures))


def _relighting_drop(heads: Sequence[Head], measures: Measures) -> Measurement:
    """What calibrated identity loses from the first light's views to the others'."""
    parts, first = [], None
    for head in heads:
        reference, features = measures.references[head.identity], head.features
        if features is None or reference.floor is None or reference.ceiling is None or not head.views:
            continue
        rows = [reference.expressions.index(name) for name in measures.expressions]
        own = identity_similarity(
            features.embeddings[[features.expression(name) for name in measures.expressions]],
            reference.photos,
        )
        parts.append((own, reference.floor[rows], reference.ceiling[rows]))
        light = head.views[0].light.sh
        first = np.array([np.array_equal(view.light.sh, light) for view in head.views])
    if first is None:
        return Measurement(math.nan, "no head has both views and a true head to be calibrated with")
    return relighting_drop(parts, first)
