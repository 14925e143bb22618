"""A run's metrics head by head, as they are held against people's votes.

A value is the mean over views and seeds. Where a metric has none of an expression's head, the one of all the
person's heads stands for it, and where it has none of a person, the method's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d_eval.run_folder import SCORES, SUMMARY

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]
Head = tuple[str, str, str]  # method, identity, expression

CALIBRATED, PARTS = "calibrated_identity", ("identity_counted", "identity_floor", "identity_ceiling")


@dataclass(frozen=True)
class MetricRows:
    """One metric of some heads.

    Attributes:
        metric, title: its name, and as reports call it.
        higher: whether more is better.
        headline: whether it is one of the run's few.
        values: of heads; identity and expression "" where a value is of all of a person's or method's heads.
    """

    metric: str
    title: str
    higher: bool
    headline: bool
    values: Mapping[Head, float]

    def of(self, heads: Sequence[Head]) -> Floats:
        """[H] values, NaN where there is none."""
        found = [
            next(
                (
                    self.values[key]
                    for key in ((method, person, expression), (method, person, ""), (method, "", ""))
                    if key in self.values
                ),
                np.nan,
            )
            for method, person, expression in heads
        ]
        return np.array(found, dtype=np.float64)


def read_metrics(run: Path) -> list[MetricRows]:
    """All metrics of a finished run of which more or less is better, the headline first.

    Raises:
        UserError: there is no finished run.
    """
    import polars

    try:
        cards = json.loads((run / SUMMARY).read_text(encoding="utf-8"))["metrics"]
        table = polars.read_parquet(run / SCORES)
    except (OSError, ValueError, KeyError, polars.exceptions.PolarsError):
        raise UserError(
            f"Found no finished run in {run}, expected its {SUMMARY} and {SCORES}; run its protocol to its "
            "end, or leave the metrics out."
        ) from None
    return metrics_of(table, cards)


def metrics_of(scores: polars.DataFrame, cards: Iterable[Mapping[str, Any]]) -> list[MetricRows]:
    """As `read_metrics`, from the rows and the cards.

    Args:
        scores: columns method, identity, expression, metric, value, and others that are averaged over.
        cards: name, title, better and headline of each metric.
    """
    import polars

    means = (
        scores.filter(polars.col("value").is_finite())
        .group_by("metric", "method", "identity", "expression")
        .agg(polars.col("value").sort().mean())  # sorted, so that the order of rows changes no bit
        .sort("metric", "method", "identity", "expression")
    )
    values: dict[str, dict[Head, float]] = {}
    for metric, method, identity, expression, value in means.iter_rows():
        values.setdefault(metric, {})[method, identity, expression] = value
    if CALIBRATED not in values:
        values[CALIBRATED] = _calibrated(values)
    return [
        MetricRows(
            card["name"],
            card["title"],
            card["better"] == "higher",
            bool(card.get("headline")),
            values.get(card["name"], {}),
        )
        for card in cards
        if card["better"] != "neither"
    ]


def _calibrated(values: Mapping[str, Mapping[Head, float]]) -> dict[Head, float]:
    """Of each person: (counted - floor) / (ceiling - floor), where the ceiling lies above the floor."""
    counted, floor, ceiling = (values.get(name, {}) for name in PARTS)
    return {
        head: (value - floor[head]) / (ceiling[head] - floor[head])
        for head, value in counted.items()
        if head in floor and ceiling.get(head, -np.inf) > floor[head]
    }
