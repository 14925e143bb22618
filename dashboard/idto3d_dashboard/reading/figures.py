"""Figures of some of a run's people: the same means and intervals as the table's, of a group alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit

from idto3d_dashboard.reading.run import Run
from idto3d_eval.figures import CALIBRATED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEW = "no value of these people"


def group_cells(run: Run, people: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Label -> headline metric -> figure of these people, in the form that `summary.json` has cells in.

    Nothing is marked as best or tied: tests are of the whole run. Metrics that are no mean over identities
    are left out.
    """
    return _cells(str(run.folder), run.summary["provenance"]["scores_sha256"], tuple(people), _run=run)


@streamlit.cache_data(max_entries=64, show_spinner=False)
def _cells(
    folder: str, scores_sha256: str, people: tuple[str, ...], _run: Run
) -> dict[str, dict[str, dict[str, Any]]]:
    import numpy as np
    import polars

    from idto3d_eval import statistics
    from idto3d_eval.aggregate import PARTS

    del folder, scores_sha256  # parts of the key alone: other scores, other figures
    settings = _run.protocol.statistics
    names = [
        name
        for name, metric in _run.metrics.items()
        if metric["headline"] and metric["level"] != "method" and metric["statistic"] != "pooled"
    ]
    asked = polars.col("metric").is_in([*names, *PARTS]) & polars.col("identity").is_in(people)
    means: dict[tuple[str, str], dict[str, float]] = {}
    for method, metric, identity, mean in (
        _run.by_identity().filter(asked).select("method", "metric", "identity", "mean").collect().iter_rows()
    ):
        means.setdefault((method, metric), {})[identity] = math.nan if mean is None else mean

    def on(label: str, name: str) -> Floats:
        own = means.get((label, name), {})
        return np.array([own.get(who, math.nan) for who in people])

    found: dict[str, dict[str, dict[str, Any]]] = {}
    for label in _run.labels:
        for name in names:
            if name == CALIBRATED:
                counted, floor, ceiling = (on(label, part) for part in PARTS)
                known = np.isfinite(counted - floor) & np.isfinite(ceiling)
                value, low, high = statistics.ratio_of_sums(
                    counted - floor, ceiling - floor, settings.bootstrap, settings.level
                )
            elif (label, name) in means:
                values, metric = on(label, name), _run.metrics[name]
                known = np.isfinite(values)
                bounds = tuple(math.nan if end is None else end for end in metric["range"])
                estimate = statistics.mean_interval(
                    values, people, settings.bootstrap, settings.level, bounds=(bounds[0], bounds[1])
                )
                value, low, high = estimate.value, estimate.low, estimate.high
            else:
                continue
            found.setdefault(label, {})[name] = _cell(value, low, high, int(known.sum()), len(people))
    return found


def _cell(value: float, low: float, high: float, valid: int, total: int) -> dict[str, Any]:
    numbers: Mapping[str, float] = {"value": value, "low": low, "high": high}
    plain = {name: number if math.isfinite(number) else None for name, number in numbers.items()}
    reason = "" if plain["value"] is not None else FEW
    return {**plain, "valid": valid, "total": total, "reason": reason, "best": False, "tied": False}
