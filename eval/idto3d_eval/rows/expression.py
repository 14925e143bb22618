"""Rows of expression: accuracy, error, drift and the joint score of every expression's head."""

from __future__ import annotations

import math

import numpy as np

from idto3d.expressions import EXPRESSIONS, presets
from idto3d_eval.features import NOT_PROVIDED
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.expression import expression_accuracy, expression_error, identity_drift, joint
from idto3d_eval.rows.context import Head, Measures, RowWriter
from idto3d_eval.rows.identity import ranks_of


def head_rows(writer: RowWriter, head: Head, measures: Measures) -> None:
    """Accuracy, error, drift and joint of every expression's head."""
    expressions = measures.expressions
    names = ("expression_accuracy", "expression_error", "joint")
    if head.features is None:
        for expression in expressions:
            for name in names + (("identity_drift",) if expression != "neutral" else ()):
                writer.write(name, head.missing(), expression)
        return
    features, table = head.features, presets().astype(np.float64)
    neutral = features.embeddings[features.expression("neutral")]
    ranks = ranks_of(head, measures)
    for expression in expressions:
        if features.lacks(expression):
            for name in (*names, "identity_drift"):
                writer.write(name, Measurement(math.nan, NOT_PROVIDED), expression)
            continue
        row, asked = features.expression(expression), EXPRESSIONS.index(expression)
        actions = features.actions[row, features.frontal].astype(np.float64)
        accuracy = expression_accuracy(actions, table, asked)
        measured = (accuracy, expression_error(actions, table[asked]), joint(accuracy, ranks[expression]))
        for name, value in zip(names, measured, strict=True):
            writer.write(name, value, expression)
        if expression != "neutral":
            writer.write("identity_drift", identity_drift(features.embeddings[row], neutral), expression)
