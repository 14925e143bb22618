"""What a run cost, stage by stage, and how stable its heads are, as tables that a report shows as they are.

A section is {title, note, columns, rows}: `columns` are headings, `rows` lists of as many texts or numbers,
None where there is no number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import polars

from idto3d_eval.run_folder import COSTS
from idto3d_eval.scored import Scored

# Columns that runs from before they were kept do not have.
_LATER = {
    "device": polars.String,
    "device_memory_mib": polars.Float64,
    "energy_joules": polars.Float64,
    "energy_note": polars.String,
}

SHARED = "all rows together"  # stages that belong to no method


def cost_sections(scored: Scored) -> list[dict[str, Any]]:
    """One section: a line a method and stage; nothing where the run has no costs yet."""
    path = scored.store.root / COSTS
    return by_stage(polars.read_parquet(path)) if path.is_file() else []


def by_stage(costs: polars.DataFrame) -> list[dict[str, Any]]:
    """As `cost_sections`, from the rows of `costs.parquet`."""
    if costs.is_empty():
        return []
    lacking = {name: kind for name, kind in _LATER.items() if name not in costs.columns}
    costs = costs.with_columns(polars.lit(None, kind).alias(name) for name, kind in lacking.items())
    notes = sorted({note for note in costs["energy_note"].to_list() if note})
    columns = [
        "method",
        "stage",
        "jobs",
        "seconds, median",
        "seconds, all",
        "peak memory, MiB",
        "GPU memory, MiB",
        "guidance calls",
        "energy, J",
        "device",
    ]
    order = {name: place for place, name in enumerate(dict.fromkeys(costs["method"].to_list()))}
    groups = costs.group_by("method", "stage", maintain_order=True)
    lines = [
        (order[str(method)], str(stage), _cost_line(str(method), str(stage), own))
        for (method, stage), own in groups
    ]
    told = f" Energy: {'; '.join(notes)}." if notes else ""
    return [
        {
            "title": "Cost by stage",
            "note": "Seconds are of the clock, memory is the largest of a job, calls and energy are of all "
            "jobs "
            "together. Energy is of the whole package or card while a job ran, other work on it included."
            + told,
            "columns": columns,
            "units": ["1", "1", "1", "s", "s", "MiB", "MiB", "calls", "calls", "1"],
            "rows": [line for _, _, line in sorted(lines, key=lambda found: found[:2])],
        }
    ]


def stability_sections(scored: Scored) -> list[dict[str, Any]]:
    """One section where stability was asked for: a line a method and what was repeated."""
    rows = scored.scores.filter(polars.col("metric").str.starts_with("icc_")).collect()
    lines: list[list[Any]] = []
    for method in dict.fromkeys(rows["method"].to_list()):
        own = rows.filter(rows["method"] == method)
        for over in ("seeds", "sessions", "environments"):
            found = [_mean(own, f"icc_{over}{ending}") for ending in ("", "_low", "_high")]
            reasons = own.filter(own["metric"] == f"icc_{over}")["reason"].to_list()
            why = next((text for text in reasons if text), "") if found[0] is None else ""
            lines.append([method, over, *found, why])
    if not lines:
        return []
    return [
        {
            "title": "Stability of identity",
            "note": "Intra-class correlation of similarity, with its 95 % interval over people (Shrout & "
            "Fleiss "
            "1979): ICC(1) over seeds, ICC(2,1) over sessions and renderings; means over seeds.",
            "columns": ["method", "over", "ICC", "low", "high", "why not"],
            "rows": lines,
        }
    ]


def _cost_line(method: str, stage: str, own: polars.DataFrame) -> list[Any]:
    joules = [value for value in own["energy_joules"].to_list() if value is not None]
    devices = sorted({name for name in own["device"].to_list() if name})
    return [
        method or SHARED,
        stage,
        len(own),
        _rounded(own["seconds"].median(), 2),
        _rounded(own["seconds"].sum(), 1),
        _rounded(own["peak_memory_mib"].max(), 0),
        _rounded(own["device_memory_mib"].max(), 0) or None,
        int(own["guidance_calls"].sum()),
        _rounded(math.fsum(joules), 1) if joules else None,
        ", ".join(devices),
    ]


def _mean(rows: polars.DataFrame, metric: str) -> float | None:
    values: Sequence[Any] = rows.filter(rows["metric"] == metric)["value"].to_list()
    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    return math.fsum(known) / len(known) if known else None


def _rounded(value: Any, digits: int) -> float | None:
    return round(float(value), digits) if isinstance(value, int | float) else None
