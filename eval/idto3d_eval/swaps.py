"""Swaps: does a head that was made from A's photos ever score closer to B, whose photos it never saw?

A row with `photos_of: next` is scored twice: as the person whose place it takes (B) and as the one in the
photos that it was given (A). A method that follows its photos is nearer to A every time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from idto3d_eval.run_folder import AS_PHOTOS
from idto3d_protocols.schema import Protocol

if TYPE_CHECKING:
    import polars

METRIC = "identity_similarity"


@dataclass(frozen=True)
class Swaps:
    """Of `pairs` heads with both similarities, `wrong` are nearer to B; the exact interval of the share.

    `margins`: mean similarity to A less that to B, by the person A in the photos.
    """

    wrong: int
    pairs: int
    low: float
    high: float
    margins: Mapping[str, float]
    missing: tuple[str, ...]  # people A without a readable view on one side


def exact_interval(hits: int, trials: int, level: float) -> tuple[float, float]:
    """Interval of a share (Clopper & Pearson 1934); NaN without trials."""
    from scipy.stats import binomtest

    if trials == 0:
        return math.nan, math.nan
    interval = binomtest(hits, trials).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


def swaps_of(scores: polars.DataFrame, protocol: Protocol, label: str, level: float) -> Swaps:
    """Compare a swapped row's heads with both people, a head a person: views, expressions, seeds averaged.

    Args:
        scores: as `tables.score_table` builds it.
        protocol: whose row `label` has `photos_of: next`.
        label: the row.
        level: of the interval.
    """
    placed, pictured = _similarity(scores, label), _similarity(scores, label + AS_PHOTOS)
    row, margins, missing = protocol.row(label), {}, []
    for place in protocol.population.identities:
        photographed = protocol.conditioning_identity(row, place)
        margin = pictured.get(photographed, math.nan) - placed.get(place, math.nan)
        if math.isnan(margin):
            missing.append(photographed)
        else:
            margins[photographed] = margin
    wrong = sum(margin < 0 for margin in margins.values())
    return Swaps(wrong, len(margins), *exact_interval(wrong, len(margins), level), margins, tuple(missing))


def swap_section(scores: polars.DataFrame, protocol: Protocol) -> dict[str, Any] | None:
    """The table of swaps; None where no row has any."""
    level = protocol.statistics.level
    rows: list[list[Any]] = []
    for row in protocol.methods:
        if row.photos_of == "own":
            continue
        found = swaps_of(scores, protocol, row.label, level)
        share = found.wrong / found.pairs if found.pairs else None
        nearest = min(found.margins, key=lambda name: found.margins[name], default="")
        rows.append(
            [
                row.label,
                found.wrong,
                found.pairs,
                share,
                *(None if math.isnan(end) else end for end in (found.low, found.high)),
                f"{nearest} {found.margins[nearest]:+.3f}" if nearest else "",
                f"no readable view: {', '.join(found.missing)}" if found.missing else "",
            ]
        )
    if not rows:
        return None
    return {
        "title": "Swaps",
        "note": (
            "Heads made from one person's photos that score closer to the next person, whose photos they "
            "never saw: mean cosine over all views, one head a person. The interval is exact "
            "(Clopper-Pearson) and counts people. The smallest margin: whose head came nearest to being "
            "somebody else's."
        ),
        "columns": ["row", "closer to the other", "of", "share", "low", "high", "smallest margin", "missing"],
        "rows": rows,
    }


def _similarity(scores: polars.DataFrame, label: str) -> dict[str, float]:
    import polars

    own = scores.filter((scores["method"] == label) & (scores["metric"] == METRIC))
    means = own.group_by("identity").agg(polars.col("value").fill_nan(None).mean())
    return {
        name: math.nan if value is None else float(value)
        for name, value in zip(means["identity"], means["value"], strict=True)
    }
