"""From rows to one mean an identity: columns instead of rows, read lazily, summed in one order.

Ten million rows fit: of the file only two numbers a row are held, a code of (method, metric, identity) and
the value. Values are sorted within their group before they are summed, so that neither the rows' order nor
the number of threads changes a bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
_NAMES = ("method", "metric", "identity")


@dataclass(frozen=True)
class Column:
    """One metric of one method.

    Attributes:
        identities: [I], sorted; "" for a figure of the whole method.
        means: [I] of the valid rows, NaN where there is none.
        valid: [I] rows with a value.
        total: [I] rows that were asked for.
        reasons: why rows have none, with their number; the most frequent first.
    """

    identities: tuple[str, ...]
    means: Floats
    valid: Counts
    total: Counts
    reasons: tuple[tuple[str, int], ...] = ()

    def by_identity(self) -> dict[str, float]:
        """Identity -> its mean."""
        return dict(zip(self.identities, self.means.tolist(), strict=True))

    def on(self, identities: tuple[str, ...]) -> Floats:
        """[len(identities)] the means in another order, NaN for who is not here."""
        own = self.by_identity()
        return np.array([own.get(name, np.nan) for name in identities], dtype=np.float64)

    @property
    def reason(self) -> str:
        """Why most of what is missing is missing."""
        return self.reasons[0][0] if self.reasons else ""


EMPTY = Column((), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True)
class Measured:
    """All columns of a table of scores, by method and metric."""

    columns: Mapping[str, Mapping[str, Column]] = field(default_factory=dict)

    def get(self, method: str, metric: str) -> Column:
        """A column; an empty one where there are no such rows."""
        return self.columns.get(method, {}).get(metric, EMPTY)

    def metrics(self) -> list[str]:
        """Names of all metrics that any method has rows of, sorted."""
        return sorted({metric for own in self.columns.values() for metric in own})

    def has(self, method: str, metric: str) -> bool:
        """Whether there are such rows."""
        return metric in self.columns.get(method, {})


def measure(scores: polars.DataFrame | polars.LazyFrame) -> Measured:
    """One mean an identity of every method and metric.

    Args:
        scores: rows of `scores.parquet`, read or only scanned.
    """
    lazy = scores.lazy()
    names = {name: _distinct(lazy, name) for name in _NAMES}
    codes, values = _codes(lazy, names)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    total = np.diff(np.append(starts, len(codes)))
    valid = _sums(np.isfinite(values).astype(np.int64), starts)
    means = _sums(np.nan_to_num(values, nan=0.0), starts) / np.where(valid > 0, valid, np.nan)
    reasons = _reasons(lazy)
    return Measured(_unpacked(codes[starts], (means, valid, total), names, reasons))


def as_table(measured: Measured) -> polars.DataFrame:
    """The columns as rows, sorted: method, metric, identity, mean (null without one), valid, total."""
    import polars

    schema = {
        "method": polars.String,
        "metric": polars.String,
        "identity": polars.String,
        "mean": polars.Float64,
        "valid": polars.Int64,
        "total": polars.Int64,
    }
    names: dict[str, list[str]] = {"method": [], "metric": [], "identity": []}
    columns = []
    for method, own in sorted(measured.columns.items()):
        for metric, column in sorted(own.items()):
            names["method"] += [method] * len(column.identities)
            names["metric"] += [metric] * len(column.identities)
            names["identity"] += column.identities
            columns.append(column)
    told = columns or [EMPTY]
    figures = {
        "mean": polars.Series(np.concatenate([column.means for column in told])).fill_nan(None),
        "valid": np.concatenate([column.valid for column in told]),
        "total": np.concatenate([column.total for column in told]),
    }
    return polars.DataFrame({**names, **figures}, schema)


def _distinct(lazy: polars.LazyFrame, name: str) -> list[str]:
    return sorted(lazy.select(name).unique().collect(engine="streaming")[name].to_list())


def _codes(lazy: polars.LazyFrame, names: Mapping[str, list[str]]) -> tuple[Counts, Floats]:
    """[N] the number of each row's (method, metric, identity), rising, and its value, rising within it."""
    import polars

    code = polars.lit(0, dtype=polars.Int64)
    for name, known in names.items():
        own = polars.col(name).cast(polars.Enum(known)).to_physical().cast(polars.Int64)
        code = code * len(known) + own
    value = polars.col("value").fill_null(float("nan"))
    table = lazy.select(code.alias("code"), value).collect(engine="streaming")
    table = table.sort("code", "value")  # in memory: a stream would not say in which order it sums
    return table["code"].to_numpy(), table["value"].to_numpy()


def _sums(numbers: NDArray[Any], starts: Counts) -> NDArray[Any]:
    return np.add.reduceat(numbers, starts) if len(starts) else numbers[:0]


def _reasons(lazy: polars.LazyFrame) -> dict[tuple[str, str], tuple[tuple[str, int], ...]]:
    """(Method, metric) -> reasons of rows without a value, with their number."""
    import polars

    missing = lazy.filter(~polars.col("value").is_finite().fill_null(False))
    counted = missing.group_by("method", "metric", "reason").len().collect(engine="streaming")
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for method, metric, reason, count in counted.iter_rows():
        found.setdefault((method, metric), []).append((reason or "no reason was noted", count))
    return {key: tuple(sorted(rows, key=lambda row: (-row[1], row[0]))) for key, rows in found.items()}


def _unpacked(
    codes: Counts,
    figures: tuple[Floats, Counts, Counts],
    names: Mapping[str, list[str]],
    reasons: Mapping[tuple[str, str], tuple[tuple[str, int], ...]],
) -> dict[str, dict[str, Column]]:
    """Groups, sorted by their code, as columns: identities of one method and metric follow each other."""
    columns: dict[str, dict[str, Column]] = {}
    pairs, people = np.divmod(codes, max(len(names["identity"]), 1))
    edges = np.append(np.flatnonzero(np.diff(pairs, prepend=-1)), len(pairs))
    for start, end in pairwise(edges.tolist()):
        method_at, metric_at = divmod(int(pairs[start]), len(names["metric"]))
        method, metric = names["method"][method_at], names["metric"][metric_at]
        own = slice(start, end)
        columns.setdefault(method, {})[metric] = Column(
            tuple(names["identity"][index] for index in people[own].tolist()),
            figures[0][own],
            figures[1][own],
            figures[2][own],
            reasons.get((method, metric), ()),
        )
    return columns
