"""Do a method's renders look like the true heads' as a set: KID and FID between features of a recorded
network.

KID is the unbiased estimate of the squared maximum mean discrepancy under the kernel (x·y / D + 1)³
(Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4). Images of one person are not independent,
so ours takes only pairs of images of different people, in all three of its terms, which is unbiased with the
person as the unit; the published one takes all pairs. FID is the squared Fréchet distance of two Gaussians
(Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017, eq. 6); it is biased at small n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement, MetricCard

Floats = NDArray[np.float64]

LEAST_PEOPLE = 3  # a standard error by leaving one out needs two people after that
BIAS_DRAWS = 4  # halves of the images behind the estimate of FID's bias
SEED = 0


@dataclass(frozen=True)
class FeatureSpace:
    """What features are of and how they are read, as the cards of its metrics tell."""

    name: str
    title: str
    features: str
    preprocessing: str
    networks: tuple[str, ...]
    caveat: str


SPACES = (
    FeatureSpace(
        "face",
        "face",
        "recogniser B's embeddings of aligned faces, scaled to length √D (D = 128)",
        "Faces aligned to 112 × 112 pixels by the scoring reader's landmarks, as for identity; an image "
        "without "
        "a readable face is left out.",
        ("recogniser_b.onnx",),
        "A recogniser is trained to forget light, texture and expression: it sees who, hardly how real.",
    ),
    FeatureSpace(
        "view",
        "view",
        "the activations of the scoring reader before its heads",
        "The whole view resized to 112 × 112 pixels (bicubic, antialiased), normalised as the reader's card "
        "says.",
        ("reader_scoring.onnx",),
        "The reader was trained on renders and photographs of this population's kind.",
    ),
    FeatureSpace(
        "named",
        "named network",
        "the network that the protocol names or that lies in the folder of networks (Inception, DINO, …)",
        "The whole view resized to the network's input (bicubic, antialiased), normalised as its card says; "
        "sha256 and preprocessing are kept with the features.",
        (),
        "Figures of two networks, or of two ways to resize, do not compare.",
    ),
)
_AGAINST = (
    "the method's renders against renders of the true heads in the same views and expressions, or, where no "
    "true heads exist (population: photographs), against the scoring photos"
)
_KID = "Binkowski et al., ICLR 2018, section 4"


def _cards(space: FeatureSpace) -> tuple[MetricCard, ...]:
    def card(
        name: str, title: str, definition: str, source: str, *failures: str, **more: object
    ) -> MetricCard:
        fields: dict[str, object] = {
            "unit": "1",
            "low": 0.0,
            "high": math.inf,
            "better": "lower",
            "level": "method",
            "statistic": "pooled",
            **more,
        }
        return MetricCard(
            name=f"{name.format(space.name)}",
            title=f"{title} ({space.title})",
            definition=f"{definition} Features: {space.features}; {_AGAINST}.",
            source=source,
            family="appearance",
            failure_modes=(*failures, space.caveat),
            preprocessing=space.preprocessing,
            networks=space.networks,
            **fields,  # type: ignore[arg-type]
        )

    return (
        card(
            "kid_{}",
            "KID",
            "Unbiased squared maximum mean discrepancy under the kernel (x·y / D + 1)³ over pairs of images "
            "of "
            "different people. A person's row is the jackknife pseudo-value n·KID − (n − 1)·KID without that "
            "person; their mean is the KID, and their spread its standard error with people as the unit.",
            f"{_KID}; pairs of one person left out, and the jackknife (Efron & Tibshirani 1993, section "
            f"11.5), "
            "are this toolkit's.",
            "Renders against photographs measure the renderer as well: compare methods, never read it alone.",
            "A head of the wrong person that looks real costs nothing here: read identity beside it.",
            low=-math.inf,
            level="identity",
            statistic="mean",
        ),
        card(
            "kid_{}_se",
            "Standard error of KID",
            "Standard error of KID by leaving one person out at a time.",
            "Efron & Tibshirani 1993, eq. 11.5.",
            "Rough below ten people.",
            better="neither",
        ),
        card(
            "kid_{}_published",
            "KID as published",
            "As KID, over all pairs of distinct images within each set and all pairs across, whoever they "
            "show; "
            "all images stand in place of the average over random subsets.",
            f"{_KID}, eq. 4 with all images as the one block.",
            "Images of one person count as independent: pairs of them within a set are far more alike than "
            "others, so that equal sets do not give 0.",
            low=-math.inf,
        ),
        card(
            "fid_{}",
            "FID",
            "|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½) of the features' means and covariances. Undefined where "
            "a set "
            "has no more images than features.",
            "Heusel et al., NeurIPS 2017, eq. 6.",
            "Biased upwards, the more the fewer the images: prefer KID, and read the bias beside it.",
        ),
        card(
            "fid_{}_bias",
            "Bias of FID",
            "What FID rises by when each set is halved (each person's images, four draws), which is its "
            "bias at "
            "this number of images as far as that falls as 1/n.",
            "FID's bias in 1/n: Chong & Forsyth, CVPR 2020.",
            "Undefined where half the images are no more than the features.",
            better="neither",
            low=-math.inf,
        ),
    )


CARDS: tuple[MetricCard, ...] = tuple(card for space in SPACES for card in _cards(space))
MEASURES = ("kid_{}", "kid_{}_se", "kid_{}_published", "fid_{}", "fid_{}_bias")


@dataclass(frozen=True)
class Kid:
    """KID of one method.

    Attributes:
        value: the estimate.
        error: its standard error, people as the unit.
        pseudo_values: [I] jackknife pseudo-values, whose mean is `value`.
    """

    value: float
    error: float
    pseudo_values: Floats


def kid(renders: Sequence[Floats], truths: Sequence[Floats]) -> Kid | str:
    """KID over pairs of images of different people.

    Args:
        renders: for each of I people, [N_i, D] features of the method's images.
        truths: for each of the same people, [M_i, D] of what they are held against.

    Returns:
        The estimate with its error, or why there is none.

    Raises:
        ValueError: a person without an image on one side.
    """
    count = len(renders)
    if len(truths) != count or any(len(own) == 0 for own in (*renders, *truths)):
        raise ValueError(
            "Found a person without images on one side, expected some on both; leave the person out."
        )
    if count < LEAST_PEOPLE:
        return f"{count} people have images to compare, expected {LEAST_PEOPLE} or more"
    rr, tt, rt = (_mean_kernels(a, b) for a, b in ((renders, renders), (truths, truths), (renders, truths)))
    pairs = rr + tt - rt - rt.T  # [I, I]; the diagonal, one person with itself, is left out
    np.fill_diagonal(pairs, 0.0)
    own, total = pairs.sum(axis=1), pairs.sum()
    value = total / (count * (count - 1))
    without = (total - 2.0 * own) / ((count - 1) * (count - 2))
    pseudo: Floats = count * value - (count - 1) * without
    error = math.sqrt(float(((pseudo - value) ** 2).sum()) / (count * (count - 1)))
    return Kid(float(value), error, pseudo)


def kid_published(renders: Floats, truths: Floats) -> Measurement:
    """The published estimator over images [N, D] and [M, D]; NaN with a reason below two images each."""
    few = min(len(renders), len(truths))
    if few < 2:
        return Measurement(math.nan, f"{few} images to compare, expected 2 or more")
    within = 0.0
    for own in (renders, truths):
        sums = sum(float(_kernel(row[None], own).sum()) for row in own)
        diagonal = float((((own * own).sum(axis=1) / own.shape[1] + 1.0) ** 3).sum())
        within += (sums - diagonal) / (len(own) * (len(own) - 1))
    across = sum(float(_kernel(row[None], truths).sum()) for row in renders) / (len(renders) * len(truths))
    return Measurement(within - 2.0 * across)


def fid(renders: Floats, truths: Floats) -> Measurement:
    """Squared Fréchet distance of Gaussians fitted to features [N, D] and [M, D].

    Returns:
        At least 0; NaN with a reason where a covariance would be singular.
    """
    few, width = min(len(renders), len(truths)), renders.shape[1]
    if few <= width:
        return Measurement(math.nan, f"{few} images for {width} features, expected more images than features")
    gap = renders.mean(axis=0) - truths.mean(axis=0)
    first, second = np.cov(renders, rowvar=False), np.cov(truths, rowvar=False)
    root = _root(np.atleast_2d(first))
    middle = np.linalg.eigvalsh(root @ np.atleast_2d(second) @ root)
    shared = float(np.sqrt(np.maximum(middle, 0.0)).sum())
    distance = (
        float(gap @ gap + np.trace(np.atleast_2d(first)) + np.trace(np.atleast_2d(second))) - 2.0 * shared
    )
    return Measurement(max(0.0, distance))


def fid_bias(renders: Sequence[Floats], truths: Sequence[Floats]) -> Measurement:
    """What FID rises by when every person's images are halved.

    Args:
        renders, truths: as for `kid`.
    """
    whole = fid(np.concatenate(renders), np.concatenate(truths))
    rng = np.random.default_rng(SEED)
    halves = []
    for _ in range(BIAS_DRAWS):
        parts = [np.concatenate([_half(own, rng) for own in side]) for side in (renders, truths)]
        halves.append(fid(parts[0], parts[1]))
    undefined = next((found for found in (whole, *halves) if found.reason), None)
    if undefined is not None:
        return Measurement(math.nan, f"half of the images are too few: {undefined.reason}")
    return Measurement(float(np.mean([found.value for found in halves])) - whole.value)


def _half(images: Floats, rng: np.random.Generator) -> Floats:
    return images[rng.permutation(len(images))[: (len(images) + 1) // 2]]


def _kernel(a: Floats, b: Floats) -> Floats:
    cubic: Floats = (a @ b.T / a.shape[1] + 1.0) ** 3
    return cubic


def _mean_kernels(first: Sequence[Floats], second: Sequence[Floats]) -> Floats:
    """[I, I] mean kernel between each person's images of one set and each person's of the other."""
    other = np.concatenate(second)
    sizes = np.array([len(own) for own in second])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return np.stack([np.add.reduceat(_kernel(own, other).mean(axis=0), starts) / sizes for own in first])


def _root(matrix: Floats) -> Floats:
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(matrix)
    root: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
