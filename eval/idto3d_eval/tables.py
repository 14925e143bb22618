"""The tables of a run: one row a measurement in `scores.parquet`, one row a job in `costs.parquet`.

Scores are sorted and hold no times, so that equal results are equal bytes.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

    from idto3d_eval.plan import Plan
    from idto3d_eval.store import Record, Store

ROWS_FILE = "rows.json"
KEYS = ("protocol", "method", "identity", "expression", "view", "seed", "metric")


@dataclass(frozen=True)
class ScoreRow:
    """One measurement of one method row: a number, or NaN and why."""

    identity: str  # "" for a figure of the whole method
    expression: str  # "" for a figure over expressions
    view: str  # "" for a figure over views
    seed: int  # -1 for a figure over seeds
    metric: str
    value: float
    reason: str = ""


def write_rows(folder: Path, rows: Iterable[ScoreRow]) -> None:
    """Writes a score job's rows, sorted; NaN is null.

    Raises:
        ValueError: for a NaN without a reason, or an infinite value.
    """
    lines: list[list[Any]] = []
    for row in rows:
        if not math.isfinite(row.value) and (not math.isnan(row.value) or not row.reason):
            raise ValueError(
                f"found {row.value} for {row.metric} of {row.identity or 'the method'} without a reason, "
                "expected a finite number, or NaN with a reason"
            )
        value = None if math.isnan(row.value) else float(row.value)
        lines.append([row.identity, row.expression, row.view, row.seed, row.metric, value, row.reason])
    lines.sort(key=lambda line: line[:5])
    text = "[\n" + ",\n".join(json.dumps(line) for line in lines) + "\n]\n"
    (folder / ROWS_FILE).write_text(text, encoding="utf-8")


def read_rows(folder: Path) -> list[ScoreRow]:
    """The rows that `write_rows` wrote."""
    lines = json.loads((folder / ROWS_FILE).read_text(encoding="utf-8"))
    return [
        ScoreRow(identity, expression, view, seed, metric, math.nan if value is None else value, reason)
        for identity, expression, view, seed, metric, value, reason in lines
    ]


def score_table(plan: Plan, store: Store, settled: Mapping[str, Record]) -> polars.DataFrame:
    """All measurements of a run, sorted by their keys.

    A method row whose scoring failed as a whole has one NaN a metric and identity, with the reason.
    """
    import polars

    columns: dict[str, list[Any]] = {name: [] for name in (*KEYS, "value", "reason")}
    for job in plan.scores():
        record = settled[job.name]
        rows = read_rows(store.artefact(job.name)) if record.done else _unscored(plan, record.reason)
        for row in rows:
            values = (
                plan.protocol.name,
                job.label,
                row.identity,
                row.expression,
                row.view,
                row.seed,
                row.metric,
            )
            for name, value in zip(columns, (*values, row.value, row.reason), strict=True):
                columns[name].append(value)
    schema = dict.fromkeys(columns, polars.String) | {"seed": polars.Int64, "value": polars.Float64}
    return polars.DataFrame(columns, schema=schema).sort(KEYS)


def cost_table(plan: Plan, settled: Mapping[str, Record]) -> polars.DataFrame:
    """What every job cost: seconds, memory, guidance calls, threads, device, and energy where the machine
    tells it (null elsewhere, where `energy_note` says why)."""
    import polars

    rows = [
        {
            "protocol": plan.protocol.name,
            "method": job.label,
            "identity": job.key_inputs.identity,
            "seed": job.key_inputs.seed,
            "stage": job.stage,
            "seconds": settled[job.name].seconds,
            "peak_memory_mib": settled[job.name].peak_memory_mib,
            "guidance_calls": settled[job.name].guidance_calls,
            "threads": job.threads,
            "device": settled[job.name].device,
            "device_memory_mib": settled[job.name].device_memory_mib,
            "energy_joules": settled[job.name].energy_joules,
            "energy_note": settled[job.name].energy_note,
        }
        for job in plan.jobs
    ]
    return polars.DataFrame(rows, schema_overrides={"energy_joules": polars.Float64}).sort(
        "protocol", "method", "identity", "seed", "stage"
    )


def parquet_bytes(table: polars.DataFrame) -> bytes:
    """A table as Parquet: equal tables give equal bytes with one version of polars."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", compression_level=9, row_group_size=100_000)
    return buffer.getvalue()


def _unscored(plan: Plan, reason: str) -> list[ScoreRow]:
    from idto3d_eval.metrics import METRICS

    asked = [card for card in METRICS.values() if card.family in plan.protocol.metrics]
    return [
        ScoreRow("" if card.level == "method" else identity, "", "", seed, card.name, math.nan, reason)
        for card in asked
        for identity in (plan.protocol.population.identities if card.level != "method" else ("",))
        for seed in plan.protocol.seeds
    ]
