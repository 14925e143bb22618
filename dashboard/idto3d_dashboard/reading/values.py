"""Figures as pages ask for them: of one person, from the few rows of the score table that are theirs, and of
many people, from their means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit

from idto3d_dashboard.reading.files import stamp
from idto3d_dashboard.reading.run import Run
from idto3d_eval.metrics.recognisers import name_by
from idto3d_eval.run_folder import SCORES

if TYPE_CHECKING:
    import polars

KEPT = 64  # people whose rows are held at once, of about 10,000 rows


def person_rows(run: Run, labels: Sequence[str], identity: str) -> polars.DataFrame:
    """All score rows of one person: method, expression, view, seed, metric, value, reason."""
    return _person_rows(*stamp(run.folder / SCORES), tuple(labels), identity)


def person_means(run: Run, labels: Sequence[str], identity: str) -> Mapping[tuple[str, str], float]:
    """(Method, metric) -> one person's mean; what has none is left out."""
    import polars

    own = run.by_identity().filter(
        polars.col("method").is_in(list(labels)) & (polars.col("identity") == identity)
    )
    rows = own.select("method", "metric", "mean").collect().iter_rows()
    return {(method, metric): mean for method, metric, mean in rows if mean is not None}


def person_calibrated(means: Mapping[tuple[str, str], float], label: str, recogniser: str = "") -> float:
    """One person's calibrated identity, (similarity − floor) / (ceiling − floor); NaN where undefined."""
    parts = (
        means.get((label, name_by(f"identity_{part}", recogniser)), math.nan)
        for part in ("counted", "floor", "ceiling")
    )
    counted, floor, ceiling = parts
    return (counted - floor) / (ceiling - floor) if ceiling > floor else math.nan


def by_people(run: Run, labels: Sequence[str], people: Sequence[str], metric: str) -> polars.DataFrame:
    """A metric's values: people down, methods across; null where there is none."""
    import polars

    wanted = (
        (polars.col("metric") == metric)
        & polars.col("method").is_in(list(labels))
        & polars.col("identity").is_in(list(people))
    )
    rows = run.by_identity().filter(wanted).select("method", "identity", "mean").collect()
    values = {(method, identity): mean for method, identity, mean in rows.iter_rows()}
    columns = {label: [values.get((label, name)) for name in people] for label in labels}
    return polars.DataFrame(
        {"identity": list(people), **columns},
        schema={"identity": polars.String, **dict.fromkeys(labels, polars.Float64)},
    )


def group_means(
    run: Run, labels: Sequence[str], people: Sequence[str], metrics: Sequence[str]
) -> Mapping[tuple[str, str], float]:
    """(Method, metric) -> mean over people of their means; what has none is left out."""
    import polars

    wanted = (
        polars.col("metric").is_in(list(metrics))
        & polars.col("method").is_in(list(labels))
        & polars.col("identity").is_in(list(people))
    )
    # Sorted, so that the order of rows changes no bit of a mean.
    found = (
        run.by_identity()
        .filter(wanted)
        .group_by("method", "metric")
        .agg(polars.col("mean").sort().mean())
        .collect()
    )
    return {(method, metric): mean for method, metric, mean in found.iter_rows() if mean is not None}


def means_by(rows: polars.DataFrame, metric: str, part: str) -> Mapping[tuple[str, str], float]:
    """(Method, view or expression) -> mean of a person's finite values; what has none is left out.

    Args:
        rows: as `person_rows` returns them.
        metric: which.
        part: "view" or "expression".
    """
    import polars

    own = rows.filter((polars.col("metric") == metric) & polars.col("value").is_finite())
    found = own.group_by("method", part).agg(polars.col("value").sort().mean())
    return {(method, name): mean for method, name, mean in found.iter_rows()}


def reasons_of(rows: polars.DataFrame, metric: str) -> Mapping[str, str]:
    """Method -> why a person's values of a metric are missing: the first reason, where some are."""
    import polars

    own = rows.filter((polars.col("metric") == metric) & (polars.col("reason") != ""))
    return dict(own.group_by("method", maintain_order=True).agg(polars.col("reason").first()).iter_rows())


@streamlit.cache_resource(max_entries=KEPT, show_spinner=False)
def _person_rows(
    path: str, changed: int, size: int, labels: tuple[str, ...], identity: str
) -> polars.DataFrame:
    del changed, size  # parts of the key alone: other scores, read anew
    import polars

    # One scan a method: rows are sorted by method and person, so that each reads the few groups of rows that
    # can hold the person, and no other.
    parts = [
        polars.scan_parquet(path)
        .filter((polars.col("method") == label) & (polars.col("identity") == identity))
        .select("method", "expression", "view", "seed", "metric", "value", "reason")
        for label in labels
    ]
    if not parts:
        return polars.scan_parquet(path).head(0).drop("protocol", "identity").collect()
    return polars.concat(polars.collect_all(parts))
