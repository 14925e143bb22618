"""Checks of rank-5 and of the figures a view: known ranks and brackets, and another person mixed in."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.identity import identity_counted, identity_similarity, view_floor
from idto3d_eval.metrics.retrieval import MINIMUM_GALLERY, rank5, template
from idto3d_eval.selfcheck.check import Check, Graded, Known

Floats = NDArray[np.float64]

DIMENSION, HEADS, SEED = 64, 200, 5
MIXED = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # another person's share
PARTS = ("identity_counted_view", "identity_floor_view", "identity_ceiling_view")


def checks() -> Iterator[Check]:
    """All checks of this file."""
    yield from _ranks()
    yield from _views()


def _ranks() -> Iterator[Check]:
    mate = np.eye(DIMENSION)[0]
    for before, expected in ((0, 1.0), (4, 1.0), (5, 0.0)):
        case = f"{before} people nearer than the own"
        yield Known("rank5", case, rank5(mate, _turned(mate), _gallery(before)).value, expected, 0.0)
    tied = np.concatenate([_gallery(4)[:-1], _turned(mate)[None]])
    yield Known("rank5", "four nearer and one as near", rank5(mate, _turned(mate), tied).value, 0.0, 0.0)
    backwards = rank5(mate, _turned(mate), _gallery(4)[::-1]).value
    yield Known("rank5", "the gallery in another order", backwards, 1.0, 0.0)
    few = rank5(mate, mate, _gallery(0)[: MINIMUM_GALLERY - 1]).value
    yield Known("rank5", "a gallery that is too small", few, math.nan, 0.0)
    people = _directions(2 * HEADS, 1)
    shares = []
    for mixed in MIXED:
        probes = _unit((1.0 - mixed) * people[:HEADS] + mixed * people[HEADS:])
        found = [
            rank5(probe, people[at], np.delete(people, at, axis=0)).value for at, probe in enumerate(probes)
        ]
        shares.append(float(np.mean(found)))
    yield Graded("rank5", "another person's share", MIXED, tuple(shares), "falls")


def _views() -> Iterator[Check]:
    """One view of a few expressions: what the true head, an impostor and a head without a face are given."""
    rng = np.random.default_rng(SEED)
    photos = _unit(np.eye(DIMENSION)[0] + 0.1 * rng.normal(size=(4, DIMENSION)))
    true = _unit(np.eye(DIMENSION)[0] + 0.05 * rng.normal(size=(5, 1, DIMENSION)))
    others = _unit(rng.normal(size=(20, 5, 1, DIMENSION)))
    ceiling, floor = identity_similarity(true, photos), view_floor(others, photos)
    unread = np.full((5, 1), np.nan)
    for case, similarity in (("the true head", ceiling), ("no face in any expression", unread)):
        found = identity_counted(similarity, floor, ceiling)
        expected = (found[2] if case == "the true head" else found[1], floor.mean(), ceiling.mean())
        for name, value, known in zip(PARTS, found, expected, strict=True):
            yield Known(name, case, value, float(known), 1e-12)
    missing = identity_counted(ceiling, unread, ceiling)[0]
    yield Known(PARTS[0], "a view that no impostor is read in", missing, math.nan, 0.0)
    stranger = others[0]
    values = []
    for mixed in MIXED:
        similarity = identity_similarity((1.0 - mixed) * true + mixed * stranger, photos)
        values.append(identity_counted(similarity, floor, ceiling)[0])
    yield Graded(PARTS[0], "another person's share", MIXED, tuple(values), "falls")
    yield from _brackets(true, others, photos)


def _brackets(true: Floats, others: Floats, photos: Floats) -> Iterator[Check]:
    """The brackets follow what they are made of: alike impostors lift the floor, poor photos the ceiling."""
    lifted = [float(view_floor((1.0 - m) * others + m * true, photos).mean()) for m in MIXED[:-1]]
    yield Graded(PARTS[1], "the person's own share in every impostor", MIXED[:-1], tuple(lifted), "rises")
    noise = np.random.default_rng(SEED + 1).normal(size=photos.shape)
    levels = (0.0, 0.1, 0.2, 0.4, 0.8)
    lowered = [float(identity_similarity(true, photos + level * noise).mean()) for level in levels]
    yield Graded(PARTS[2], "noise in the photos' embeddings", levels, tuple(lowered), "falls")


def _gallery(before: int) -> Floats:
    """People of whom `before` are nearer to the first axis than `_turned`, and all others far from it."""
    rows = np.eye(DIMENSION)[1 + np.arange(MINIMUM_GALLERY) % (DIMENSION - 1)].copy()
    rows[:before] = _unit(rows[:before] * 0.1 + np.eye(DIMENSION)[0])
    return rows


def _turned(mate: Floats) -> Floats:
    """The own template, a little away from the probe."""
    return template((mate + 0.5 * np.eye(DIMENSION)[-1])[None])


def _directions(count: int, seed: int) -> Floats:
    return _unit(np.random.default_rng(seed).normal(size=(count, DIMENSION)))


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return unit
