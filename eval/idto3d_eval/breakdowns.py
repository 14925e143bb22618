"""What a result table hides in one mean: similarity by view, expression, light and yaw; who is read as what;
and what a method has more of than the true heads themselves.

Everything is made from the rows of `scores.parquet` and the protocol, so that an archived row has it too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from idto3d.expressions import EXPRESSIONS
from idto3d_eval import statistics
from idto3d_eval.identity_table import Measured
from idto3d_eval.metrics.disentanglement import SHARES
from idto3d_eval.metrics.recognisers import name_by

if TYPE_CHECKING:
    import polars

    from idto3d_protocols.schema import Protocol, Statistics

    Scores = polars.DataFrame | polars.LazyFrame

UNREAD = "unread"
# Read beside the true heads' own: a face that moves changes some of each.
_MOVED = ("identity_drift", "still_drift", "still_albedo_drift", "aed")
JUDGED = (*_MOVED, *SHARES, "expression_probe", "identity_probe", "expression_consistency")


def similarity_breakdowns(scores: Scores, protocol: Protocol) -> dict[str, Any]:
    """Similarity of each method by view, by expression and by light.

    Args:
        scores: rows of `scores.parquet`, read or only scanned.
        protocol: whose views they are.

    Returns:
        Metric (of the scoring recogniser, then of others) -> method -> "views", "expressions" or "lights" ->
        name -> figure: value, low, high, and the readable ones of all that were asked for.
    """
    import polars

    light = {view.name: view.light for view in protocol.views}
    parts = {
        "views": polars.col("view"),
        "expressions": polars.col("expression"),
        "lights": polars.col("view").replace(light),
    }
    found: dict[str, Any] = {}
    for recogniser in ("", *protocol.recognisers):
        metric = name_by("identity_similarity", recogniser)
        of_parts = {name: _figures(scores, metric, part, protocol.statistics) for name, part in parts.items()}
        methods = list(of_parts["views"])
        if methods:
            found[metric] = {
                method: {name: of_methods[method] for name, of_methods in of_parts.items()}
                for method in methods
            }
    return found


def similarity_by_yaw(scores: Scores, protocol: Protocol) -> dict[str, Any]:
    """Similarity against yaw, over the cameras at no pitch, between impostor floor and true heads' ceiling.

    Returns:
        Metric -> method -> points, yaw rising: {"yaw_deg", "value", "low", "high", "floor", "ceiling"}; floor
        and ceiling are None where no true head exists. Unread views count as the floor, and without one they
        are left out.
    """
    yaw = {
        view.name: camera.yaw_deg
        for view in protocol.views
        if (camera := protocol.camera(view.camera)).pitch_deg == 0.0
    }
    import polars

    place = polars.col("view").replace_strict(yaw, default=math.nan, return_dtype=polars.Float64)
    seen = scores.lazy().filter(polars.col("view").is_in(list(yaw)))
    found: dict[str, Any] = {}
    for recogniser in ("", *protocol.recognisers):
        metric = name_by("identity_similarity", recogniser)
        counted, floor, ceiling, plain = (
            _figures(seen, name_by(name, recogniser), place, protocol.statistics)
            for name in (
                *(f"identity_{part}_view" for part in ("counted", "floor", "ceiling")),
                "identity_similarity",
            )
        )
        curves = {}
        for method in dict.fromkeys([*counted, *plain]):
            curve, lower, upper = (part.get(method, {}) for part in (counted, floor, ceiling))
            if not any(math.isfinite(figure["value"]) for figure in curve.values()):
                curve, lower, upper = plain.get(method, {}), {}, {}
            curves[method] = [
                {
                    "yaw_deg": at,
                    **{name: curve[at][name] for name in ("value", "low", "high")},
                    "floor": lower[at]["value"] if at in lower else None,
                    "ceiling": upper[at]["value"] if at in upper else None,
                }
                for at in sorted(curve)
            ]
        if any(curves.values()):
            found[metric] = {method: points for method, points in curves.items() if points}
    return found


def expression_matrices(scores: Scores, protocol: Protocol) -> dict[str, Any]:
    """Asked against read: for each method the share of heads of an asked expression that are read as each.

    Returns:
        Method -> {"heads": of each asked expression, "shares": asked -> read or "unread" -> share of heads}.
        An expression that a method does not provide counts as unread.
    """
    own = _of_metric(scores, "expression_read").select("method", "expression", "value").collect()
    found: dict[str, Any] = {}
    for (method,), rows in own.group_by("method", maintain_order=True):
        shares: dict[str, dict[str, float]] = {}
        heads = {}
        for asked in protocol.expressions:
            values = rows.filter(rows["expression"] == asked)["value"].to_list()
            names = [_name(value) for value in values]
            heads[asked] = len(names)
            shares[asked] = {name: names.count(name) / len(names) for name in sorted(set(names))}
        found[str(method)] = {"heads": heads, "shares": shares}
    return found


def against_true_heads(
    measured: Measured, true_heads: str | None, labels: Sequence[str], settings: Statistics
) -> list[dict[str, Any]]:
    """What each method has more of than the true heads, paired on identity.

    Args:
        measured: one mean an identity of every method and metric.
        true_heads: label of the row that draws the true heads; None where the run has none.
        labels: methods to be judged.
        settings: the protocol's statistics.

    Returns:
        One entry a metric of `JUDGED` and method: difference with interval and p, and the true heads' own
        figure with its interval.
    """
    entries: list[dict[str, Any]] = []
    if true_heads is None:
        return entries
    resamples, level = settings.bootstrap, settings.level
    for metric in JUDGED:
        truth = measured.get(true_heads, metric)
        if not np.isfinite(truth.means).any():
            continue
        own = statistics.mean_interval(truth.means, truth.identities, resamples, level)
        for label in labels:
            column = measured.get(label, metric)
            shared = tuple(name for name in truth.identities if name in column.identities)
            if label == true_heads or not shared:
                continue
            gap = statistics.paired_difference(column.on(shared), truth.on(shared), resamples, level)
            entries.append(
                {
                    "metric": metric,
                    "method": label,
                    "value": gap.value,
                    "low": gap.low,
                    "high": gap.high,
                    "p": gap.p,
                    "identities": gap.identities,
                    "true_heads": {"value": own.value, "low": own.low, "high": own.high},
                }
            )
    return entries


def _figures(
    scores: Scores, metric: str, part: polars.Expr, settings: Statistics
) -> dict[str, dict[Any, dict[str, Any]]]:
    """Method -> name of a view, expression, light or yaw -> mean over identities with its interval."""
    import polars

    value = polars.when(polars.col("value").is_finite()).then(polars.col("value"))
    # Sorted within a group, so that the order of rows changes no bit of a mean.
    means = (
        _of_metric(scores, metric)
        .group_by("method", part.alias("part"), "identity")
        .agg(value.sort().mean().alias("mean"), value.count().alias("valid"), polars.len().alias("total"))
        .sort("method", "part", "identity")
        .collect()
    )
    figures: dict[str, dict[Any, dict[str, Any]]] = {}
    for (method, name), own in means.group_by("method", "part", maintain_order=True):
        numbers = [math.nan if mean is None else float(mean) for mean in own["mean"]]
        found = statistics.mean_interval(
            numbers, own["identity"].to_list(), settings.bootstrap, settings.level
        )
        figures.setdefault(str(method), {})[name] = {
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "valid": int(own["valid"].sum()),
            "total": int(own["total"].sum()),
        }
    return figures


def _of_metric(scores: Scores, metric: str) -> polars.LazyFrame:
    import polars

    return scores.lazy().filter(polars.col("metric") == metric)


def _name(value: float | None) -> str:
    """The expression at a place in the list; "unread" where there is none."""
    return UNREAD if value is None or math.isnan(value) else EXPRESSIONS[int(value)]
