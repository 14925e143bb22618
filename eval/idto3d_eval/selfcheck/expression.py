"""Self-checks of expression: presets against themselves, a face that fades or turns into another's."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from idto3d.expressions import EXPRESSIONS, presets
from idto3d_eval.features import HeadFeatures
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.expression import expression_accuracy, expression_error, identity_drift, joint
from idto3d_eval.rows.context import Head
from idto3d_eval.score import score_method
from idto3d_eval.selfcheck import drawn
from idto3d_eval.selfcheck.check import Check, Expectation, Graded, Known

Floats = NDArray[np.float64]

SHOWN = ("smile", "surprise", "kiss")  # strong ones; each fades by itself, so that few heads are drawn
SUBJECTS = 2
FADES: dict[str, Expectation] = {
    "expression_accuracy": "falls",
    "expression_error": "rises",
    "joint": "falls",
    "identity_drift": "falls",
}
READING = 0.01  # of a coefficient or a cosine, from one rendering to the next


def checks() -> Iterator[Check]:
    """All checks of the family."""
    yield from _closed_forms()
    yield from _whole_path()
    yield from _faded()
    yield from _another_person()
    yield from _damaged_views()


def _closed_forms() -> Iterator[Check]:
    """Coefficients and embeddings whose answers are known."""
    table = presets().astype(np.float64)
    unread = np.full((2, table.shape[1]), np.nan)
    for asked, name in enumerate(EXPRESSIONS):
        found = expression_accuracy(np.tile(table[asked], (3, 1)), table, asked)
        yield _known("expression_accuracy", f"the preset of {name}", found, 1.0)
    smile = EXPRESSIONS.index("smile")
    statue = expression_accuracy(table[:1], table, smile)
    yield _known("expression_accuracy", "neutral where a smile was asked", statue, 0.0)
    views = np.stack([table[smile] - 0.1, table[smile] + 0.1, table[smile]])
    for order, read in (("about the preset", views), ("about the preset, in another order", views[::-1])):
        yield _known("expression_accuracy", f"views {order}", expression_accuracy(read, table, smile), 1.0)
        yield _known("expression_error", f"views {order}", expression_error(read, table[smile]), 0.0)
    off = expression_error(_off(table[smile]), table[smile])
    yield _known("expression_error", "one coefficient off by 0.3", off, 0.3)
    for metric, found in (
        ("expression_accuracy", expression_accuracy(unread, table, smile)),
        ("expression_error", expression_error(unread, table[smile])),
        ("identity_drift", identity_drift(unread, unread)),
    ):
        yield _known(metric, "no view was read", found, math.nan)

    east, north = np.eye(3)[:1], np.eye(3)[1:2]
    for what, other, expected in (
        ("the same face", east, 0.0),
        ("at a right angle", north, 1.0),
        ("opposite", -east, 2.0),
    ):
        yield _known("identity_drift", what, identity_drift(other, east), expected)
    rng = np.random.default_rng(0)
    moved, still = rng.normal(size=(2, 5, 16))
    turned = identity_drift(moved[::-1], still[::-1])
    yield _known("identity_drift", "views in another order", turned, identity_drift(moved, still).value)

    yes, no, none = Measurement(1.0), Measurement(0.0), Measurement(math.nan, "no face")
    for what, accuracy, rank, expected in (
        ("right face and right person", yes, yes, 1.0),
        ("a puppet: right face, wrong person", yes, no, 0.0),
        ("a statue: wrong face, right person", no, yes, 0.0),
        ("neither", no, no, 0.0),
        ("unread", none, yes, math.nan),
    ):
        yield _known("joint", what, joint(accuracy, rank), expected)


def _whole_path() -> Iterator[Check]:
    """True heads drawn, read and scored as a run does."""
    figures = _figures({name: _faded_heads(name, 0.0) for name in SHOWN})
    yield Known("expression_accuracy", "true heads, drawn and read", figures["expression_accuracy"], 1.0, 0.0)
    yield Known("joint", "true heads, drawn and read", figures["joint"], 1.0, 0.0)
    together = drawn.read({name: drawn.drawn(0, name) for name in SHOWN}).actions
    alone = np.concatenate([drawn.read({name: drawn.drawn(0, name)}).actions for name in SHOWN])
    apart = float(np.abs(together - alone).max())
    yield Known("expression_error", "read in another batch, largest change", apart, 0.0, 0.0)


def _faded() -> Iterator[Check]:
    """Expressions that fade to neutral: nothing is right any more, and nothing moves."""
    figures = [_figures({name: _faded_heads(name, share) for name in SHOWN}) for share in drawn.SHARES]
    for metric, expected in FADES.items():
        values = tuple(each[metric] for each in figures)
        slack = READING if metric in ("expression_error", "identity_drift") else 0.0
        yield Graded(metric, "faded share of the expression", drawn.SHARES, values, expected, slack)


def _another_person() -> Iterator[Check]:
    """A smile that is more and more another person's, on a neutral face that stays."""
    figures = []
    for share in drawn.SHARES:
        heads = {}
        for index in range(SUBJECTS):
            mixed = drawn.blended(drawn.head(index, "smile"), drawn.head(index + 1, "smile"), share)
            heads[drawn.names()[index]] = drawn.read(
                {"neutral": drawn.drawn(index), "smile": drawn.draw(mixed)}
            )
        figures.append(_figures({"smile": heads}))
    damage = "another person's share of the smile"
    drifts = tuple(each["identity_drift"] for each in figures)
    yield Graded("identity_drift", damage, drawn.SHARES, drifts, "rises", READING)
    yield Graded("joint", damage, drawn.SHARES, tuple(each["joint"] for each in figures), "falls")


def _damaged_views() -> Iterator[Check]:
    """Blur on the pictures: the reader sees less and less of the expression."""
    figures = []
    for pixels in drawn.BLURS:
        found = {}
        for name in SHOWN:
            found[name] = {
                drawn.names()[index]: drawn.read(
                    {
                        each: [drawn.blurred(image, pixels) for image in drawn.drawn(index, each)]
                        for each in ("neutral", name)
                    }
                )
                for index in range(SUBJECTS)
            }
        figures.append(_figures(found))
    for metric in ("expression_error", "joint"):
        values = tuple(each[metric] for each in figures)
        slack = READING if metric == "expression_error" else 0.0
        yield Graded(metric, "blur, pixels", drawn.BLURS, values, FADES[metric], slack)


def _faded_heads(name: str, share: float) -> dict[str, HeadFeatures]:
    """Readings of heads whose expression has faded by a share; neutral stands beside it."""
    found = {}
    for index in range(SUBJECTS):
        faded = drawn.blended(drawn.head(index, name), drawn.head(index), share)
        found[drawn.names()[index]] = drawn.read({"neutral": drawn.drawn(index), name: drawn.draw(faded)})
    return found


def _figures(heads: dict[str, dict[str, HeadFeatures]]) -> dict[str, float]:
    """Means over the heads of every expression but neutral; expression -> person -> readings."""
    found: dict[str, list[float]] = {}
    for expression, of in heads.items():
        rows = score_method(
            [Head(name, 0, features) for name, features in of.items()],
            drawn.references(),
            drawn.gallery(),
            ("neutral", expression),
            ("expression",),
        )
        for row in rows:
            if row.expression == expression:
                found.setdefault(row.metric, []).append(row.value)
    return {metric: float(np.mean(values)) for metric, values in found.items()}


def _off(preset: Floats) -> Floats:
    views = preset[None].copy()
    views[0, 7] += 0.3
    return views


def _known(metric: str, case: str, found: Measurement, expected: float) -> Known:
    return Known(metric, case, found.value, expected, 1e-9)
