"""Two runs of one protocol: the same rows paired on identity, and what differs in where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d.errors import UserError
from idto3d_eval import statistics
from idto3d_eval.aggregate import cell, difference, told
from idto3d_eval.estimates import Gap
from idto3d_eval.figures import ALPHA, COVERAGE, HEADLINE, plain
from idto3d_eval.identity_table import Measured, measure
from idto3d_eval.metrics import METRICS, MetricCard
from idto3d_eval.results import read_summary, require_finished
from idto3d_eval.run_folder import SCORES, protocol_of
from idto3d_eval.score_file import damage_told, scan_scores
from idto3d_eval.selfcheck.record import refused as refused_metrics
from idto3d_eval.store import Store

if TYPE_CHECKING:
    import polars

    from idto3d_protocols.schema import Protocol

# What two versions of a protocol's file may differ in and still be one protocol: rows, and how figures are
# drawn from the same measurements.
_FREE = ("methods", "paper_numbers", "metrics", "statistics", "description", "question", "budget")
_FIRST, _SECOND = "first:", "second:"


@dataclass(frozen=True)
class Pair:
    """One metric of one row in two runs."""

    method: str
    metric: str
    title: str
    unit: str
    first: float
    second: float
    gap: Gap  # first minus second
    p_holm: float  # over all that is shown

    @property
    def apart(self) -> bool:
        """Whether the two runs can be told apart in it."""
        return self.p_holm < ALPHA


@dataclass(frozen=True)
class Compared:
    """Two runs, row by row."""

    protocol: str
    version: int
    level: float
    pairs: tuple[Pair, ...]
    only: Mapping[str, tuple[str, ...]]  # "first" and "second" -> rows that the other lacks
    differing: tuple[tuple[str, str, str], ...]  # what of their provenance, in the first, in the second

    def as_json(self) -> dict[str, Any]:
        """In JSON's types, NaN as null."""
        found: dict[str, Any] = plain({**asdict(self), "alpha": ALPHA})
        return found


def compare_runs(first: Path, second: Path, metrics: Sequence[str] | None = None) -> Compared:
    """The rows that two runs share, paired on identity.

    Args:
        first, second: folders of finished runs.
        metrics: names; the headline by default.

    Raises:
        UserError: a folder without a finished run, runs of two protocols or versions, a metric that neither
            has or that failed its self-check, runs that share no row.
    """
    runs = [Store(folder) for folder in (first, second)]
    for store in runs:
        require_finished(store)
    summaries = [read_summary(store) for store in runs]
    protocols = [protocol_of(store) for store in runs]
    _require_one_protocol(*protocols)
    measured = [_measured(store.root / SCORES) for store in runs]
    labels = [[row["label"] for row in summary["rows"]] for summary in summaries]
    shared = [label for label in labels[0] if label in labels[1]]
    if not shared:
        raise UserError(
            f"Found no row in both {first} and {second}, expected at least one; they have "
            f"{', '.join(labels[0])} and {', '.join(labels[1])}."
        )
    return Compared(
        protocols[0].name,
        protocols[0].version,
        protocols[0].statistics.level,
        pair_rows(measured[0], measured[1], shared, _cards(metrics, protocols[0]), protocols[0]),
        {
            "first": tuple(label for label in labels[0] if label not in labels[1]),
            "second": tuple(label for label in labels[1] if label not in labels[0]),
        },
        tuple(_differing(summaries, protocols)),
    )


def _measured(path: Path) -> Measured:
    with damage_told(path):
        return measure(scan_scores(path))


def pair_rows(
    first: Measured, second: Measured, labels: Sequence[str], cards: Sequence[MetricCard], protocol: Protocol
) -> tuple[Pair, ...]:
    """First minus second, for each row and metric that both have; Holm over all of them."""
    settings = protocol.statistics
    joint = Measured(
        {
            **{_FIRST + label: columns for label, columns in first.columns.items()},
            **{_SECOND + label: columns for label, columns in second.columns.items()},
        }
    )
    asked = []
    for card in cards:
        for label in labels:
            names = _FIRST + label, _SECOND + label
            if all(told(joint, name, card) for name in names):
                values = [cell(joint, name, card, settings).value for name in names]
                asked.append((label, card, values, difference(joint, card, *names, settings)))
    adjusted = statistics.holm([gap.p for *_, gap in asked])
    return tuple(
        Pair(label, card.name, card.title, card.unit, values[0], values[1], gap, p)
        for (label, card, values, gap), p in zip(asked, adjusted, strict=True)
    )


def _require_one_protocol(first: Protocol, second: Protocol) -> None:
    if first.name != second.name:
        raise UserError(
            f"Found runs of two protocols, {first.name} and {second.name}, expected two of one; their "
            "figures mean different things and are never compared."
        )
    if first.version != second.version:
        raise UserError(
            f"Found runs of {first.name} version {first.version} and version {second.version}, expected one "
            "version; run the older one again."
        )
    mine, other = (one.model_dump(mode="json", exclude=set(_FREE)) for one in (first, second))
    changed = [name for name in mine if mine[name] != other[name]]
    if changed:
        raise UserError(
            f"Found two runs of {first.name} version {first.version} with different {', '.join(changed)}, "
            "expected what one version says; give the changed protocol another version."
        )


def _cards(names: Sequence[str] | None, protocol: Protocol) -> list[MetricCard]:
    refused = refused_metrics()
    for name in names or ():
        if name not in METRICS:
            raise UserError(f"Found no metric called {name!r}, expected one of {', '.join(METRICS)}.")
        if name in refused:
            raise UserError(f"Found {name!r}, which failed its self-check ({refused[name]}); name another.")
    if names:
        return [METRICS[name] for name in dict.fromkeys(names)]
    headline = (METRICS[name] for name in HEADLINE if name in METRICS and name != COVERAGE)
    return [card for card in headline if card.family in protocol.metrics and card.name not in refused]


def _differing(
    summaries: Sequence[Mapping[str, Any]], protocols: Sequence[Protocol]
) -> list[tuple[str, str, str]]:
    """What differs in weights, code, libraries, machine and settings."""
    first, second = (summary["provenance"] for summary in summaries)
    found = []
    for title, key in (
        ("weights", "weights_sha256"),
        ("code of", "code"),
        ("code of method", "methods_code"),
        ("library", "libraries"),
    ):
        for name in sorted({*first[key], *second[key]}):
            found.append((f"{title} {name}", *(one[key].get(name, "none") for one in (first, second))))
    for key in ("version", "python", "platform", "cores", "threads"):
        found.append((key, str(first[key]), str(second[key])))
    dumps = [one.model_dump(mode="json") for one in protocols]
    for field in ("metrics", "statistics", "budget"):
        found.append((f"protocol's {field}", *(str(dump[field]) for dump in dumps)))
    rows = [{row["label"]: row for row in dump["methods"]} for dump in dumps]
    for label in (label for label in rows[0] if label in rows[1]):
        found.append((f"row {label}", str(rows[0][label]), str(rows[1][label])))
    return [(what, _short(mine), _short(other)) for what, mine, other in found if mine != other]


def _short(text: str) -> str:
    is_hash = len(text) == 64 and all(sign in "0123456789abcdef" for sign in text)
    return f"{text[:16]}…" if is_hash else text


def largest_change(first: polars.DataFrame, second: polars.DataFrame) -> polars.DataFrame:
    """Per method and metric, how many rows of two tables differ, and by how much at most.

    Args:
        first, second: rows of two `scores.parquet` of one protocol.
    """
    import polars

    keys = ["protocol", "method", "identity", "expression", "view", "seed", "metric"]
    both = first.join(second, on=keys, how="full", suffix="_now", coalesce=True)
    before, now = polars.col("value").fill_null(math.nan), polars.col("value_now").fill_null(math.nan)
    alike = (before == now) | (before.is_nan() & now.is_nan())
    gap = (before - now).abs().fill_nan(None)
    return (
        both.with_columns(changed=~alike, gap=gap)
        .group_by("method", "metric")
        .agg(polars.len().alias("rows"), polars.col("changed").sum(), polars.col("gap").max())
        .sort("method", "metric")
    )
