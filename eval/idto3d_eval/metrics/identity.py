"""Does the head look like the person: cosine similarity, calibrated between an impostor floor and the true
head.

Calibration is needed because a photograph's threshold does not carry over to renders: different untextured
heads score 0.5 to 0.6 against each other, where different photographs score below 0.4. Floor and ceiling are
therefore measured on renders, under the same cameras, lights, expressions and seeds.
"""

import math

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement, MetricCard
from idto3d_eval.metrics.read_with import EMBEDDED, FACES, READER

Floats = NDArray[np.float64]

MINIMUM_IMPOSTORS = 20  # heads behind one identity's floor, attribute-matched
MINIMUM_COVERAGE = 0.95  # share of views with a readable face, below which a method is not ranked

CARDS = (
    MetricCard(
        name="identity_similarity",
        title="Similarity",
        definition="Cosine of the scoring recogniser's embedding of one rendered view to the embeddings of "
        "the "
        "identity's scoring photos, averaged over the photos.",
        source="CSIM of the face reenactment literature, with a recogniser that conditioned nothing.",
        unit="1",
        low=-1.0,
        high=1.0,
        better="higher",
        family="identity",
        level="view",
        failure_modes=(
            "Not comparable across recognisers, crops or renderers: read calibrated_identity instead.",
            "A view without a readable face is NaN, so the plain mean flatters a method that hides faces.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="identity_counted",
        title="Similarity, unread views at the floor",
        definition="Mean over the views of identity_similarity, where a view in which no face can be read "
        "counts "
        "as the impostor floor of that view. The s of calibrated_identity.",
        source="Definition of this toolkit.",
        unit="1",
        low=-1.0,
        high=1.0,
        better="higher",
        family="identity",
        level="identity",
        failure_modes=(
            "Views that cannot be read on the true head or on any impostor are left out for everybody.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="identity_floor",
        title="Impostor floor",
        definition="Mean similarity to the identity's scoring photos of the true heads of at least 20 "
        "impostors "
        "of the same sex, age band, skin bin, hair and beard, over the same views.",
        source="Definition of this toolkit.",
        unit="1",
        low=-1.0,
        high=1.0,
        better="neither",
        family="identity",
        level="identity",
        failure_modes=(
            "Never built from pairs of photographs: their similarities lie elsewhere than renders'.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="identity_ceiling",
        title="True head's ceiling",
        definition="Mean similarity of the identity's own true head to its scoring photos, over the same "
        "views.",
        source="Definition of this toolkit.",
        unit="1",
        low=-1.0,
        high=1.0,
        better="neither",
        family="identity",
        level="identity",
        failure_modes=("Exists only where a true head does: the synthetic population, or scans.",),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="identity_counted_view",
        title="Similarity of a view, unread at the floor",
        definition="Mean over the expressions of identity_similarity in one view, where an expression in "
        "which no face can be read counts as the impostor floor. The curve over yaw is made of it.",
        source="Definition of this toolkit.",
        unit="1",
        low=-1.0,
        high=1.0,
        better="higher",
        family="identity",
        level="view",
        failure_modes=(
            "Read it between the two brackets of the same view: profiles are hard for everybody.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="identity_floor_view",
        title="Impostor floor of a view",
        definition="As identity_floor, over the expressions of one view: the lower bracket of "
        "identity_counted_view.",
        source="Definition of this toolkit.",
        unit="1",
        low=-1.0,
        high=1.0,
        better="neither",
        family="identity",
        level="view",
        failure_modes=("A floor near the ceiling tells of a view that the recogniser cannot use.",),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="identity_ceiling_view",
        title="True head's ceiling of a view",
        definition="As identity_ceiling, over the expressions of one view: the upper bracket of "
        "identity_counted_view.",
        source="Definition of this toolkit.",
        unit="1",
        low=-1.0,
        high=1.0,
        better="neither",
        family="identity",
        level="view",
        failure_modes=("Exists only where a true head does: the synthetic population, or scans.",),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="calibrated_identity",
        title="Calibrated identity",
        definition="Sum over identities of (identity_counted - identity_floor) over the sum of "
        "(identity_ceiling "
        "- identity_floor): 0 is a matched impostor's true head, 1 the person's own.",
        source="Definition of this toolkit; a ratio of sums, bootstrapped over identities for all three "
        "together.",
        unit="1",
        low=-math.inf,
        high=math.inf,
        better="higher",
        family="identity",
        level="method",
        statistic="ratio_of_sums",
        failure_modes=(
            "Above 1 a head is more recognisable than the truth: a sign of an adversarial texture.",
            "A mean of per-identity ratios would explode where floor and ceiling nearly meet.",
            "Below 0.95 coverage the method is not ranked.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="own_cross_gap",
        title="Own minus cross",
        definition="Mean cosine of identity i's renders to i's scoring photos, minus the mean cosine of the "
        "same "
        "method's renders of the other identities to i's photos.",
        source="Definition of this toolkit, for photos of people with no true head and beside the "
        "calibrated figure.",
        unit="1",
        low=-2.0,
        high=2.0,
        better="higher",
        family="identity",
        level="identity",
        failure_modes=("Depends on how alike the protocol's people are; a statue of one person scores 0.",),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
    MetricCard(
        name="face_coverage",
        title="Faces read",
        definition="Share of an identity's rendered views in which the scoring reader finds a face.",
        source="Definition of this toolkit.",
        unit="1",
        low=0.0,
        high=1.0,
        better="higher",
        family="identity",
        level="identity",
        failure_modes=("A reader trained on renders may find a face in a smooth egg.",),
        preprocessing="8-bit views of the canonical renderer; a face is there from a presence of 0.5 on.",
        networks=(READER,),
    ),
)


def identity_similarity(renders: NDArray[np.floating], photos: NDArray[np.floating]) -> Floats:
    """Mean cosine of each render to the photos.

    Args:
        renders: [..., D] embeddings of rendered views, of any length; a row with NaN is a view without a
            face.
        photos: [P, D] embeddings of one person's scoring photos.

    Returns:
        [...] in [-1, 1], NaN where the render has no face.

    Raises:
        ValueError: no photo, or a photo without an embedding.
    """
    kept = np.asarray(photos, dtype=np.float64)
    if kept.ndim != 2 or len(kept) == 0 or not np.isfinite(kept).all():
        raise ValueError(
            f"Found scoring photo embeddings of shape {kept.shape}, some empty or not finite, expected at "
            f"least "
            "one finite row; leave out photos in which no face can be read."
        )
    centre = _unit(kept).mean(axis=0)  # [D]; the mean of cosines is the cosine sum against the mean direction
    cosine: Floats = (_unit(np.asarray(renders, dtype=np.float64)) * centre).sum(axis=-1)
    return cosine


def view_floor(impostors: NDArray[np.floating], photos: NDArray[np.floating]) -> Floats:
    """Impostor floor of every view.

    Args:
        impostors: [N, ..., D] embeddings of N impostors' true heads under the protocol's views.
        photos: [P, D] scoring photos of the identity.

    Returns:
        [...] mean over the impostors in whose view a face was read; NaN where it was in none.
    """
    return _nanmean(identity_similarity(impostors, photos), axis=0)


def identity_counted(similarity: Floats, floor: Floats, ceiling: Floats) -> tuple[float, float, float]:
    """An identity's s, floor and ceiling over the same views.

    Args:
        similarity: [...] of the method's views, NaN where no face was read.
        floor: [...] impostor floor of the same views.
        ceiling: [...] similarity of the true head in the same views.

    Returns:
        (s, floor, ceiling): means over the views that have both a floor and a ceiling; a view of the method
        without a face counts as the floor. All NaN where no such view exists.

    Raises:
        ValueError: shapes differ.
    """
    if not similarity.shape == floor.shape == ceiling.shape:
        raise ValueError(
            f"Found views of shape {similarity.shape}, {floor.shape} and {ceiling.shape} for the method, "
            f"its floor "
            "and its ceiling, expected one shape; render all three under the same views."
        )
    usable = np.isfinite(floor) & np.isfinite(ceiling)
    if not usable.any():
        return math.nan, math.nan, math.nan
    counted = np.where(np.isfinite(similarity), similarity, floor)[usable]
    return float(counted.mean()), float(floor[usable].mean()), float(ceiling[usable].mean())


def calibrated_identity(counted: Floats, floor: Floats, ceiling: Floats) -> Measurement:
    """Ratio of sums over identities: 0 is a matched impostor, 1 the true head.

    Args:
        counted, floor, ceiling: [I] one triple an identity, as `identity_counted` returns them.

    Returns:
        The ratio; NaN with a reason where no identity has all three, or the ceiling is not above the floor.
    """
    usable = np.isfinite(counted) & np.isfinite(floor) & np.isfinite(ceiling)
    span = float((ceiling - floor)[usable].sum())
    if not usable.any():
        return Measurement(math.nan, "no identity has a similarity, a floor and a ceiling")
    if span <= 0.0:
        return Measurement(math.nan, f"the ceiling lies {-span:.4f} below the floor in sum")
    return Measurement(float((counted - floor)[usable].sum()) / span)


def own_minus_cross(similarity: Floats) -> Floats:
    """Own-minus-cross gap of every identity.

    Args:
        similarity: [I, I] mean cosine of identity row's renders to identity column's scoring photos.

    Returns:
        [I] gap of each column's photos; NaN where the own entry is missing or no other person's is there.
    """
    count = len(similarity)
    if similarity.shape != (count, count):
        raise ValueError(f"Found a matrix of shape {similarity.shape}, expected identities by identities.")
    cross = np.where(np.eye(count, dtype=bool), np.nan, similarity)
    return np.diagonal(similarity) - _nanmean(cross, axis=0)


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0.0, length, np.nan)


def _nanmean(values: Floats, axis: int) -> Floats:
    """Mean over the finite entries, NaN (and no warning) where there is none."""
    finite = np.isfinite(values)
    count = finite.sum(axis=axis)
    total = np.where(finite, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
