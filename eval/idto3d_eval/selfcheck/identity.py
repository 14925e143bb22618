"""Self-checks of identity: a head against itself, another person's share, blur, noise, unread views."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.features import HeadFeatures, read_images
from idto3d_eval.metrics.identity import (
    calibrated_identity,
    identity_counted,
    identity_similarity,
    own_minus_cross,
    view_floor,
)
from idto3d_eval.rows.context import Head
from idto3d_eval.score import score_method
from idto3d_eval.selfcheck import drawn
from idto3d_eval.selfcheck.check import Check, Graded, Known

Floats = NDArray[np.float64]

# A cosine's wobble from one rendering to the next; the recogniser's own spread over a person's views is 0.02.
READING = 0.01
UNREAD = (0, 2, 4, 6, 8, 10)  # of the ten views of all people, those in which no face is read
FOLLOWS = ("identity_similarity", "identity_counted", "calibrated_identity", "own_cross_gap")


def checks() -> Iterator[Check]:
    """All checks of the family but those of retrieval."""
    yield from _closed_forms()
    yield from _whole_path()
    yield from _damaged_views()
    yield from _another_person()
    yield from _unread_views()


def method_figures(heads: Mapping[str, HeadFeatures]) -> dict[str, float]:
    """A method's figures from its heads' readings by person, by the path of a run: rows, then the ratio of
    sums; the mean of each metric's rows that are defined, NaN where none is."""
    rows = score_method(
        [Head(name, 0, features) for name, features in heads.items()],
        drawn.references(),
        drawn.gallery(),
        ("neutral",),
        ("identity", "expression"),
    )
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row.metric, []).append(row.value)
    figures = {metric: _mean(values) for metric, values in found.items()}
    parts = ("identity_counted", "identity_floor", "identity_ceiling")
    s, floor, ceiling = (np.array(found[name]) for name in parts)
    return figures | {"calibrated_identity": calibrated_identity(s, floor, ceiling).value}


def true_heads(change: Callable[[drawn.Image], drawn.Image] = lambda image: image) -> dict[str, HeadFeatures]:
    """Readings of every person's true head, its pictures changed before they are read."""
    return {
        name: drawn.read({"neutral": [change(image) for image in drawn.drawn(index)]})
        for index, name in enumerate(drawn.names())
    }


def exchanged(share: float) -> dict[str, HeadFeatures]:
    """Readings of heads in which every person has a share of the next one, in shape and in appearance."""
    found = {}
    for index, name in enumerate(drawn.names()):
        other = drawn.head((index + 1) % drawn.PEOPLE)
        mixed = drawn.blended(drawn.head(index), other, share)
        found[name] = drawn.read({"neutral": drawn.draw(mixed)})
    return found


def _closed_forms() -> Iterator[Check]:
    """Vectors whose cosines are known."""
    east, north = np.eye(3)[0], np.eye(3)[1]
    rng = np.random.default_rng(0)
    photos, renders = rng.normal(size=(5, 16)), rng.normal(size=(7, 16))
    mean = float(identity_similarity(renders, photos).mean())

    def cosine(case: str, seen: Floats, of: Floats, expected: float) -> Known:
        found = float(identity_similarity(seen, of).mean())
        return Known("identity_similarity", case, found, expected, 1e-12)

    yield cosine("an embedding against itself", east, east[None], 1.0)
    yield cosine("opposite", -east, east[None], -1.0)
    yield cosine("at a right angle", east, north[None], 0.0)
    yield cosine("a view without a face", np.full(3, np.nan), east[None], math.nan)
    yield cosine("photos in another order", renders, photos[::-1], mean)
    yield cosine("embeddings of another length", 7.0 * renders, photos, mean)

    views = np.array([0.8, np.nan, 0.6]), np.array([0.1, 0.2, 0.3]), np.array([0.9, 0.9, 0.9])
    s, floor, ceiling = identity_counted(*views)
    yield Known("identity_counted", "an unread view counts as its floor", s, (0.8 + 0.2 + 0.6) / 3, 1e-12)
    yield Known("identity_floor", "mean over the views", floor, 0.2, 1e-12)
    yield Known("identity_ceiling", "mean over the views", ceiling, 0.9, 1e-12)

    low, high = np.array([0.1, 0.3]), np.array([0.9, 0.7])

    def ratio(case: str, own: Floats, expected: float, top: Floats = high) -> Known:
        return Known("calibrated_identity", case, calibrated_identity(own, low, top).value, expected, 1e-12)

    yield ratio("the floor itself", low, 0.0)
    yield ratio("the ceiling itself", high, 1.0)
    yield ratio("half way", (low + high) / 2, 0.5)
    yield ratio("a ceiling below the floor", high, math.nan, low - 0.1)

    statue = np.tile([[0.2, 0.5, 0.4]], (3, 1))
    gaps = own_minus_cross(statue)
    yield Known("own_cross_gap", "one head for everybody", float(np.abs(gaps).max()), 0.0, 1e-12)
    known = float(own_minus_cross(np.eye(3)).mean())
    yield Known("own_cross_gap", "own at 1, all others at 0", known, 1.0, 1e-12)


def _whole_path() -> Iterator[Check]:
    """True heads drawn, read and scored as a run does: the oracle's figures, and what must not matter."""
    heads = true_heads()
    figures = method_figures(heads)
    for metric in ("calibrated_identity", "face_coverage"):
        yield Known(metric, "the true heads, drawn and read", figures[metric], 1.0, 1e-6)

    everybody = [image for index in range(drawn.PEOPLE) for image in drawn.drawn(index)]
    together = read_images(everybody, drawn.models()).embeddings.reshape(drawn.PEOPLE, -1)
    alone = np.stack([features.embeddings for features in heads.values()]).reshape(drawn.PEOPLE, -1)
    apart = float(np.abs(together - alone).max())
    yield Known("identity_similarity", "read in another batch, largest change", apart, 0.0, 0.0)
    backwards = method_figures(dict(reversed(heads.items())))
    for metric in (*FOLLOWS, "identity_floor", "identity_ceiling", "face_coverage"):
        yield Known(metric, "people in another order", backwards[metric], figures[metric], 1e-12)


def _damaged_views() -> Iterator[Check]:
    """Blur and noise on the pictures of true heads, which the networks then read."""
    for damage, levels, damaged in (
        ("blur, pixels", drawn.BLURS, drawn.blurred),
        ("noise, of 255", drawn.NOISES, drawn.noisy),
    ):
        heads = [true_heads(functools.partial(damaged, level=level)) for level in levels]
        figures = [method_figures(each) for each in heads]
        for metric in FOLLOWS:
            yield _curve(metric, damage, levels, [each[metric] for each in figures])
        ceilings = [_ceiling(each) for each in heads]
        yield _curve("identity_ceiling", f"{damage}, on the true head", levels, ceilings)


def _another_person() -> Iterator[Check]:
    """Heads in which every person is mixed with the next."""
    heads = [exchanged(share) for share in drawn.SHARES]
    figures = [method_figures(each) for each in heads]
    damage = "another person's share"
    for metric in (*FOLLOWS, "rank1", "tar_at_far_1e-2"):
        slack = 0.0 if metric not in FOLLOWS else READING
        yield _curve(metric, damage, drawn.SHARES, [each[metric] for each in figures], slack=slack)
    yield _curve("identity_ceiling", damage, drawn.SHARES, [_ceiling(each) for each in heads])
    floors = [_floor_of_the_next(each) for each in heads]
    yield _curve("identity_floor", "own share of the impostors", drawn.SHARES, floors, rises=True)


def _unread_views() -> Iterator[Check]:
    """Views in which no face is found, one after another."""
    whole = true_heads()
    figures = [method_figures(_without(whole, count)) for count in UNREAD]
    for metric in ("face_coverage", "identity_counted", "calibrated_identity"):
        values = [each[metric] for each in figures]
        yield _curve(metric, "views without a face, of 10", UNREAD, values, slack=0.0)
    yield Known("face_coverage", "no face in any view", figures[-1]["face_coverage"], 0.0, 0.0)
    worst = figures[-1]["calibrated_identity"]
    yield Known("calibrated_identity", "no face in any view is the floor", worst, 0.0, 1e-12)


def _without(heads: Mapping[str, HeadFeatures], count: int) -> dict[str, HeadFeatures]:
    """Heads whose first views, counted over all people, hold no face."""
    found = {}
    for index, (name, features) in enumerate(heads.items()):
        embeddings, reasons = features.embeddings.copy(), features.reasons.astype("<U16")
        for view in range(embeddings.shape[1]):
            if view * len(heads) + index < count:
                embeddings[0, view], reasons[0, view] = np.nan, "no face"
        found[name] = replace(features, embeddings=embeddings, reasons=reasons)
    return found


def _ceiling(heads: Mapping[str, HeadFeatures]) -> float:
    """Mean similarity of the people's own heads to their photos, as a reference's ceiling is made."""
    return _mean(
        [
            float(identity_similarity(features.embeddings, drawn.photo_embeddings(index)).mean())
            for index, features in enumerate(heads.values())
        ]
    )


def _floor_of_the_next(heads: Mapping[str, HeadFeatures]) -> float:
    """The floor of every person where the one before is the only impostor."""
    features = list(heads.values())
    floors = [
        view_floor(features[index - 1].embeddings[None], drawn.photo_embeddings(index)).mean()
        for index in range(len(features))
    ]
    return _mean([float(each) for each in floors])


def _curve(
    metric: str,
    damage: str,
    levels: Sequence[float],
    values: Sequence[float],
    *,
    rises: bool = False,
    slack: float = READING,
) -> Graded:
    return Graded(metric, damage, tuple(levels), tuple(values), "rises" if rises else "falls", slack)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan
