"""Does the head make the face it was asked for, and stay the same person while it does."""

import math

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement, MetricCard
from idto3d_eval.metrics.identity import identity_similarity
from idto3d_eval.metrics.read_with import ACTIONS, EMBEDDED, FACES, READER

Floats = NDArray[np.float64]


CARDS = (
    MetricCard(
        name="expression_accuracy",
        title="Expression accuracy",
        definition="1 where the preset nearest (L2 over the 52 actions) to the scoring reader's "
        "coefficients, "
        "averaged over the head's fixed frontal views, is the expression that was asked for; 13 presets "
        "stand to "
        "choose from, whatever number the protocol asks for.",
        source="Definition of this toolkit.",
        unit="1",
        low=0.0,
        high=1.0,
        better="higher",
        family="expression",
        level="head",
        failure_modes=(
            "A reader that is right on true heads may be wrong on another texture: read beside the oracle's.",
            "A puppet of one face, with the presets played on it, scores as high as the truth: read joint.",
        ),
        preprocessing=ACTIONS,
        networks=(READER,),
    ),
    MetricCard(
        name="expression_error",
        title="Expression error",
        definition="L2 distance of the scoring reader's mean coefficients over the frontal views to the "
        "preset.",
        source="Definition of this toolkit; the literature's AED is a mean L1 of another regressor's "
        "coefficients.",
        unit="1",
        low=0.0,
        high=math.sqrt(52.0),
        better="lower",
        family="expression",
        level="head",
        failure_modes=("Comparable only within one reader, never with AED of a paper.",),
        preprocessing=ACTIONS,
        networks=(READER,),
    ),
    MetricCard(
        name="identity_drift",
        title="Identity drift",
        definition="1 minus the cosine between the embeddings of an expression and of neutral in the same "
        "view and "
        "light, averaged over views.",
        source="Definition of this toolkit.",
        unit="1",
        low=0.0,
        high=2.0,
        better="lower",
        family="expression",
        level="head",
        failure_modes=(
            "A statue scores 0: judge it beside accuracy, and against the true head's own drift.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="expression_read",
        title="Expression read",
        definition="Which of the 13 presets is nearest to the scoring reader's coefficients, averaged over "
        "the head's fixed frontal views, as its place in the list of expressions: 0 is neutral. The picture "
        "of asked against read is made of it.",
        source="Definition of this toolkit.",
        unit="place",
        low=0.0,
        high=12.0,
        better="neither",
        family="expression",
        level="head",
        statistic="code",
        failure_modes=("A place in a list: it has no mean.",),
        networks=(READER,),
        preprocessing=ACTIONS,
    ),
    MetricCard(
        name="aed",
        title="AED",
        definition="Mean absolute difference over the 52 coefficients between what the scoring reader reads "
        "on the head and on the person's true head with the same expression, in the same frontal view and "
        "light, averaged over those views; where the people of a protocol have no true heads, the preset "
        "stands for the true head's reading. The regressor is this toolkit's scoring reader.",
        source="AED of the face reenactment literature: mean L1 of a named regressor's coefficients. In the "
        "line of the first order motion model AED is a distance of identity embeddings: not this.",
        unit="1",
        low=0.0,
        high=1.0,
        better="lower",
        family="expression",
        level="head",
        failure_modes=(
            "Its scale is the regressor's: never compare with a paper's AED, which has another one.",
            "Most actions are near zero in most expressions, so a statue's is small: read accuracy beside "
            "it.",
            "Against presets it holds the reader's own error; against true heads that cancels.",
        ),
        preprocessing="The reader's own crops: upright, 1.35 times the landmarks' extent, 112 pixels.",
        networks=(READER,),
    ),
    MetricCard(
        name="expression_consistency",
        title="Same expression on all people",
        definition="Cosine between the change of the mean coefficients from neutral to an expression on one "
        "person's head and the mean of that change over the method's other people. A head whose coefficients "
        "do not change at all counts 0.",
        source="Definition of this toolkit.",
        unit="1",
        low=-1.0,
        high=1.0,
        better="higher",
        family="expression",
        level="head",
        failure_modes=(
            "The same wrong face on everybody is consistent: read accuracy beside it.",
            "Needs two people, and is steady only with more.",
        ),
        networks=(READER,),
        preprocessing=ACTIONS,
    ),
    MetricCard(
        name="joint",
        title="Right face, right person",
        definition="1 where a head shows the expression that was asked for (expression_accuracy) and is "
        "found as "
        "its own person (rank1).",
        source="Definition of this toolkit: a puppet has the first and a statue the second.",
        unit="1",
        low=0.0,
        high=1.0,
        better="higher",
        family="expression",
        level="head",
        failure_modes=("Bounded by the readers: the true head's figure is the ceiling.",),
        preprocessing=f"{ACTIONS} {EMBEDDED}",
        networks=FACES,
    ),
)


def mean_actions(actions: NDArray[np.floating]) -> Floats:
    """Mean of the rows of [V, 52] that were read; NaN [52] where none was."""
    rows = np.asarray(actions, dtype=np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    return rows.mean(axis=0) if len(rows) else np.full(np.shape(actions)[1], np.nan)


def nearest_expression(actions: Floats, presets: Floats) -> int:
    """Index of the preset [P, 52] with the least L2 distance to actions [52]; the first of equals.

    Raises:
        ValueError: NaN among the actions.
    """
    if not np.isfinite(actions).all():
        raise ValueError(
            "Found actions that were not read (NaN), expected 52 numbers; leave such a head out."
        )
    return int(np.argmin(((presets - actions) ** 2).sum(axis=1)))


def expression_accuracy(actions: Floats, presets: Floats, asked: int) -> Measurement:
    """Whether the head's one vote is the expression asked for.

    Args:
        actions: [V, 52] the reader's coefficients in the frontal views, NaN rows where no face was read.
        presets: [13, 52] coefficients of all expressions.
        asked: index into presets.

    Returns:
        1 or 0; NaN with a reason where no frontal view could be read.
    """
    vote = mean_actions(actions)
    if not np.isfinite(vote).all():
        return Measurement(math.nan, "no face can be read in any frontal view of the head")
    return Measurement(float(nearest_expression(vote, presets) == asked))


def expression_error(actions: Floats, preset: Floats) -> Measurement:
    """L2 distance of the mean coefficients of [V, 52] to a preset [52]; NaN, with a reason, if unread."""
    vote = mean_actions(actions)
    if not np.isfinite(vote).all():
        return Measurement(math.nan, "no face can be read in any frontal view of the head")
    return Measurement(float(np.sqrt(((vote - preset) ** 2).sum())))


def expression_read(actions: Floats, presets: Floats) -> Measurement:
    """Place of the preset nearest to the mean coefficients of [V, 52]; NaN, with a reason, if unread."""
    vote = mean_actions(actions)
    if not np.isfinite(vote).all():
        return Measurement(math.nan, "no face can be read in any frontal view of the head")
    return Measurement(float(nearest_expression(vote, presets)))


def expression_distance(actions: Floats, target: Floats) -> Measurement:
    """AED: mean L1 of coefficients, view by view.

    Args:
        actions: [V, 52] the reader's coefficients in the frontal views, NaN rows where no face was read.
        target: [V, 52] of the true head in the same views, or [52] of a preset.

    Returns:
        In [0, 1]; NaN with a reason where no view was read on both.
    """
    gaps = np.abs(np.asarray(actions, np.float64) - target).mean(axis=1)  # [V], NaN where either is unread
    read = gaps[np.isfinite(gaps)]
    if len(read) == 0:
        return Measurement(math.nan, "no frontal view has a readable face on both the head and the true head")
    return Measurement(float(read.mean()))


def expression_consistency(changes: Floats) -> list[Measurement]:
    """How alike one expression is on each person and on all others.

    Args:
        changes: [I, 52] mean coefficients of an expression minus those of neutral, a row a person; NaN rows
            where either was not read.

    Returns:
        One cosine a person, in [-1, 1]; NaN with a reason where the person's was not read, or nobody else's.
    """
    rows = np.asarray(changes, np.float64)
    read = np.asarray(np.isfinite(rows).all(axis=1))
    found: list[Measurement] = []
    for index, row in enumerate(rows):
        others = read.copy()
        others[index] = False
        if not read[index]:
            found.append(Measurement(math.nan, "no frontal view has a readable face with and without it"))
        elif not others.any():
            found.append(Measurement(math.nan, "nobody else's head with this expression can be read"))
        else:
            mean = rows[others].mean(axis=0)
            length = float(np.linalg.norm(row) * np.linalg.norm(mean))
            found.append(Measurement(float((row * mean).sum()) / length if length > 0.0 else 0.0))
    return found


def identity_drift(expression: NDArray[np.floating], neutral: NDArray[np.floating]) -> Measurement:
    """One minus the mean cosine between an expression and neutral, view by view.

    Args:
        expression: [V, D] embeddings, NaN rows where no face was read.
        neutral: [V, D] embeddings of the neutral head in the same views and lights.

    Returns:
        In [0, 2]; NaN with a reason where no view was read in both.
    """
    paired = np.isfinite(expression).all(axis=1) & np.isfinite(neutral).all(axis=1)
    if not paired.any():
        return Measurement(math.nan, "no view has a readable face in both the expression and neutral")
    cosines = [
        float(identity_similarity(e, n[None]))
        for e, n in zip(expression[paired], neutral[paired], strict=True)
    ]
    return Measurement(1.0 - float(np.mean(cosines)))


def joint(accuracy: Measurement, rank: Measurement) -> Measurement:
    """Right expression and right person; NaN, with the first reason, where either is undefined."""
    for part in (accuracy, rank):
        if math.isnan(part.value):
            return part
    return Measurement(float(accuracy.value == 1.0 and rank.value == 1.0))
