"""Does a head come out the same again: over seeds, over sessions, and as seen in other renderings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Direction, Measurement, MetricCard, Statistic
from idto3d_eval.metrics.read_with import EMBEDDED, FACES, FILES

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh

Floats = NDArray[np.float64]

SHIFT_BAR = 0.03  # what another thread count may move calibrated identity by at most
_OURS = "Definition of this toolkit."
_SHROUT = "Shrout & Fleiss, Psychological Bulletin 86, 1979: {}."
_SIMILARITY = (
    "a head's identity_counted (its mean similarity to the scoring photos, unread views at the floor)"
)
_SESSIONS = (
    "Sessions are rows that differ in nothing but `repeat` or `budget.threads`; each is held against the "
    "first of "
    "them in the protocol"
)
_ENVIRONMENTS = (
    "from the first frontal camera, over up to three expressions: 192 pixels under the protocol's first "
    "light, the "
    "same at 128 and 256, under three lights that no network was trained under, and by a second renderer "
    "(depth "
    "buffer in float64, without rays)"
)


def _card(
    name: str,
    title: str,
    definition: str,
    *failures: str,
    unit: str = "1",
    low: float = 0.0,
    high: float = math.inf,
    better: Direction = "lower",
    level: str = "identity",
    statistic: Statistic = "mean",
    source: str = _OURS,
    preprocessing: str = EMBEDDED,
    networks: tuple[str, ...] = FACES,
) -> MetricCard:
    return MetricCard(
        name=name,
        title=title,
        definition=definition,
        source=source,
        unit=unit,
        low=low,
        high=high,
        better=better,
        family="stability",
        level=level,  # type: ignore[arg-type]
        failure_modes=failures,
        statistic=statistic,
        preprocessing=preprocessing,
        networks=networks,
    )


def _icc_cards(over: str, title: str, form: str, definition: str) -> tuple[MetricCard, ...]:
    source = _SHROUT.format(form)
    failure = "Low too where the people score alike, however steady the method: read the spread beside it."
    bounds = tuple(
        _card(
            f"icc_{over}_{end}",
            f"{title}, {word} bound",
            f"{word.capitalize()} bound of the 95 % interval over people of icc_{over}.",
            "Normal values are assumed.",
            low=-math.inf,
            high=1.0,
            better="neither",
            level="method",
            statistic="pooled",
            source=source,
        )
        for end, word in (("low", "lower"), ("high", "upper"))
    )
    value = _card(
        f"icc_{over}",
        title,
        f"{form} of {definition}: the share of its variance that is the people's.",
        failure,
        low=-math.inf,
        high=1.0,
        better="higher",
        level="method",
        statistic="pooled",
        source=source,
    )
    return (value, *bounds)


CARDS: tuple[MetricCard, ...] = (
    _card(
        "seed_spread",
        "Spread over seeds",
        f"Standard deviation over the protocol's seeds of {_SIMILARITY}.",
        "A method without randomness has none.",
        "Rough with two or three seeds.",
    ),
    *_icc_cards("seeds", "ICC over seeds", "ICC(1)", f"{_SIMILARITY}, people against seeds of their own"),
    _card(
        "session_same_bytes",
        "Same bytes again",
        f"Whether every GLB of the head has the same bytes as in the first session: 1 or 0. {_SESSIONS}.",
        "One bit in a texture counts as much as another face: read the distances.",
        high=1.0,
        better="higher",
        preprocessing=FILES,
        networks=(),
    ),
    _card(
        "session_distance",
        "Moved between sessions",
        "Mean distance of the vertices of each of two meshes to the nearest point of the other, averaged "
        "over "
        f"both ways and over expressions. {_SESSIONS}.",
        "Sliding along the surface is not seen.",
        unit="mm",
        preprocessing=FILES,
        networks=(),
    ),
    _card(
        "session_pixels",
        "Pixels changed between sessions",
        f"Mean absolute difference of 8-bit renders over the protocol's views. {_SESSIONS}.",
        "The background counts: it never changes.",
        unit="grey levels",
        high=255.0,
        preprocessing="8-bit views of the canonical renderer.",
        networks=(),
    ),
    _card(
        "session_identity_shift",
        "Identity moved between sessions",
        f"|calibrated_identity − that of the first session|, over the same people. {_SESSIONS}. Other thread "
        f"counts may move it by at most {SHIFT_BAR}.",
        "People that move up and down cancel: read icc_sessions.",
        level="method",
        statistic="pooled",
    ),
    *_icc_cards(
        "sessions",
        "ICC over sessions",
        "ICC(2,1)",
        f"{_SIMILARITY}, people against sessions, all rows of one group",
    ),
    _card(
        "resolution_spread",
        "Spread over resolutions",
        "Standard deviation over renders of 128, 192 and 256 pixels of the head's mean similarity to the "
        "scoring "
        "photos, front, first light, up to three expressions; those read in all environments.",
        "Below 128 pixels faces stop being read, which is no matter of the head.",
    ),
    _card(
        "light_spread",
        "Spread over lights",
        "Standard deviation over the protocol's first light and three that no network was trained under of "
        "the "
        "head's mean similarity to the scoring photos, front, 192 pixels, up to three expressions; those "
        "read in "
        "all environments.",
        "The recogniser's own sensitivity to light is in it: read the oracle's beside it.",
    ),
    _card(
        "renderer_shift",
        "Shift between renderers",
        "|mean similarity in renders by rays − in renders of the same views by a depth buffer|; up to three "
        "expressions, those read in all environments.",
        "Both share material and light model: what differs is visibility, interpolation and texture lookup.",
    ),
    _card(
        "environment_vote",
        "Same expression read elsewhere",
        "Share of pairs of another environment and an expression in which the reader's vote among the 13 "
        "presets "
        f"is that of the first environment. Environments: {_ENVIRONMENTS}. A view without a face is another "
        f"vote.",
        "A head whose expression is always read wrong in the same way has 1.",
        high=1.0,
        better="higher",
    ),
    *_icc_cards(
        "environments",
        "ICC over environments",
        "ICC(2,1)",
        f"the head's mean similarity to the scoring photos, people against environments ({_ENVIRONMENTS})",
    ),
)


def spread(values: Sequence[float] | Floats, what: str) -> Measurement:
    """Standard deviation (n − 1) of two or more values; NaN with a reason where one is missing or alone.

    Args:
        values: [K] of one head, NaN where one could not be measured.
        what: what the values are of, such as "seed".
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.size < 2:
        return Measurement(math.nan, f"there is one {what}, expected 2 or more")
    missing = int((~np.isfinite(numbers)).sum())
    if missing:
        return Measurement(math.nan, f"{missing} of {numbers.size} {what}s could not be measured")
    return Measurement(float(np.std(numbers, ddof=1)))


def head_distance(first: TexturedMesh, second: TexturedMesh) -> float:
    """Mean distance, mm, of each mesh's vertices to the nearest point of the other, both ways averaged."""
    from idto3d_eval.metrics.surface import Surface

    one, other = (Surface(mesh.vertices, mesh.faces) for mesh in (first, second))
    return float((other.distance(first.vertices).mean() + one.distance(second.vertices).mean()) / 2.0)


def pixel_difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two images [H, W, 3], in grey levels of 0..255."""
    if first.shape != second.shape:
        raise ValueError(
            f"Found images of {first.shape} and {second.shape}, expected one shape; render again."
        )
    return float(np.abs(first.astype(np.int16) - second.astype(np.int16)).mean())


def same_votes(votes: NDArray[np.integer]) -> Measurement:
    """Share of the other environments' votes that are the first one's.

    Args:
        votes: [N, E] the expression read in each environment, -1 where no face was; the first row is the
        first
            environment.
    """
    if len(votes) < 2 or (votes[0] < 0).all():
        reason = (
            "the first environment has no readable face" if len(votes) >= 2 else "there is one environment"
        )
        return Measurement(math.nan, reason)
    read = votes[0] >= 0
    return Measurement(float((votes[1:, read] == votes[0, read]).mean()))
