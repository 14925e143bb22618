"""Checks of stability: a published example, heads that come out the same, and noise that grows."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.expressions import EXPRESSIONS, presets
from idto3d_eval import environments as seen
from idto3d_eval.features import HeadFeatures
from idto3d_eval.metrics import METRICS
from idto3d_eval.metrics.reliability import Reliability, icc_one_way, icc_two_way
from idto3d_eval.metrics.stability import head_distance, pixel_difference
from idto3d_eval.reference import Reference
from idto3d_eval.rows.context import Head
from idto3d_eval.score import score_method
from idto3d_eval.selfcheck.check import Check, Graded, Known
from idto3d_eval.sessions import FILE as SESSION_FILE

Floats = NDArray[np.float64]

# Shrout & Fleiss 1979, table 2: six targets, four judges; table 4 gives ICC(1,1) = .17 and ICC(2,1) = .29.
PUBLISHED = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=np.float64
)
LEVELS = (0.0, 0.1, 0.3, 1.0)
PEOPLE = 12
NAMES = ("first", "128px", "256px", "below", "right", "top", "zbuffer")
AXES = (
    seen.FIRST,
    seen.RESOLUTION_AXIS,
    seen.RESOLUTION_AXIS,
    seen.LIGHT_AXIS,
    seen.LIGHT_AXIS,
    seen.LIGHT_AXIS,
    seen.RENDERER_AXIS,
)


def checks() -> Iterator[Check]:
    """All checks of the family `stability`."""
    yield from _correlations()
    yield from _distances()
    with tempfile.TemporaryDirectory(prefix="idto3d-check-") as folder:
        yield from _environments(Path(folder))
        yield from _repeats(Path(folder))


def _correlations() -> Iterator[Check]:
    rng = np.random.default_rng(0)
    people, noise = rng.normal(size=(PEOPLE, 1)), rng.normal(size=(PEOPLE, 3))
    for over, icc, known in (
        ("seeds", icc_one_way, 0.17),
        ("sessions", icc_two_way, 0.29),
        ("environments", icc_two_way, 0.29),
    ):
        name = f"icc_{over}"
        yield Known(name, "the published example", _parts(icc(PUBLISHED)).value, known, 0.005)
        yield Known(name, "no noise", _parts(icc(np.repeat(people, 3, axis=1))).value, 1.0, 1e-9)
        scaled = _parts(icc(3.0 * PUBLISHED[::-1] + 7.0)).value
        yield Known(name, "people turned round, another scale", scaled, _parts(icc(PUBLISHED)).value, 1e-9)
        found = [_parts(icc(people + level * noise)) for level in LEVELS]
        values = tuple(own.value for own in found)
        yield Graded(name, "noise over spread of people", LEVELS, values, "falls")
        for end in ("low", "high"):
            bounds = tuple(float(getattr(own, end)) for own in found)
            yield Graded(f"{name}_{end}", "noise over spread of people", LEVELS, bounds, "falls")
            inside = all((own.low <= own.value <= own.high) for own in found)
            yield Known(f"{name}_{end}", "the value lies inside", float(inside), 1.0, 0.0)


def _distances() -> Iterator[Check]:
    from idto3d_eval.selfcheck.appearance import sheet

    flat = sheet()
    moves = (0.0, 0.5, 1.0, 2.0)
    moved = [
        type(flat)(**{**vars(flat), "vertices": flat.vertices + np.array([0.0, 0.0, step])}) for step in moves
    ]
    values = tuple(head_distance(flat, other) for other in moved)
    yield Known("session_distance", "a sheet 2 mm before itself", values[-1], 2.0, 1e-4)
    yield Known("session_distance", "a mesh with itself", values[0], 0.0, 1e-5)
    yield Graded("session_distance", "moved, mm", moves, values, "rises")
    grey = np.full((4, 4, 3), 100, dtype=np.uint8)
    codes = (0, 1, 5, 20)
    changed = tuple(pixel_difference(grey, np.full_like(grey, 100 + code)) for code in codes)
    yield Known("session_pixels", "20 codes lighter", changed[-1], 20.0, 0.0)
    yield Graded("session_pixels", "lighter, codes", tuple(map(float, codes)), changed, "rises")


def _environments(folder: Path) -> Iterator[Check]:
    """Rows of heads whose readings in other renderings are made up."""
    still = _scored(folder / "still", np.zeros(len(NAMES)), np.zeros(len(NAMES)))
    for name in ("resolution_spread", "light_spread", "renderer_shift"):
        yield Known(name, "the same in every rendering", _mean(still, name), 0.0, 1e-6)
    yield Known("environment_vote", "the same in every rendering", _mean(still, "environment_vote"), 1.0, 0.0)
    axes = {
        "resolution_spread": seen.RESOLUTION_AXIS,
        "light_spread": seen.LIGHT_AXIS,
        "renderer_shift": seen.RENDERER_AXIS,
    }
    for name, axis in axes.items():
        values = []
        for level in LEVELS:
            turn = level * np.array([own == axis for own in AXES]) * np.arange(1, len(AXES) + 1)
            place = folder / f"{name}-{level}"
            values.append(_mean(_scored(place, 0.1 * turn, np.zeros(len(NAMES))), name))
        yield Graded(
            name, f"embeddings turned along the axis {axis}, radians", LEVELS, tuple(values), "rises"
        )
    shares = (0.0, 1.0, 3.0, 6.0)
    votes = []
    for count in shares:
        wrong = (np.arange(len(NAMES)) > len(NAMES) - 1 - count).astype(np.float64)
        votes.append(
            _mean(_scored(folder / f"votes-{count}", np.zeros(len(NAMES)), wrong), "environment_vote")
        )
    yield Known("environment_vote", "another expression everywhere else", votes[-1], 0.0, 0.0)
    yield Graded("environment_vote", "renderings with another expression", shares, tuple(votes), "falls")


def _repeats(folder: Path) -> Iterator[Check]:
    """Rows of heads over made-up seeds and sessions."""
    spreads, shifts = [], []
    for level in LEVELS:
        heads = [head for seed in (0, 1) for head in _heads(seed, level * seed)]
        spreads.append(_mean(_rows(heads), "seed_spread"))
        sessions = {"one": _heads(0, 0.0), "two": _heads(0, level)}
        rows = score_method(
            sessions["two"],
            _references(),
            None,
            ("neutral",),
            ("stability",),
            sessions=sessions,
            session="two",
        )
        shifts.append(next(row.value for row in rows if row.metric == "session_identity_shift"))
    yield Known("seed_spread", "equal seeds", spreads[0], 0.0, 1e-9)
    yield Graded("seed_spread", "second seed turned, radians", LEVELS, tuple(spreads), "rises")
    yield Known("session_identity_shift", "equal sessions", shifts[0], 0.0, 1e-9)
    yield Graded("session_identity_shift", "second session turned, radians", LEVELS, tuple(shifts), "rises")
    gaps = [_session_rows(folder / f"session-{same}", same) for same in (True, False)]
    for found, expected in zip(gaps, (1.0, 0.0), strict=True):
        case = "equal files" if expected else "other files"
        yield Known("session_same_bytes", case, _mean(found, "session_same_bytes"), expected, 0.0)


def _session_rows(folder: Path, same: bool) -> list[tuple[str, float]]:
    folder.mkdir()
    found = {"same_bytes": same, "distance_mm": 0.0, "pixels": 0.0, "expressions": ["neutral"]}
    (folder / SESSION_FILE).write_text(json.dumps(found))
    return _rows([_head(0, 0, 0.0, {"sessions": folder})])


def _scored(folder: Path, turns: Floats, wrong: Floats) -> list[tuple[str, float]]:
    """Rows of one head whose embedding turns, and whose expression is another, by rendering."""
    folder.mkdir()
    person, away = np.eye(4)[0], np.eye(4)[1]
    embeddings = np.cos(turns)[:, None] * person + np.sin(turns)[:, None] * away
    table = presets().astype(np.float64)
    asked = [EXPRESSIONS.index("smile" if own else "neutral") for own in wrong]
    with (folder / seen.FILE).open("wb") as file:
        np.savez(
            file,
            names=np.array(NAMES),
            axes=np.array(AXES),
            expressions=np.array(["neutral"]),
            embeddings=embeddings[:, None].astype(np.float32),
            actions=table[asked][:, None].astype(np.float32),
            reasons=np.full((len(NAMES), 1), ""),
            cards=np.array("{}"),
        )
    return _rows([_head(0, 0, 0.0, {"environments": folder})])


def _rows(heads: Sequence[Head]) -> list[tuple[str, float]]:
    rows = score_method(heads, _references(), None, ("neutral",), ("stability",))
    return [(row.metric, row.value) for row in rows]


def _mean(rows: Sequence[tuple[str, float]], name: str) -> float:
    assert name in METRICS, name
    return float(np.mean([value for metric, value in rows if metric == name]))


def _heads(seed: int, turn: float) -> list[Head]:
    return [_head(index, seed, turn) for index in range(3)]


def _head(index: int, seed: int, turn: float, readings: Mapping[str, Path] | None = None) -> Head:
    """A head of one view, turned away from its person by an angle."""
    embedding = math.cos(turn) * np.eye(4)[index] + math.sin(turn) * np.eye(4)[3]
    features = HeadFeatures(
        expressions=("neutral",),
        views=("front",),
        frontal=np.array([True]),
        embeddings=embedding[None, None].astype(np.float32),
        landmarks=np.full((1, 1, 68, 2), np.nan, np.float32),
        actions=presets()[:1][None].astype(np.float32),
        presence=np.ones((1, 1), np.float32),
        reasons=np.array([[""]]),
        cards={},
    )
    return Head(f"person-{index}", seed, features, readings=readings or {})


def _references() -> dict[str, Reference]:
    floor, ceiling = np.zeros((1, 1)), np.ones((1, 1))
    return {
        f"person-{index}": Reference(
            np.eye(4)[index][None].astype(np.float32), ("neutral",), ("front",), floor, ceiling, impostors=20
        )
        for index in range(3)
    }


def _parts(found: Reliability | str) -> Reliability:
    assert isinstance(found, Reliability), found
    return found
