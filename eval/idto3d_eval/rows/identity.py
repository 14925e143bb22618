"""Rows of identity: similarity of every view, its calibration, own minus cross, and verification."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from idto3d_eval.features import NOT_PROVIDED, HeadFeatures
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.identity import (
    MINIMUM_IMPOSTORS,
    identity_counted,
    identity_similarity,
    own_minus_cross,
)
from idto3d_eval.metrics.retrieval import rank1, rank5, tar_at_far, template
from idto3d_eval.reference import Reference
from idto3d_eval.rows.context import Floats, Head, Measures, RowWriter

Rank = Callable[[Floats, Floats, Floats], Measurement]
PARTS = ("identity_counted", "identity_floor", "identity_ceiling")


def head_rows(writer: RowWriter, head: Head, measures: Measures) -> None:
    """Similarity of every view; counted similarity, floor and ceiling of each view and of the identity."""
    features, reference, expressions = head.features, measures.references[head.identity], measures.expressions
    for name, found in (("rank1", rank1), ("rank5", rank5)):
        for expression, rank in ranks_of(head, measures, found).items():
            writer.write(name, rank, expression)
    if features is None:
        for name in (*PARTS, "own_cross_gap"):
            writer.write(name, head.missing())
        writer.write("face_coverage", Measurement(0.0))
        return
    chosen = [features.expression(name) for name in expressions]
    similarity = identity_similarity(features.embeddings[chosen], reference.photos)  # [E, V]
    for row, expression in enumerate(expressions):
        for column, view in enumerate(features.views):
            value, reason = float(similarity[row, column]), str(features.reasons[chosen[row], column])
            writer.write("identity_similarity", Measurement(value, reason), expression, view)
    writer.write("face_coverage", Measurement(float(np.isfinite(similarity).mean())))
    parts = _calibration_parts(similarity, features, reference, expressions)
    for name, part in zip(PARTS, parts, strict=True):
        writer.write(name, part)
    for column, view in enumerate(features.views):
        parts = _calibration_parts(similarity, features, reference, expressions, [column])
        for name, part in zip(PARTS, parts, strict=True):
            writer.write(f"{name}_view", part, view=view)


def method_rows(writer: RowWriter, heads: Sequence[Head], measures: Measures) -> None:
    """Own minus cross of every identity, and verification over all heads."""
    _cross_rows(writer, heads, measures)
    _verification_rows(writer, heads, measures)


def ranks_of(head: Head, measures: Measures, found: Rank = rank1) -> dict[str, Measurement]:
    """Rank-1, or another, of every expression's head; NaN with a reason where it is undefined."""
    features, others = head.features, measures.other_templates(head.identity)
    if features is None:
        return dict.fromkeys(measures.expressions, head.missing())
    mate = template(measures.references[head.identity].photos)
    ranks = {}
    for expression in measures.expressions:
        if features.lacks(expression):
            ranks[expression] = Measurement(math.nan, NOT_PROVIDED)
        elif others is None:
            ranks[expression] = Measurement(math.nan, "the population has no gallery")
        else:
            probe = template(features.embeddings[features.expression(expression)])
            ranks[expression] = found(probe, mate, others)
    return ranks


def _calibration_parts(
    similarity: Floats,
    features: HeadFeatures,
    reference: Reference,
    expressions: Sequence[str],
    views: Sequence[int] | slice = slice(None),
) -> tuple[Measurement, Measurement, Measurement]:
    """Counted similarity, floor and ceiling, over all views or those of some columns."""
    if reference.floor is None or reference.ceiling is None:
        return (Measurement(math.nan, "no true head exists for this identity"),) * 3
    if reference.impostors < MINIMUM_IMPOSTORS:
        reason = (
            f"{reference.impostors} impostors stand behind the floor, expected {MINIMUM_IMPOSTORS} or more"
        )
        return (Measurement(math.nan, reason),) * 3
    if reference.views != features.views:
        raise ValueError(
            f"Found views {features.views} for a reference of {reference.views}, expected the same; render "
            f"the "
            "head and build the reference from one protocol."
        )
    rows = [reference.expressions.index(name) for name in expressions]
    floor_of, ceiling_of = reference.floor[rows][:, views], reference.ceiling[rows][:, views]
    values = identity_counted(similarity[:, views], floor_of, ceiling_of)
    reason = "no view can be read both on the true head and on an impostor"
    s, floor, ceiling = (Measurement(value, reason if math.isnan(value) else "") for value in values)
    return s, floor, ceiling


def _cross_rows(writer: RowWriter, heads: Sequence[Head], measures: Measures) -> None:
    """Own-minus-cross gap of every identity."""
    made = sorted((head for head in heads if head.features is not None), key=lambda head: head.identity)
    matrix = np.full((len(made), len(made)), np.nan)
    for row, head in enumerate(made):
        assert head.features is not None
        for column, other in enumerate(made):
            values = identity_similarity(head.features.embeddings, measures.references[other.identity].photos)
            read = values[np.isfinite(values)]
            matrix[row, column] = read.mean() if len(read) else np.nan
    for head, gap in zip(made, own_minus_cross(matrix), strict=True):
        reason = "" if math.isfinite(gap) else "fewer than two people have a head with a readable face"
        writer.write("own_cross_gap", Measurement(float(gap), reason), identity=head.identity)


def _verification_rows(writer: RowWriter, heads: Sequence[Head], measures: Measures) -> None:
    """TAR at two FARs over all heads of the method, one probe an expression."""
    genuine: list[Floats] = []
    impostor: list[Floats] = []
    for head in heads:
        others = measures.other_templates(head.identity)
        if head.features is None or others is None:
            continue
        probes = np.stack([template(row) for row in head.features.embeddings])  # [E, D]
        genuine.append((probes * template(measures.references[head.identity].photos)).sum(axis=1))
        impostor.append((probes[:, None] * others[None]).sum(axis=2).reshape(-1))
    empty = np.zeros(0)
    for name, far in (("tar_at_far_1e-2", 1e-2), ("tar_at_far_1e-3", 1e-3)):
        pairs = np.concatenate([empty, *genuine]), np.concatenate([empty, *impostor])
        writer.write(name, tar_at_far(*pairs, far))
