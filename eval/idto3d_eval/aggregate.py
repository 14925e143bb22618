"""From rows to a result table: one figure a method and metric with its interval, and what is tied."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from idto3d_eval import statistics
from idto3d_eval.metrics import MetricCard, metrics_for
from idto3d_eval.metrics.recognisers import name_by, recogniser_of
from idto3d_eval.statistics import Difference, Estimate

if TYPE_CHECKING:
    import polars

    from idto3d_protocols.schema import Statistics

COVERAGE = "face_coverage"
CALIBRATED = "calibrated_identity"
MINIMUM_COVERAGE = 0.95  # design: below this share of readable views a method is not ranked
ALPHA = 0.05

# What a reader sees first; every other metric stands in the full table.
HEADLINE = ("joint", CALIBRATED, "rank1", "expression_accuracy", "identity_drift", "now_median", COVERAGE)

Rows = Mapping[
    str, Mapping[str, list[tuple[str, float, str]]]
]  # method -> metric -> (identity, value, reason)


@dataclass(frozen=True)
class Cell:
    """One figure of the table."""

    value: float
    low: float
    high: float
    valid: int
    total: int
    reason: str = ""  # why there is no figure
    best: bool = False
    tied: bool = False  # with the best of its block


@dataclass(frozen=True)
class Comparison:
    """How much more of a metric one method has than another, paired on identity."""

    metric: str
    first: str
    second: str
    value: float
    low: float
    high: float
    p: float
    p_holm: float
    identities: int


@dataclass(frozen=True)
class Figures:
    """All cells, by method and metric, and the comparisons of the first method with every other."""

    cells: dict[str, dict[str, Cell]]
    comparisons: tuple[Comparison, ...]
    unranked: dict[str, str]  # method -> why


def aggregate(
    table: polars.DataFrame,
    blocks: Sequence[Sequence[str]],
    references: Sequence[str],
    families: Sequence[str],
    settings: Statistics,
) -> Figures:
    """The figures of a run.

    Args:
        table: rows of `scores.parquet`.
        blocks: labels of the methods that may be ranked against each other, block by block; the first label
            is compared with every other method.
        references: labels of the rows that bracket the scale and are not ranked.
        families: of metrics, as the protocol asks for them.
        settings: the protocol's statistics.
    """
    rows = _by_method(table)
    known = metrics_for(table["metric"].unique())
    cards = [card for card in known.values() if card.family in families and card.statistic != "code"]
    labels = [label for block in (*blocks, references) for label in block]
    cells = {
        label: {card.name: _cell(rows[label], card, settings) for card in cards if _told(rows[label], card)}
        for label in labels
    }
    unranked = {label: reason for label in labels if (reason := _unranked(cells[label]))}
    for block in blocks:
        for card in cards:
            _mark_best([label for label in block if label not in unranked], card, rows, cells, settings)
    comparisons = _comparisons(labels, cards, rows, settings)
    return Figures(cells, comparisons, unranked)


def difference(rows: Rows, card: MetricCard, first: str, second: str, settings: Statistics) -> Difference:
    """First minus second on the identities that both have; NaN where the metric has no identities."""
    resamples, level = settings.bootstrap, settings.level
    if card.statistic == "ratio_of_sums":
        recogniser = recogniser_of(card.name)
        mine, other = _calibration(rows[first], recogniser), _calibration(rows[second], recogniser)
        shared = sorted(set(mine) & set(other))
        return statistics.ratio_difference(
            [mine[name][0] for name in shared],
            [other[name][0] for name in shared],
            [mine[name][1] for name in shared],
            resamples,
            level,
        )
    a, b = (_means(rows[label].get(card.name, [])) for label in (first, second))
    shared = sorted(set(a) & set(b))
    return statistics.paired_difference(
        [a[name] for name in shared], [b[name] for name in shared], resamples, level
    )


def _by_method(table: polars.DataFrame) -> Rows:
    rows: dict[str, dict[str, list[tuple[str, float, str]]]] = defaultdict(lambda: defaultdict(list))
    for method, metric, identity, value, reason in table.select(
        "method", "metric", "identity", "value", "reason"
    ).iter_rows():
        rows[method][metric].append((identity, value, reason))
    return rows


def _cell(rows: Mapping[str, list[tuple[str, float, str]]], card: MetricCard, settings: Statistics) -> Cell:
    """One figure: a mean over identities, a ratio of sums, or a figure the method has as a whole."""
    found = rows.get(card.name, [])
    reason = next((text for _, value, text in found if not math.isfinite(value)), "")
    if card.statistic == "ratio_of_sums":
        pairs = _calibration(rows, recogniser_of(card.name))
        value, low, high = statistics.ratio_of_sums(
            [pair[0] for pair in pairs.values()],
            [pair[1] for pair in pairs.values()],
            settings.bootstrap,
            settings.level,
        )
        valid = sum(all(math.isfinite(part) for part in pair) for pair in pairs.values())
        return Cell(
            value,
            low,
            high,
            valid,
            len(pairs),
            "" if math.isfinite(value) else _calibration_reason(rows, recogniser_of(card.name)),
        )
    if card.statistic == "pooled" or card.level == "method":
        values = [value for _, value, _ in found if math.isfinite(value)]
        value = float(np.mean(values)) if values else math.nan
        return Cell(value, math.nan, math.nan, len(values), len(found), "" if values else reason)
    estimate = _estimate(found, settings)
    return Cell(
        estimate.value,
        estimate.low,
        estimate.high,
        estimate.valid,
        estimate.total,
        "" if estimate.known else reason,
    )


def _estimate(found: Sequence[tuple[str, float, str]], settings: Statistics) -> Estimate:
    values = [value for _, value, _ in found]
    return statistics.mean_interval(values, [row[0] for row in found], settings.bootstrap, settings.level)


def _means(found: Sequence[tuple[str, float, str]]) -> dict[str, float]:
    return statistics.identity_means([value for _, value, _ in found], [row[0] for row in found])


PARTS = ("identity_counted", "identity_floor", "identity_ceiling")


def _calibration(
    rows: Mapping[str, list[tuple[str, float, str]]], recogniser: str = ""
) -> dict[str, tuple[float, float]]:
    """Identity -> (s - floor, ceiling - floor), of the rows that the identity metric leaves."""
    counted, floor, ceiling = (_means(rows.get(name_by(name, recogniser), [])) for name in PARTS)
    return {
        name: (
            counted[name] - floor.get(name, math.nan),
            ceiling.get(name, math.nan) - floor.get(name, math.nan),
        )
        for name in counted
    }


def _calibration_reason(rows: Mapping[str, list[tuple[str, float, str]]], recogniser: str = "") -> str:
    for name in PARTS:
        for _, value, reason in rows.get(name_by(name, recogniser), []):
            if not math.isfinite(value):
                return reason
    return "the true head is no nearer to its photos than impostors are"


def _told(rows: Mapping[str, list[tuple[str, float, str]]], card: MetricCard) -> bool:
    return card.name in rows or (
        card.statistic == "ratio_of_sums" and name_by("identity_counted", recogniser_of(card.name)) in rows
    )


def _unranked(cells: Mapping[str, Cell]) -> str:
    cell = cells.get(COVERAGE)
    if cell is None:
        return ""
    if not math.isfinite(cell.value):
        return cell.reason or "no view could be read"
    if cell.value < MINIMUM_COVERAGE:
        return f"faces read in {cell.value:.0%} of its views, expected {MINIMUM_COVERAGE:.0%}"
    return ""


def _mark_best(
    labels: Sequence[str],
    card: MetricCard,
    rows: Rows,
    cells: dict[str, dict[str, Cell]],
    settings: Statistics,
) -> None:
    """Marks the best of a block, and all that cannot be told from it (Holm over the column)."""
    if card.better == "neither":
        return
    known = [
        label
        for label in labels
        if card.name in cells[label] and math.isfinite(cells[label][card.name].value)
    ]
    if len(known) < 2:
        return
    sign = 1.0 if card.better == "higher" else -1.0
    best = max(known, key=lambda label: sign * cells[label][card.name].value)
    others = [label for label in known if label != best]
    adjusted = statistics.holm([difference(rows, card, best, label, settings).p for label in others])
    tied = [label for label, p in zip(others, adjusted, strict=True) if not p < ALPHA]
    for label in (best, *tied):
        cell = cells[label][card.name]
        cells[label][card.name] = Cell(**{**asdict(cell), "best": label == best, "tied": bool(tied)})


def _comparisons(
    labels: Sequence[str], cards: Sequence[MetricCard], rows: Rows, settings: Statistics
) -> tuple[Comparison, ...]:
    """The first method against every other, over the headline metrics that have identities; Holm over all."""
    asked: list[tuple[MetricCard, str, Difference]] = []
    for card in cards:
        if card.name in HEADLINE and card.name != COVERAGE and card.statistic != "pooled":
            for other in labels[1:]:
                if _told(rows[labels[0]], card) and _told(rows[other], card):
                    asked.append((card, other, difference(rows, card, labels[0], other, settings)))
    adjusted = statistics.holm([gap.p for _, _, gap in asked])
    return tuple(
        Comparison(card.name, labels[0], other, gap.value, gap.low, gap.high, gap.p, p, gap.identities)
        for (card, other, gap), p in zip(asked, adjusted, strict=True)
    )


def plain(value: Any) -> Any:
    """Figures in JSON's types, NaN as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return plain(asdict(value))
    return value
