"""Is the head recognised among many: identification by rank, and verification at a false acceptance rate."""

import math

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement, MetricCard
from idto3d_eval.metrics.read_with import EMBEDDED, FACES

Floats = NDArray[np.float64]

MINIMUM_GALLERY = 200  # people, none of whom any network was trained on
PAIRS_PER_FALSE_ACCEPT = 10  # below 10 / FAR impostor pairs a true acceptance rate is undefined

CARDS = (
    MetricCard(
        name="rank1",
        title="Rank-1",
        definition="1 where the mean embedding of a head's fixed views is nearer (cosine) to the template "
        "of its "
        "own person than to every one of the gallery's, of at least 200 people; a template is the mean "
        "embedding "
        "of a person's scoring photos. A tie is an error.",
        source="Closed-set identification, ISO/IEC 19795-1.",
        unit="1",
        low=0.0,
        high=1.0,
        better="higher",
        family="identity",
        level="head",
        failure_modes=(
            "Falls with the size of the gallery: compare only within one protocol.",
            "Saturates; then calibrated_identity tells methods apart.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="rank5",
        title="Rank-5",
        definition="As rank1, with 1 where at most four people of the gallery are as near as the head's own "
        "person, or nearer.",
        source="Closed-set identification, ISO/IEC 19795-1.",
        unit="1",
        low=0.0,
        high=1.0,
        better="higher",
        family="identity",
        level="head",
        failure_modes=(
            "Falls with the size of the gallery: compare only within one protocol.",
            "By chance alone 5 in G + 1 heads pass, G being the gallery's people.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="tar_at_far_1e-2",
        title="TAR at FAR 1e-2",
        definition="Share of heads whose similarity to their own template exceeds the threshold that "
        "accepts at "
        "most 1 in 100 pairs of a head and another person's template. Undefined below 1,000 such pairs.",
        source="Verification, ISO/IEC 19795-1.",
        unit="1",
        low=0.0,
        high=1.0,
        better="higher",
        family="identity",
        level="method",
        statistic="pooled",
        failure_modes=(
            "The threshold is the method's own: a method whose renders all look alike gets a high one.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="tar_at_far_1e-3",
        title="TAR at FAR 1e-3",
        definition="As tar_at_far_1e-2, accepting at most 1 in 1,000. Undefined below 10,000 pairs.",
        source="Verification, ISO/IEC 19795-1.",
        unit="1",
        low=0.0,
        high=1.0,
        better="higher",
        family="identity",
        level="method",
        statistic="pooled",
        failure_modes=(
            "Undefined for small protocols: twelve heads against 211 others are 2,532 pairs a seed.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
)


def template(embeddings: NDArray[np.floating]) -> Floats:
    """Unit mean of the rows of [N, D] that hold an embedding; NaN [D] where none does."""
    rows = np.asarray(embeddings, dtype=np.float64).reshape(-1, np.shape(embeddings)[-1])
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) == 0:
        return np.full(np.shape(embeddings)[-1], np.nan)
    mean = rows.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > 0.0 else np.full_like(mean, np.nan)


def rank1(probe: Floats, mate: Floats, gallery: Floats) -> Measurement:
    """Whether a probe finds its own person before everybody else; see `rank_within`."""
    return rank_within(probe, mate, gallery, 1)


def rank5(probe: Floats, mate: Floats, gallery: Floats) -> Measurement:
    """Whether a probe's own person is among the five nearest; see `rank_within`."""
    return rank_within(probe, mate, gallery, 5)


def rank_within(probe: Floats, mate: Floats, gallery: Floats, places: int) -> Measurement:
    """Whether a probe's own person is among the nearest.

    Args:
        probe: [D] unit embedding of a head, or NaN.
        mate: [D] unit template of the probe's own person.
        gallery: [G, D] unit templates of other people, G >= 200.
        places: how many nearest people count; whoever ties with the own person stands before it.

    Returns:
        1 or 0, or NaN with a reason: no face in any view, no template, a gallery that is too small.
    """
    if len(gallery) < MINIMUM_GALLERY:
        return Measurement(
            math.nan, f"the gallery holds {len(gallery)} people, expected {MINIMUM_GALLERY} or more"
        )
    if not np.isfinite(probe).all():
        return Measurement(math.nan, "no face can be read in any view of the head")
    if not np.isfinite(mate).all():
        return Measurement(math.nan, "no face can be read in any scoring photo of the identity")
    own = float((probe * mate).sum())
    before = int(((gallery * probe).sum(axis=1) >= own).sum())
    return Measurement(float(before < places))


def tar_at_far(genuine: Floats, impostor: Floats, far: float) -> Measurement:
    """True acceptance rate at a false acceptance rate.

    Args:
        genuine: [N] similarities of pairs of one person; NaN entries are left out.
        impostor: [M] similarities of pairs of two people.
        far: in (0, 1).

    Returns:
        Share of genuine pairs above the lowest threshold that accepts at most far * M impostor pairs; NaN
        with a reason below 10 / far impostor pairs, or without a genuine one.
    """
    genuine = genuine[np.isfinite(genuine)]
    impostor = np.sort(impostor[np.isfinite(impostor)])[::-1]
    needed = math.ceil(PAIRS_PER_FALSE_ACCEPT / far - 1e-9)
    if len(impostor) < needed:
        return Measurement(
            math.nan, f"{len(impostor)} impostor pairs, expected {needed} or more for a FAR of {far:g}"
        )
    if len(genuine) == 0:
        return Measurement(math.nan, "no genuine pair has both a readable head and a template")
    accepted = math.floor(far * len(impostor) + 1e-9)
    return Measurement(float((genuine > impostor[accepted]).mean()))
