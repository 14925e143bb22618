"""How much one of identity and expression gives away of the other: linear probes, both ways.

The truth has some of each, since faces do both at once; so a method is judged against the true heads' own
figures and never against chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import MetricCard
from idto3d_eval.metrics.read_with import ACTIONS, EMBEDDED, FACES

Floats = NDArray[np.float64]

FOLDS = 10  # of probes across people; each person alone where there are fewer
RIDGE = 0.01  # of the mean variance of a feature; chosen, not tuned: the true heads are read with the same

_PROBE_SOURCE = "Linear probes (Alain & Bengio, arXiv 1610.01644), here by ridge regression on indicators."

CARDS = (
    MetricCard(
        name="expression_probe",
        title="Expression told from identity",
        definition="Share of a person's views whose expression a linear probe names right from the scoring "
        "recogniser's embedding, having learned on the method's other people (leave one person out; ten "
        "folds of people where there are more than ten). By chance alone one in the number of expressions.",
        source=_PROBE_SOURCE,
        unit="1",
        low=0.0,
        high=1.0,
        better="neither",
        family="expression",
        level="identity",
        failure_modes=(
            "A statue gives nothing away: read accuracy beside it, and the true heads' own figure.",
            "With few people a probe learns little: low figures then say nothing.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="identity_probe",
        title="Identity told from expression",
        definition="Share of a person's views whose person a linear probe names right from the scoring "
        "reader's 52 coefficients, having learned on the other views of all the method's people (leave one "
        "view out). By chance alone one in the number of people.",
        source=_PROBE_SOURCE,
        unit="1",
        low=0.0,
        high=1.0,
        better="neither",
        family="expression",
        level="identity",
        failure_modes=(
            "The reader's own bias on a face's shape tells people apart too: judge against the true heads'.",
            "Falls with the number of people: compare only within one protocol.",
        ),
        networks=("reader_scoring.onnx",),
        preprocessing=ACTIONS,
    ),
)


def probe(features: NDArray[np.floating], labels: NDArray[np.int64], folds: NDArray[np.int64]) -> Floats:
    """Whether a linear probe names each sample right that it has not learned on.

    Ridge regression onto the labels' indicators, features centred on what is learned on; the largest answer
    is the label.

    Args:
        features: [N, D]; rows with NaN are left out.
        labels: [N].
        folds: [N]; a sample is asked of the probe that learned on all other folds.

    Returns:
        [N] 1 or 0; NaN where the features are, where the other folds are empty, or do not have the label.
    """
    rows = np.asarray(features, np.float64)
    answers = np.full(len(rows), np.nan)
    read = np.flatnonzero(np.isfinite(rows).all(axis=1))
    for fold in np.unique(folds[read]):
        learned, asked = read[folds[read] != fold], read[folds[read] == fold]
        known = np.unique(labels[learned])
        asked = asked[np.isin(labels[asked], known)]
        if len(asked) == 0:
            continue
        weights, centre = _ridge(rows[learned], labels[learned][:, None] == known)
        named = known[np.argmax((rows[asked] - centre) @ weights[:-1] + weights[-1], axis=1)]
        answers[asked] = named == labels[asked]
    return answers


def people_folds(people: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """The fold of each sample by its person's place: persons apart, at most `FOLDS` of them."""
    return np.asarray(people, np.int64) % FOLDS


def _ridge(rows: Floats, indicators: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Weights [D + 1, K], the last row the means of the indicators, and the centre [D]."""
    centre = rows.mean(axis=0)
    centred, target = rows - centre, indicators.astype(np.float64)
    mean = target.mean(axis=0)
    gram = centred.T @ centred
    penalty = RIDGE * max(float(np.trace(gram)) / len(gram), 1e-12)
    slopes = np.linalg.solve(gram + penalty * np.eye(len(gram)), centred.T @ (target - mean))
    return np.concatenate([slopes, mean[None]]), centre
