"""From readings to rows: every measurement of a method's heads, or NaN with the reason why there is none.

A row's `expression` or `view` is "" where the number is over all of them; `identity` is "" where it is over
all people. Rows hold no times and come out sorted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.expressions import EXPRESSIONS, presets
from idto3d_eval.features import NOT_PROVIDED, HeadFeatures
from idto3d_eval.geometry_score import HeadGeometry, measure_geometry
from idto3d_eval.metrics import METRICS
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.cost import trainable_share
from idto3d_eval.metrics.expression import expression_accuracy, expression_error, identity_drift, joint
from idto3d_eval.metrics.geometry_now import pooled_median
from idto3d_eval.metrics.identity import (
    MINIMUM_IMPOSTORS,
    identity_counted,
    identity_similarity,
    own_minus_cross,
)
from idto3d_eval.metrics.light import baked_light, relighting_drop
from idto3d_eval.metrics.retrieval import rank1, tar_at_far, template
from idto3d_eval.reference import GEOMETRY_EXPRESSION, Gallery, Reference
from idto3d_eval.tables import ScoreRow
from idto3d_eval.views import ViewSpec

ALL = ""  # over all identities, expressions or views
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """One head that a method made: whose, by which seed, and what is known of it.

    `features` is None where there is no head; `failure` then says why. `asset` and `views` serve geometry;
    `guidance_calls` (None where nobody knows) and `trainable_share` come from the asset's manifest.
    """

    identity: str
    seed: int
    features: HeadFeatures | None
    failure: str = ""
    asset: Path | None = None
    views: tuple[ViewSpec, ...] = ()
    guidance_calls: int | None = 0
    trainable_share: float | None = None


def score_method(
    heads: Sequence[Head],
    references: Mapping[str, Reference],
    gallery: Gallery | None,
    expressions: Sequence[str],
    families: Iterable[str] = ("identity", "expression", "geometry", "cost"),
) -> list[ScoreRow]:
    """All rows of one method.

    Args:
        heads: one for each identity and seed, also those that failed.
        references: by identity.
        gallery: None where the population has none.
        expressions: the protocol's, in order.
        families: which metrics, by the names that a protocol says.

    Returns:
        Sorted rows, one for each key.
    """
    wanted = frozenset(families)
    rows: list[ScoreRow] = []
    geometries: dict[tuple[str, int], HeadGeometry] = {}
    heads = [_as_asked(head, expressions) for head in heads]
    for head in sorted(heads, key=lambda head: (head.identity, head.seed)):
        reference = references[head.identity]
        writer = _Writer(head.identity, head.seed, wanted, rows)
        _identity_rows(writer, head, reference, expressions)
        _expression_rows(writer, head, reference, gallery, references, expressions)
        _cost_rows(writer, head)
        if "light" in wanted:
            _light_rows(writer, head, reference)
        if "geometry" in wanted:
            geometry = measure_geometry(head.asset, head.features, head.views, reference.truth, head.failure)
            _geometry_rows(writer, geometry)
            geometries[head.identity, head.seed] = geometry
    for seed in sorted({head.seed for head in heads}):
        own = [head for head in heads if head.seed == seed]
        writer = _Writer(ALL, seed, wanted, rows)
        _cross_rows(writer, own, references)
        _verification_rows(writer, own, references, gallery)
        if "light" in wanted:
            writer.write("relighting_drop", _relighting_drop(own, references, expressions))
        if "geometry" in wanted:
            distances = [geometries[head.identity, seed].distances for head in own]
            writer.write("now_pooled_median", pooled_median(distances), expression=GEOMETRY_EXPRESSION)
    return sorted(rows, key=lambda row: (row.identity, row.expression, row.view, row.seed, row.metric))


@dataclass(frozen=True)
class _Writer:
    """Appends rows that share identity and seed, of the families that were asked for."""

    identity: str
    seed: int
    wanted: frozenset[str]
    rows: list[ScoreRow]

    def write(
        self,
        metric: str,
        measured: Measurement,
        expression: str = ALL,
        view: str = ALL,
        identity: str | None = None,
    ) -> None:
        if metric not in METRICS:
            raise KeyError(f"Found the metric {metric!r}, expected one of METRICS; give it a card first.")
        if METRICS[metric].family not in self.wanted:
            return
        value, reason = measured
        if math.isnan(value) != bool(reason):
            raise ValueError(
                f"Found {metric} = {value} with the reason {reason!r}, expected NaN with one, or neither."
            )
        who = self.identity if identity is None else identity
        self.rows.append(ScoreRow(who, expression, view, self.seed, metric, value, reason))


def _identity_rows(writer: _Writer, head: Head, reference: Reference, expressions: Sequence[str]) -> None:
    """Similarity of every view; counted similarity, floor, ceiling and coverage of the identity."""
    features = head.features
    if features is None:
        for name in ("identity_counted", "identity_floor", "identity_ceiling", "own_cross_gap"):
            writer.write(name, _missing(head))
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
    for name, part in zip(("identity_counted", "identity_floor", "identity_ceiling"), parts, strict=True):
        writer.write(name, part)


def _calibration_parts(
    similarity: Floats, features: HeadFeatures, reference: Reference, expressions: Sequence[str]
) -> tuple[Measurement, Measurement, Measurement]:
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
    values = identity_counted(similarity, reference.floor[rows], reference.ceiling[rows])
    reason = "no view can be read both on the true head and on an impostor"
    s, floor, ceiling = (Measurement(value, reason if math.isnan(value) else "") for value in values)
    return s, floor, ceiling


def _expression_rows(
    writer: _Writer,
    head: Head,
    reference: Reference,
    gallery: Gallery | None,
    references: Mapping[str, Reference],
    expressions: Sequence[str],
) -> None:
    """Accuracy, error, drift, rank-1 and joint of every expression's head."""
    names = ("expression_accuracy", "expression_error", "rank1", "joint")
    if head.features is None:
        for expression in expressions:
            for name in names + (("identity_drift",) if expression != "neutral" else ()):
                writer.write(name, _missing(head), expression)
        return
    features, table = head.features, presets().astype(np.float64)
    neutral = features.embeddings[features.expression("neutral")]
    others = _other_templates(gallery, references, head.identity)
    mate = template(reference.photos)
    for expression in expressions:
        if features.lacks(expression):
            for name in (*names, "identity_drift"):
                writer.write(name, Measurement(math.nan, NOT_PROVIDED), expression)
            continue
        row, asked = features.expression(expression), EXPRESSIONS.index(expression)
        actions = features.actions[row, features.frontal].astype(np.float64)
        accuracy = expression_accuracy(actions, table, asked)
        if others is None:
            rank = Measurement(math.nan, "the population has no gallery")
        else:
            rank = rank1(template(features.embeddings[row]), mate, others)
        measured = (accuracy, expression_error(actions, table[asked]), rank, joint(accuracy, rank))
        for name, value in zip(names, measured, strict=True):
            writer.write(name, value, expression)
        if expression != "neutral":
            writer.write("identity_drift", identity_drift(features.embeddings[row], neutral), expression)


def _other_templates(
    gallery: Gallery | None, references: Mapping[str, Reference], identity: str
) -> Floats | None:
    """Templates [G, D] of the gallery and of the protocol's other people."""
    if gallery is None:
        return None
    own = [template(references[name].photos) for name in sorted(references) if name != identity]
    rows = [gallery.templates.astype(np.float64), *(row[None] for row in own if np.isfinite(row).all())]
    return np.concatenate(rows)


def _geometry_rows(writer: _Writer, geometry: HeadGeometry) -> None:
    for name, measured in geometry.measurements.items():
        writer.write(name, measured, expression=GEOMETRY_EXPRESSION)


def _light_rows(writer: _Writer, head: Head, reference: Reference) -> None:
    """How much of the albedo is light, of the neutral head and beyond its true head's."""
    from idto3d.asset import read_expression

    if head.asset is None:
        writer.write("baked_light", _missing(head), expression=GEOMETRY_EXPRESSION)
        writer.write("baked_light_excess", _missing(head), expression=GEOMETRY_EXPRESSION)
        return
    own, true = baked_light(read_expression(head.asset, GEOMETRY_EXPRESSION)), reference.albedo_light
    writer.write("baked_light", own, expression=GEOMETRY_EXPRESSION)
    if true is None or math.isnan(true):
        excess = Measurement(math.nan, "no true head's albedo is known for this identity")
    else:
        excess = Measurement(own.value - true, own.reason)
    writer.write("baked_light_excess", excess, expression=GEOMETRY_EXPRESSION)


def _relighting_drop(
    heads: Sequence[Head], references: Mapping[str, Reference], expressions: Sequence[str]
) -> Measurement:
    """What calibrated identity loses from the first light's views to the others'."""
    parts, first = [], None
    for head in heads:
        reference, features = references[head.identity], head.features
        if features is None or reference.floor is None or reference.ceiling is None or not head.views:
            continue
        rows = [reference.expressions.index(name) for name in expressions]
        own = identity_similarity(
            features.embeddings[[features.expression(name) for name in expressions]], reference.photos
        )
        parts.append((own, reference.floor[rows], reference.ceiling[rows]))
        light = head.views[0].light.sh
        first = np.array([np.array_equal(view.light.sh, light) for view in head.views])
    if first is None:
        return Measurement(math.nan, "no head has both views and a true head to be calibrated with")
    return relighting_drop(parts, first)


def _cost_rows(writer: _Writer, head: Head) -> None:
    if head.features is None and head.failure:
        writer.write("guidance_calls", _missing(head))
        writer.write("trainable_share", _missing(head))
        return
    calls = head.guidance_calls
    told = Measurement(math.nan, "its author does not say") if calls is None else Measurement(float(calls))
    writer.write("guidance_calls", told)
    share = trainable_share(0, 0) if head.trainable_share is None else Measurement(head.trainable_share)
    writer.write("trainable_share", share)


def _cross_rows(writer: _Writer, heads: Sequence[Head], references: Mapping[str, Reference]) -> None:
    """Own-minus-cross gap of every identity."""
    made = sorted((head for head in heads if head.features is not None), key=lambda head: head.identity)
    matrix = np.full((len(made), len(made)), np.nan)
    for row, head in enumerate(made):
        assert head.features is not None
        for column, other in enumerate(made):
            values = identity_similarity(head.features.embeddings, references[other.identity].photos)
            read = values[np.isfinite(values)]
            matrix[row, column] = read.mean() if len(read) else np.nan
    for head, gap in zip(made, own_minus_cross(matrix), strict=True):
        reason = "" if math.isfinite(gap) else "fewer than two people have a head with a readable face"
        writer.write("own_cross_gap", Measurement(float(gap), reason), identity=head.identity)


def _verification_rows(
    writer: _Writer, heads: Sequence[Head], references: Mapping[str, Reference], gallery: Gallery | None
) -> None:
    """TAR at two FARs over all heads of the method, one probe an expression."""
    genuine: list[Floats] = []
    impostor: list[Floats] = []
    for head in heads:
        others = _other_templates(gallery, references, head.identity)
        if head.features is None or others is None:
            continue
        probes = np.stack([template(row) for row in head.features.embeddings])  # [E, D]
        genuine.append((probes * template(references[head.identity].photos)).sum(axis=1))
        impostor.append((probes[:, None] * others[None]).sum(axis=2).reshape(-1))
    empty = np.zeros(0)
    for name, far in (("tar_at_far_1e-2", 1e-2), ("tar_at_far_1e-3", 1e-3)):
        pairs = np.concatenate([empty, *genuine]), np.concatenate([empty, *impostor])
        writer.write(name, tar_at_far(*pairs, far))


def _as_asked(head: Head, expressions: Sequence[str]) -> Head:
    """The head with a row for every expression asked for, those that it lacks as NaN."""
    return head if head.features is None else replace(head, features=head.features.asked(expressions))


def _missing(head: Head) -> Measurement:
    return Measurement(math.nan, head.failure or "the method made no head")
