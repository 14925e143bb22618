"""Rows of expression: does the asked face appear, and does nothing else move."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from idto3d.expressions import EXPRESSIONS, presets
from idto3d_eval.features import NOT_PROVIDED, HeadFeatures
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.disentanglement import SHARES, variance_shares
from idto3d_eval.metrics.expression import (
    expression_accuracy,
    expression_consistency,
    expression_distance,
    expression_error,
    expression_read,
    identity_drift,
    joint,
    mean_actions,
)
from idto3d_eval.metrics.probes import people_folds, probe
from idto3d_eval.reference import Reference
from idto3d_eval.rows.context import Floats, Head, Measures, RowWriter
from idto3d_eval.rows.identity import ranks_of

NEUTRAL = "neutral"
SHOWN = ("expression_accuracy", "expression_error", "expression_read", "aed", "joint")
MOVED = ("identity_drift", "still_drift", "still_albedo_drift")  # from neutral


def head_rows(writer: RowWriter, head: Head, measures: Measures) -> None:
    """What every expression's head shows, and what else of it moved."""
    expressions = measures.expressions
    if head.features is None:
        for expression in expressions:
            for name in SHOWN + (MOVED if expression != NEUTRAL else ()):
                writer.write(name, head.missing(), expression)
        return
    features, table = head.features, presets().astype(np.float64)
    ranks = ranks_of(head, measures)
    for expression in expressions:
        if features.lacks(expression):
            for name in SHOWN + (MOVED if expression != NEUTRAL else ()):
                writer.write(name, Measurement(math.nan, NOT_PROVIDED), expression)
            continue
        asked = EXPRESSIONS.index(expression)
        actions = _frontal_actions(features, expression)
        target = _target(measures.references[head.identity], features, expression, table[asked])
        accuracy = expression_accuracy(actions, table, asked)
        writer.write("expression_accuracy", accuracy, expression)
        writer.write("expression_error", expression_error(actions, table[asked]), expression)
        writer.write("expression_read", expression_read(actions, table), expression)
        writer.write("aed", expression_distance(actions, target), expression)
        writer.write("joint", joint(accuracy, ranks[expression]), expression)
    _drift_rows(writer, head, features, expressions)


def method_rows(writer: RowWriter, heads: Sequence[Head], measures: Measures) -> None:
    """Consistency of each expression across people, and linear probes both ways."""
    ordered = sorted(heads, key=lambda head: head.identity)
    for expression in measures.expressions:
        if expression != NEUTRAL:
            changes = np.stack([_change(head, expression) for head in ordered])
            for head, measured in zip(ordered, expression_consistency(changes), strict=True):
                told = _unless_missing(head, measured, expression)
                writer.write("expression_consistency", told, expression, identity=head.identity)
    _probe_rows(writer, ordered)


def all_seeds_rows(writer: RowWriter, heads: Sequence[Head], measures: Measures) -> None:
    """The two-way decomposition of embeddings, whose replicates are the seeds."""
    people, seeds = sorted({head.identity for head in heads}), sorted({head.seed for head in heads})
    del measures
    made = {(head.identity, head.seed): head.features for head in heads if head.features is not None}
    shares: Sequence[Mapping[str, Measurement]] = [{}] * len(people)
    if made:
        shape = next(iter(made.values())).embeddings.shape  # [E, V, D]
        embeddings = np.full((len(people), len(seeds), *shape), np.nan, np.float32)
        for (identity, seed), features in made.items():
            embeddings[people.index(identity), seeds.index(seed)] = features.embeddings
        shares = variance_shares(embeddings)
    for identity, measured in zip(people, shares, strict=True):
        if not any((identity, seed) in made for seed in seeds):
            missing = next(head.missing() for head in heads if head.identity == identity)
            measured = dict.fromkeys(SHARES, missing)
        for name in SHARES:
            writer.write(name, measured[name], identity=identity)


def _drift_rows(writer: RowWriter, head: Head, features: HeadFeatures, expressions: Sequence[str]) -> None:
    """What moved from neutral that should not have: identity, and the still region's shape and albedo."""
    from idto3d.asset import TexturedMesh, read_expression
    from idto3d_eval.metrics.stillness import still_drift

    neutral: TexturedMesh | None = None
    embeddings = features.embeddings[features.expression(NEUTRAL)]
    for expression in expressions:
        if expression == NEUTRAL or features.lacks(expression):
            continue
        row = features.embeddings[features.expression(expression)]
        writer.write("identity_drift", identity_drift(row, embeddings), expression)
        if head.asset is None:
            lacking = Measurement(math.nan, "the head's meshes are not at hand")
            shape, albedo = lacking, lacking
        else:
            neutral = neutral or read_expression(head.asset, NEUTRAL)
            shape, albedo = still_drift(neutral, read_expression(head.asset, expression))
        writer.write("still_drift", shape, expression)
        writer.write("still_albedo_drift", albedo, expression)


def _probe_rows(writer: RowWriter, heads: Sequence[Head]) -> None:
    """How much of the expression the embeddings tell, and how much of the person the coefficients."""
    made = [(place, head.features) for place, head in enumerate(heads) if head.features is not None]
    for name in ("expression_probe", "identity_probe"):
        answers = _probe(name, made) if made else np.zeros((0, 0))
        by_head = dict(zip((place for place, _ in made), answers, strict=True))
        for place, head in enumerate(heads):
            told = by_head.get(place, np.zeros(0))
            told = told[np.isfinite(told)]
            measured = (
                Measurement(float(told.mean()))
                if len(told)
                else head.missing()
                if head.features is None
                else Measurement(math.nan, "too few heads or views can be read to learn from")
            )
            writer.write(name, measured, identity=head.identity)


def _probe(name: str, made: Sequence[tuple[int, HeadFeatures]]) -> Floats:
    """[heads, E x V] whether each reading was named right, NaN where it was not asked."""
    of_expression = name == "expression_probe"
    readings = np.stack([each.embeddings if of_expression else each.actions for _, each in made])
    people, expressions, views = np.meshgrid(*map(np.arange, readings.shape[:3]), indexing="ij")
    labels, folds = (expressions, people_folds(people)) if of_expression else (people, views)
    rows = readings.reshape(-1, readings.shape[-1])
    return probe(rows, labels.reshape(-1), folds.reshape(-1)).reshape(len(made), -1)


def _target(reference: Reference, features: HeadFeatures, expression: str, preset: Floats) -> Floats:
    """[V, 52] what the true head shows in the frontal views, or [52] the preset where there is none."""
    if reference.actions is None or reference.views != features.views:
        return preset
    row = reference.expressions.index(expression)
    return np.asarray(reference.actions[row, features.frontal], np.float64)


def _frontal_actions(features: HeadFeatures, expression: str) -> Floats:
    row = features.expression(expression)
    return np.asarray(features.actions[row, features.frontal], np.float64)


def _change(head: Head, expression: str) -> Floats:
    """[52] mean coefficients of an expression minus those of neutral; NaN where either is not there."""
    if head.features is None:
        return np.full(52, np.nan)
    own, neutral = (mean_actions(_frontal_actions(head.features, name)) for name in (expression, NEUTRAL))
    return own - neutral


def _unless_missing(head: Head, measured: Measurement, expression: str) -> Measurement:
    """The measurement, or why there is no head to measure."""
    if head.features is None:
        return head.missing()
    return Measurement(math.nan, NOT_PROVIDED) if head.features.lacks(expression) else measured
