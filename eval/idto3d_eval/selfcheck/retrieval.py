"""Self-checks of identification and verification on embeddings whose answer is known; what drawn heads give
under another person's share is checked beside identity."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.retrieval import MINIMUM_GALLERY, rank1, tar_at_far, template
from idto3d_eval.selfcheck.check import Check, Graded, Known

Floats = NDArray[np.float64]

FARS = {"tar_at_far_1e-2": 1e-2, "tar_at_far_1e-3": 1e-3}
DIMENSION = 64  # of drawn embeddings
HEADS = 60  # against the gallery of 200, and each other: more than the 10,000 pairs of the stricter rate
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SPREAD = 0.8  # length of what a head's embedding has beside the person's own direction


def checks() -> Iterator[Check]:
    """Closed forms, then drawn embeddings that drift to another person."""
    yield from _rank1()
    yield from _verification()
    yield from _another_person()


def _rank1() -> Iterator[Check]:
    units = np.eye(MINIMUM_GALLERY + 2)
    own, other, gallery = units[0], units[1], units[2:]

    def case(what: str, probe: Floats, expected: float, among: Floats = gallery) -> Known:
        return Known("rank1", what, rank1(probe, own, among).value, expected, 0.0)

    yield case("the person's own template", own, 1.0)
    yield case("somebody of the gallery", gallery[0], 0.0)
    yield case("as near to another as to its own", (own + gallery[0]) / math.sqrt(2.0), 0.0)
    nearer = 0.8 * own + 0.6 * gallery[0]
    yield case("nearer to its own", nearer, 1.0)
    yield case("the gallery in another order", nearer, 1.0, gallery[::-1])
    yield case("a gallery of one fewer than asked", own, math.nan, gallery[1:])
    yield case("no view was read", np.full_like(own, np.nan), math.nan)
    mean = template(np.stack([own, other, np.full_like(own, np.nan)]))
    yield case("a view that was not read changes no template", mean - other * mean[1], 1.0)


def _verification() -> Iterator[Check]:
    ramp = np.arange(10_000.0)
    for metric, far in FARS.items():

        def case(what: str, genuine: Floats, impostor: Floats, expected: float) -> Known:
            found = tar_at_far(genuine, impostor, far)  # noqa: B023, called before the next rate
            return Known(metric, what, found.value, expected, 1e-12)  # noqa: B023

        yield case("every own pair above every other", ramp[:50] + 20_000.0, ramp, 1.0)
        yield case("every own pair below every other", ramp[:50] - 20_000.0, ramp, 0.0)
        yield case("own pairs drawn as others are", ramp, ramp, far)
        order = np.random.default_rng(0).permutation(len(ramp))
        yield case("pairs in another order", ramp[order], ramp[order[::-1]], far)
        yield case("one pair fewer than 10 / FAR", ramp, ramp[: round(10 / far) - 1], math.nan)
        yield case("no own pair was read", np.full(3, np.nan), ramp, math.nan)


def _another_person() -> Iterator[Check]:
    """Embeddings of drawn people that drift to the next one's."""
    rng = np.random.default_rng(20_240_516)
    people, gallery, noise = (
        rng.normal(size=(count, DIMENSION)) for count in (HEADS, MINIMUM_GALLERY, HEADS)
    )
    people, gallery = _unit(people), _unit(gallery)
    noise = SPREAD * _unit(noise)
    found: dict[str, list[float]] = {name: [] for name in ("rank1", *FARS)}
    for share in SHARES:
        probes = _unit((1.0 - share) * people + share * np.roll(people, 1, axis=0) + noise)
        cosine = probes @ np.concatenate([people, gallery]).T
        own = np.eye(*cosine.shape) > 0.0
        hits = [rank1(probe, mate, gallery).value for probe, mate in zip(probes, people, strict=True)]
        found["rank1"].append(float(np.mean(hits)))
        for metric, far in FARS.items():
            found[metric].append(tar_at_far(cosine[own], cosine[~own], far).value)
    for metric, values in found.items():
        yield Graded(metric, "another person's share, drawn embeddings", SHARES, tuple(values), "falls")


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
