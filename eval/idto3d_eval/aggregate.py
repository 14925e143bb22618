"""From rows to a result table: one figure a method and metric with its interval, and what is tied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval import statistics
from idto3d_eval.estimates import Gap, bounds, gap, ratio_gap
from idto3d_eval.figures import ALPHA, COVERAGE, HEADLINE, Cell, Comparison, Figures, Pairs
from idto3d_eval.identity_table import Measured, measure
from idto3d_eval.metrics import MetricCard, metrics_for
from idto3d_eval.metrics.recognisers import name_by, recogniser_of
from idto3d_eval.told_apart import pair_p, unattainable

if TYPE_CHECKING:
    import polars

    from idto3d_protocols.schema import Statistics

PARTS = ("identity_counted", "identity_floor", "identity_ceiling")  # of the calibrated figure
MANY_PAIRS = 3000  # of methods, over all metrics of a block: above, only headline metrics have ranks
MINIMUM_COVERAGE = 0.95  # design: below this share of readable views a method is not ranked

Floats = NDArray[np.float64]


def aggregate(
    table: polars.DataFrame | polars.LazyFrame | Measured,
    blocks: Sequence[Sequence[str]],
    references: Sequence[str],
    families: Sequence[str],
    settings: Statistics,
    refused: Mapping[str, str] | None = None,
) -> Figures:
    """The figures of a run.

    Args:
        table: rows of `scores.parquet`, read or scanned, or what `measure` made of them.
        blocks: labels of the methods that may be ranked against each other, block by block; the first label
            is compared with every other method.
        references: labels of the rows that bracket the scale and are not ranked.
        families: of metrics, as the protocol asks for them.
        settings: the protocol's statistics.
        refused: metrics that failed their self-check, with why; none of them is reported.
    """
    measured = table if isinstance(table, Measured) else measure(table)
    cards = [
        card
        for card in metrics_for(measured.metrics()).values()
        if card.family in families and card.statistic != "code" and card.name not in (refused or {})
    ]
    labels = [label for block in (*blocks, references) for label in block]
    cells = {
        label: {
            card.name: cell(measured, label, card, settings) for card in cards if told(measured, label, card)
        }
        for label in labels
    }
    unranked = {label: reason for label in labels if (reason := _unranked(cells[label]))}
    notes, pairs = [], []
    for block in blocks:
        members = [label for label in block if label not in unranked]
        for group in _tables(cards):
            tests = _mark_best(members, group, measured, cells, settings)
            if group and group[0].name in HEADLINE:
                people = max((len(_identities(measured, members, card)) for card in group), default=0)
                notes.append(unattainable(people, tests, settings.bootstrap, ALPHA))
        many = math.comb(len(members), 2) * len(cards) > MANY_PAIRS
        for card in cards:
            ranked = not many or card.name in HEADLINE
            if found := _pairs(members, card, measured, cells, settings, ranked):
                pairs.append(found)
    claimed = [label for block in blocks for label in block]
    comparisons = _comparisons(labels[0], claimed[1:], cards, measured, settings)
    made = [found for found in comparisons if math.isfinite(found.p)]
    people = max((found.identities for found in made), default=0)
    if why := unattainable(people, len(made), settings.bootstrap, ALPHA):
        notes.append(f"Comparisons with {labels[0]}: {why[0].lower()}{why[1:]}")
    brackets = [label for label in references if label != labels[0]]
    comparisons += _comparisons(labels[0], brackets, cards, measured, settings)
    return Figures(cells, comparisons, unranked, tuple(pairs), tuple(dict.fromkeys(filter(None, notes))))


def difference(measured: Measured, card: MetricCard, first: str, second: str, settings: Statistics) -> Gap:
    """First minus second on the identities that both have; NaN where the metric has no identities."""
    resamples, level = settings.bootstrap, settings.level
    people = _identities(measured, (first, second), card)
    if card.statistic == "ratio_of_sums":
        mine, other = (_calibration(measured, label, people, card) for label in (first, second))
        return ratio_gap(mine, other, resamples, level)
    a, b = (measured.get(label, card.name).on(people) for label in (first, second))
    return gap(a, b, resamples, level, (card.low, card.high))


def cell(measured: Measured, label: str, card: MetricCard, settings: Statistics) -> Cell:
    """One figure: a mean over identities, a ratio of sums, or a figure the method has as a whole."""
    if card.statistic == "ratio_of_sums":
        return _ratio_cell(measured, label, card, settings)
    column = measured.get(label, card.name)
    valid, total = int(column.valid.sum()), int(column.total.sum())
    if card.statistic == "pooled" or card.level == "method":
        known = column.valid > 0
        value = float((column.means[known] * column.valid[known]).sum() / valid) if valid else math.nan
        return Cell(value, math.nan, math.nan, valid, total, "" if valid else column.reason)
    estimate = statistics.mean_interval(
        column.means, column.identities, settings.bootstrap, settings.level, bounds=(card.low, card.high)
    )
    least, most = bounds(column, card)
    return Cell(
        estimate.value,
        estimate.low,
        estimate.high,
        valid,
        total,
        "" if estimate.known else column.reason,
        interval=estimate.method,
        why_not=column.reasons,
        least=least,
        most=most,
    )


def told(measured: Measured, label: str, card: MetricCard) -> bool:
    """Whether a row's scores have anything of a metric."""
    return measured.has(label, card.name) or (
        card.statistic == "ratio_of_sums" and measured.has(label, _parts(card)[0])
    )


def _parts(card: MetricCard) -> tuple[str, ...]:
    """What a calibrated figure is made of, by the recogniser that its metric names."""
    return tuple(name_by(name, recogniser_of(card.name)) for name in PARTS)


def _ratio_cell(measured: Measured, label: str, card: MetricCard, settings: Statistics) -> Cell:
    people = measured.get(label, _parts(card)[0]).identities
    parts = _calibration(measured, label, people, card)
    value, low, high = statistics.ratio_of_sums(*parts, settings.bootstrap, settings.level)
    valid = int(np.isfinite(np.stack(parts)).all(axis=0).sum())
    columns = [measured.get(label, name) for name in _parts(card)]
    why_not = next((column.reasons for column in columns if column.reasons), ())
    reason = why_not[0][0] if why_not else "the true head is no nearer to its photos than impostors are"
    return Cell(
        value,
        low,
        high,
        valid,
        len(people),
        "" if math.isfinite(value) else reason,
        interval=f"{statistics.interval_method(valid)}, all three parts together",
        why_not=why_not,
    )


def _calibration(
    measured: Measured, label: str, people: tuple[str, ...], card: MetricCard
) -> tuple[Floats, Floats]:
    """[I] s - floor and ceiling - floor, of the rows that the identity metric leaves."""
    counted, floor, ceiling = (measured.get(label, name).on(people) for name in _parts(card))
    return counted - floor, ceiling - floor


def _identities(measured: Measured, labels: Sequence[str], card: MetricCard) -> tuple[str, ...]:
    name = _parts(card)[0] if card.statistic == "ratio_of_sums" else card.name
    return tuple(sorted({who for label in labels for who in measured.get(label, name).identities}))


def _unranked(cells: Mapping[str, Cell]) -> str:
    found = cells.get(COVERAGE)
    if found is None:
        return ""
    if not math.isfinite(found.value):
        return found.reason or "no view could be read"
    if found.value < MINIMUM_COVERAGE:
        return f"faces read in {found.value:.0%} of its views, expected {MINIMUM_COVERAGE:.0%}"
    return ""


def _tables(cards: Sequence[MetricCard]) -> list[list[MetricCard]]:
    """The tables over whose metrics Holm corrects: the headline, and what is left of each family."""
    ranked = [card for card in cards if card.better != "neither" and card.name != COVERAGE]
    headline = [card for card in ranked if card.name in HEADLINE]
    rest = [card for card in ranked if card.name not in HEADLINE]
    families = dict.fromkeys(card.family for card in rest)
    return [headline, *([card for card in rest if card.family == name] for name in families)]


def _mark_best(
    labels: Sequence[str],
    cards: Sequence[MetricCard],
    measured: Measured,
    cells: dict[str, dict[str, Cell]],
    settings: Statistics,
) -> int:
    """Marks the best of a block in every metric of a table, and all that cannot be told from it.

    Returns:
        How many tests Holm corrected over.
    """
    tests: list[tuple[MetricCard, str, str, Gap]] = []
    for card in cards:
        known = _by_value(labels, card, cells)
        if len(known) < 2:
            continue
        best, others = known[0], known[1:]
        cells[best][card.name] = replace(cells[best][card.name], best=True)
        tests += [(card, best, label, difference(measured, card, best, label, settings)) for label in others]
    adjusted = statistics.holm([found.p for *_, found in tests])
    for (card, best, label, found), p in zip(tests, adjusted, strict=True):
        tied = not p < ALPHA
        own = replace(cells[label][card.name], to_best=found, p_holm=p, tied=tied)
        cells[label][card.name] = own
        if tied:
            cells[best][card.name] = replace(cells[best][card.name], tied=True)
    return sum(math.isfinite(found.p) for *_, found in tests)


def _pairs(
    labels: Sequence[str],
    card: MetricCard,
    measured: Measured,
    cells: dict[str, dict[str, Cell]],
    settings: Statistics,
    ranked: bool,
) -> Pairs | None:
    """All pairs of a block in one metric; writes the ranks' intervals into the cells where they are asked."""
    order = _by_value(labels, card, cells) if card.better != "neither" and card.name != COVERAGE else []
    if len(order) < 2:
        return None
    people = _identities(measured, order, card)
    ratio = card.statistic == "ratio_of_sums"
    values = np.stack(
        [
            _calibration(measured, label, people, card)[0]
            if ratio
            else measured.get(label, card.name).on(people)
            for label in order
        ]
    )
    if ranked and len(people) > 1:
        assert card.better != "neither"
        ranks = statistics.rank_intervals(values, card.better, settings.bootstrap, settings.level)
        for label, rank in zip(order, ranks, strict=True):
            cells[label][card.name] = replace(cells[label][card.name], rank=rank)
    p = pair_p(values, settings.bootstrap)
    upper = tuple(tuple(p[at, at + 1 :].tolist()) for at in range(len(order) - 1))
    return Pairs(card.name, tuple(order), upper)


def _by_value(labels: Sequence[str], card: MetricCard, cells: Mapping[str, Mapping[str, Cell]]) -> list[str]:
    """The labels that have a figure, the best first."""
    sign = -1.0 if card.better == "higher" else 1.0
    known = [label for label in labels if card.name in cells[label]]
    known = [label for label in known if math.isfinite(cells[label][card.name].value)]
    return sorted(known, key=lambda label: sign * cells[label][card.name].value)


def _comparisons(
    first: str,
    others: Sequence[str],
    cards: Sequence[MetricCard],
    measured: Measured,
    settings: Statistics,
) -> tuple[Comparison, ...]:
    """The first method against others, over the headline metrics that have identities; Holm over all.

    Rows that bracket the scale are asked apart from the others: that a method is no true head is no claim,
    and is not to make the claims harder to see.
    """
    asked: list[tuple[MetricCard, str, Gap]] = []
    for card in cards:
        if card.name in HEADLINE and card.name != COVERAGE and card.statistic != "pooled":
            for other in others:
                if told(measured, first, card) and told(measured, other, card):
                    asked.append((card, other, difference(measured, card, first, other, settings)))
    adjusted = statistics.holm([found.p for _, _, found in asked])
    return tuple(
        Comparison(card.name, first, other, p_holm=p, **asdict(found))
        for (card, other, found), p in zip(asked, adjusted, strict=True)
    )
