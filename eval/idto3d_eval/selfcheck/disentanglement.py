"""Checks of what tells expression and identity apart: AED, consistency, variance shares and linear probes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from idto3d.expressions import EXPRESSIONS, presets
from idto3d_eval.metrics.disentanglement import SHARES, variance_shares
from idto3d_eval.metrics.expression import expression_consistency, expression_distance, expression_read
from idto3d_eval.metrics.probes import people_folds, probe
from idto3d_eval.selfcheck.check import Check, Graded, Known

Floats = NDArray[np.float64]

PEOPLE, SEEDS, FACES, VIEWS, DIMENSION = 12, 2, 6, 3, 24
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
LARGE = 200  # people of the cases whose shares are known in advance


def checks() -> Iterator[Check]:
    """All checks of this file."""
    yield from _coefficients()
    yield from _consistency()
    yield from _variance()
    yield from _probes()


def _coefficients() -> Iterator[Check]:
    table = presets().astype(np.float64)
    for place, name in enumerate(EXPRESSIONS):
        yield Known(
            "expression_read", f"the preset {name}", expression_read(table[[place]], table).value, place, 0
        )
    unread = np.full((2, 52), np.nan)
    yield Known("expression_read", "no face in any view", expression_read(unread, table).value, math.nan, 0.0)
    smile, neutral = (table[EXPRESSIONS.index(name)] for name in ("smile", "neutral"))
    views = np.stack([smile, smile])
    yield Known("aed", "the true head against itself", expression_distance(views, views).value, 0.0, 0.0)
    whole = expression_distance(np.zeros((2, 52)), np.ones((2, 52))).value
    yield Known("aed", "all coefficients at the other end", whole, 1.0, 1e-12)
    lost = expression_distance(np.stack([smile, unread[0]]), views).value
    yield Known("aed", "one view unread", lost, 0.0, 0.0)
    yield Known("aed", "no view read", expression_distance(unread, views).value, math.nan, 0.0)
    faded = [expression_distance(neutral + (1.0 - t) * (views - neutral), views).value for t in LEVELS]
    yield Graded("aed", "the expression faded", LEVELS, tuple(faded), "rises")


def _consistency() -> Iterator[Check]:
    rng = np.random.default_rng(0)
    change = rng.normal(size=52)
    alike = np.tile(change, (PEOPLE, 1))

    def mean(changes: Floats) -> float:
        return float(np.mean([measured.value for measured in expression_consistency(changes)]))

    name = "expression_consistency"
    yield Known(name, "one change on all people", mean(alike), 1.0, 1e-12)
    strengths = rng.uniform(0.5, 2.0, size=(PEOPLE, 1))
    yield Known(name, "one change of different strength", mean(alike * strengths), 1.0, 1e-12)
    yield Known(name, "a statue of everybody", mean(np.zeros((PEOPLE, 52))), 0.0, 0.0)
    yield Known(name, "two people, opposite changes", mean(np.stack([change, -change])), -1.0, 1e-12)
    yield Known(name, "one person", expression_consistency(alike[:1])[0].value, math.nan, 0.0)
    noise = rng.normal(size=alike.shape)
    mixed = [mean((1.0 - t) * alike + t * noise) for t in LEVELS]
    yield Graded(name, "each person's own change mixed in", LEVELS, tuple(mixed), "falls")


def _variance() -> Iterator[Check]:
    def share(embeddings: Floats) -> dict[str, float]:
        found = variance_shares(embeddings)
        return {name: float(np.mean([row[name].value for row in found])) for name in SHARES}

    for case, parts in (
        ("identity alone, a statue", (1.0, 0.0, 0.0)),
        ("expression alone, one head for everybody", (0.0, 1.0, 0.0)),
        ("identity and expression that add up", (0.6, 0.4, 0.0)),
        ("all three and chance, drawn at 0.4, 0.2, 0.2, 0.2", (0.4, 0.2, 0.2)),
    ):
        people = LARGE if sum(parts) < 1.0 else PEOPLE
        found = share(_drawn(people, *parts))
        exact = _exact(people, *parts) if sum(parts) == 1.0 else parts
        for name, known in zip(SHARES, exact, strict=True):
            yield Known(name, case, found[name], known, 1e-9 if sum(parts) == 1.0 else 0.04)
    drawn = _drawn(PEOPLE, 0.4, 0.2, 0.2)
    own = share(drawn)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(DIMENSION, DIMENSION)))[0]
    for case, changed in (
        ("embeddings turned", drawn @ turn),
        ("people in another order", drawn[::-1]),
        ("seeds and views in another order", drawn[:, ::-1, :, ::-1]),
    ):
        for name, value in share(changed).items():
            yield Known(name, case, value, own[name], 1e-9)
    for name in SHARES:
        yield Known(name, "one seed", variance_shares(drawn[:, :1])[0][name].value, math.nan, 0.0)
    yield from _damaged(share)


def _damaged(share: Callable[[Floats], dict[str, float]]) -> Iterator[Check]:
    """Each share as its own part of the variance grows, or as chance takes its place."""
    kept = [1.0 - level for level in LEVELS]
    alone = [share(_drawn(LARGE, part, 0.0, 0.0))[SHARES[0]] for part in kept]
    yield Graded(SHARES[0], "chance in place of identity", LEVELS, tuple(alone), "falls", slack=0.02)
    faces = [
        share(_drawn(LARGE, 0.5 * part, 0.3 * part + 1.0 - part, 0.2 * part))[SHARES[1]] for part in kept
    ]
    yield Graded(SHARES[1], "one head's expressions on everybody", LEVELS, tuple(faces), "rises", slack=0.02)
    turned = [
        share(_drawn(LARGE, 0.5 * part, 0.3 * part, 0.2 * part + 1.0 - part))[SHARES[2]] for part in kept
    ]
    case = "everybody's face changing in their own direction"
    yield Graded(SHARES[2], case, LEVELS, tuple(turned), "rises", slack=0.02)


def _drawn(people: int, identity: float, expression: float, interaction: float) -> Floats:
    """[I, S, E, V, D] sums of effects with these variances, and of chance with what they lack of one."""
    rng = np.random.default_rng(11)
    i, e, v, d = people, FACES, VIEWS, DIMENSION
    effects = (
        (identity, rng.normal(size=(i, 1, 1, 1, d)), (0,)),
        (expression, rng.normal(size=(1, 1, e, 1, d)), (2,)),
        (interaction, rng.normal(size=(i, 1, e, 1, d)), (0, 2)),
    )
    found = rng.normal(size=(1, 1, 1, v, d)) + np.zeros((i, SEEDS, e, v, d))  # a view's own look
    for variance, effect, axes in effects:
        for axis in axes:
            effect = effect - effect.mean(axis=axis, keepdims=True)
        length = np.sqrt((effect**2).sum(axis=-1).mean())
        found = found + math.sqrt(max(variance, 0.0)) * effect / length
    chance = rng.normal(size=found.shape) / math.sqrt(d)
    rest = 1.0 - identity - expression - interaction
    summed: Floats = found + math.sqrt(rest if rest > 1e-9 else 0.0) * chance
    return summed


def _exact(people: int, identity: float, expression: float, interaction: float) -> tuple[float, ...]:
    """The shares of effects without chance, where the people stand for all people: their variance is over
    I - 1, and the pseudo-values correct for the bias of the ratio."""
    del interaction
    if 0.0 in (identity, expression):
        return identity, expression, 0.0
    return _plain_jackknife(_drawn(people, identity, expression, 0.0))


def _plain_jackknife(embeddings: Floats) -> tuple[float, ...]:
    """Shares of an additive table by the definition, person by person left out."""

    def shares(rows: Floats) -> Floats:
        cells = rows.mean(axis=(1, 3))  # [I, E, D]: a view's own look shifts all alike
        people, faces = cells.mean(axis=1), cells.mean(axis=0)
        parts = np.array([people.var(axis=0, ddof=1).sum(), faces.var(axis=0).sum(), 0.0])
        part: Floats = parts / parts.sum()
        return part

    count = len(embeddings)
    whole = shares(embeddings)
    rest = [shares(np.delete(embeddings, person, axis=0)) for person in range(count)]
    return tuple(float(value) for value in count * whole - (count - 1) * np.mean(rest, axis=0))


def _probes() -> Iterator[Check]:
    rng = np.random.default_rng(7)
    people, faces, views = np.meshgrid(np.arange(PEOPLE), np.arange(FACES), np.arange(VIEWS), indexing="ij")
    noise = rng.normal(size=(PEOPLE, FACES, VIEWS, DIMENSION)) * 0.3
    own = rng.normal(size=(PEOPLE, 1, 1, DIMENSION)) * np.ones((1, FACES, VIEWS, 1))
    asked = rng.normal(size=(1, FACES, 1, DIMENSION)) * np.ones((PEOPLE, 1, VIEWS, 1))

    def expression_of(rows: Floats) -> float:
        flat = rows.reshape(-1, DIMENSION)
        return float(probe(flat, faces.reshape(-1), people_folds(people.reshape(-1))).mean())

    def person_of(rows: Floats) -> float:
        return float(probe(rows.reshape(-1, DIMENSION), people.reshape(-1), views.reshape(-1)).mean())

    asks: tuple[tuple[str, Callable[[Floats], float], Floats, Floats, float], ...] = (
        ("expression_probe", expression_of, own, asked, 1.0 / FACES),
        ("identity_probe", person_of, asked, own, 1.0 / PEOPLE),
    )
    for name, accuracy, clean, leaked, chance in asks:
        yield Known(name, "nothing of it in what is read", accuracy(clean + noise), chance, 0.12)
        yield Known(name, "all of it in what is read", accuracy(clean + 2.0 * leaked + noise), 1.0, 0.0)
        turn = np.linalg.qr(rng.normal(size=(DIMENSION, DIMENSION)))[0]
        half = clean + 0.3 * leaked + noise
        yield Known(name, "what is read turned", accuracy(half @ turn), accuracy(half), 1e-9)
        values = tuple(accuracy(clean + level * leaked + noise) for level in LEVELS)
        yield Graded(name, "how much of it is in what is read", LEVELS, values, "rises", slack=0.03)
