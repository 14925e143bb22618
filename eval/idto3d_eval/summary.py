"""`summary.json`: everything the report, the terminal table and a dashboard show, from one place.

Two parts: the facts of a run, which stand once it has ended, and its figures, which follow from
`scores.parquet` and can be computed anew from there.
"""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import idto3d
from idto3d_eval.aggregate import aggregate
from idto3d_eval.breakdowns import expression_matrices
from idto3d_eval.code_version import library_versions
from idto3d_eval.figures import HEADLINE, plain
from idto3d_eval.identity_table import Measured
from idto3d_eval.keys import file_sha256, weights_sha256
from idto3d_eval.metrics import METRICS, MetricCard, metrics_for
from idto3d_eval.metrics.recognisers import name_by, recogniser_of
from idto3d_eval.recognisers import described
from idto3d_eval.run_folder import SUMMARY_SCHEMA
from idto3d_eval.scored import Scored
from idto3d_eval.sections import added
from idto3d_eval.selfcheck.record import refused as refused_metrics
from idto3d_eval.store import Record, Store

if TYPE_CHECKING:
    import polars

    from idto3d_baselines.specs import MethodSpec
    from idto3d_eval.plan import Plan
    from idto3d_protocols.schema import Protocol

REFERENCE = "reference"
BLOCKS = {
    "photos": "From photos alone",
    "family": "Knows the generating family",
    REFERENCE: "References",
}


def facts(
    plan: Plan, settled: Mapping[str, Record], costs: polars.DataFrame, scores_file: Path
) -> dict[str, Any]:
    """What is known of a run beside its figures, in JSON's types."""
    protocol = plan.protocol
    blocks = {label: block_of(spec) for label, spec in plan.specs.items()}
    found: dict[str, Any] = plain(
        {
            "schema_version": SUMMARY_SCHEMA,
            "protocol": {
                **protocol.model_dump(mode="json", include={"name", "version", "profile", "description"}),
                **protocol.model_dump(mode="json", include={"expressions", "seeds", "statistics", "budget"}),
                "question": protocol.question,
                "population": protocol.population.model_dump(mode="json"),
                "views": [view.name for view in protocol.views],
            },
            "blocks": BLOCKS,
            "rows": [
                _row(plan, settled, costs, label, name)
                for name in BLOCKS
                for label in plan.specs
                if blocks[label] == name
            ],
            "recognisers": described(protocol.recognisers, plan.weights),
            "paper_numbers": [number.model_dump(mode="json") for number in protocol.paper_numbers],
            "failures": _failures(plan, settled),
            "provenance": {
                **_provenance(plan, scores_file),
                "archives": _archives(plan, settled),
                "earlier": _earlier(plan, settled),
            },
        }
    )
    return found


def with_figures(
    known: Mapping[str, Any],
    protocol: Protocol,
    scores: polars.LazyFrame,
    measured: Measured,
    store: Store,
) -> dict[str, Any]:
    """The whole result of a run in JSON's types; NaN is null, with a reason beside it.

    Sections are made beside the table: NumPy and Polars do most of both without the interpreter's lock.

    Args:
        known: what `facts` found, or a summary whose figures are to be computed anew.
        protocol: of the run.
        scores: rows of its `scores.parquet`, scanned.
        measured: what `measure` made of them.
        store: the run's folder.
    """
    blocks = {
        name: [row["label"] for row in known["rows"] if row["block"] == name] for name in known["blocks"]
    }
    ranked = [labels for name, labels in blocks.items() if name != REFERENCE]
    refused = refused_metrics()
    with ThreadPoolExecutor(max_workers=1) as beside:
        sections = beside.submit(added, Scored(protocol, scores, measured, store))
        figures = aggregate(
            measured, ranked, blocks[REFERENCE], protocol.metrics, protocol.statistics, refused
        )
    shown = [
        card
        for card in metrics_for(measured.metrics()).values()
        if any(card.name in own for own in figures.cells.values())
    ]
    role = {each["name"]: f" ({each['label']})" for each in known["recognisers"] if each["label"]}
    asked = {name: why for name, why in refused.items() if _asked(name, protocol)}
    summary = {
        **known,
        "metrics": [
            _metric(card, role.get(recogniser_of(card.name), ""))
            for card in sorted(shown, key=lambda card: _headline_rank(card.name))
        ],
        "rows": [
            {
                **row,
                "unranked": figures.unranked.get(row["label"], ""),
                "cells": figures.cells[row["label"]],
            }
            for row in known["rows"]
        ],
        "comparisons": figures.comparisons,
        "pairs": figures.pairs,
        "notes": figures.notes,
        "refused": [{"metric": name, "reason": why} for name, why in asked.items()],
        "expression_matrices": expression_matrices(scores, protocol),
        **sections.result(),
    }
    result: dict[str, Any] = plain(summary)
    return result


def block_of(spec: MethodSpec) -> str:
    """Which block of the table a method stands in: rows that know answers stand apart from the others."""
    if spec.kind in {"bracket", "ceiling"} or spec.needs_truth:
        return REFERENCE
    return "family" if spec.knows_population else "photos"


def _asked(name: str, protocol: Protocol) -> bool:
    return name in METRICS and METRICS[name].family in protocol.metrics


def _metric(card: MetricCard, role: str) -> dict[str, Any]:
    """What stands in the report of a metric: its whole card, and what else its recogniser does."""
    return {
        "name": card.name,
        "title": card.title + role,
        "unit": card.unit,
        "better": card.better,
        "family": card.family,
        "level": card.level,
        "statistic": card.statistic,
        "definition": card.definition,
        "source": card.source,
        "range": (card.low, card.high),
        "failure_modes": card.failure_modes,
        "preprocessing": card.preprocessing,
        "networks": card.networks,
        "headline": card.name in HEADLINE,
    }


def _row(
    plan: Plan, settled: Mapping[str, Record], costs: polars.DataFrame, label: str, block: str
) -> dict[str, Any]:
    spec, row = plan.specs[label], plan.rows[label]
    heads = [job for job in plan.of_stage("read") if job.label == row.label]
    own = costs.filter(costs["method"] == row.label)
    generate = own.filter(own["stage"] == "generate")
    return {
        "label": label,
        "method": spec.name,
        "kind": spec.kind,
        "summary": spec.summary,
        "block": block,
        "conditioned_on": list(spec.conditioned_on),
        "knows_population": spec.knows_population,
        "reproduction": spec.reproduction,
        "best_of": spec.settings.get("best_of", 1),
        "licence": spec.licence,
        "source": spec.source,
        "archived": settled[f"scores/{label}"].archived,
        "photos_of": row.photos_of,
        "heads_of": row.label,
        "scored_as": "own" if label == row.label else "photos",
        "budget": plan.protocol.budget_of(row).model_dump(),
        "guidance_calls": "declared" if spec.outside else "measured",
        "heads": {"made": sum(settled[job.name].done for job in heads), "total": len(heads)},
        "costs": {
            "seconds_a_head": _median(generate["seconds"]),
            "seconds_total": float(own["seconds"].sum()),
            "peak_memory_mib": _largest(generate["peak_memory_mib"]),
            "guidance_calls_a_head": _median(generate["guidance_calls"]),
            "guidance_calls_are": "declared" if spec.kind.startswith("external-") else "measured",
            "guidance_calls_allowed": plan.protocol.budget_of(row).guidance_calls,
            "guidance_calls_exactly": spec.needs_sds,
            "threads": int(generate["threads"].max() or 0),  # type: ignore[arg-type]
        },
    }


def _failures(plan: Plan, settled: Mapping[str, Record]) -> list[dict[str, Any]]:
    """Where a failure began; what depends on it is not listed again."""
    failed = {job.name for job in plan.jobs if not settled[job.name].done}
    return [
        {
            "job": job.name,
            "stage": job.stage,
            "method": job.label,
            "identity": job.key_inputs.identity,
            "seed": job.key_inputs.seed,
            "reason": settled[job.name].reason,
        }
        for job in plan.jobs
        if job.name in failed and not failed & set(job.needs)
    ]


def _provenance(plan: Plan, scores_file: Path) -> dict[str, Any]:
    """What it takes to get the same bytes again, and how to ask for them."""
    return {
        "command": f"idto3d-eval run --protocol {plan.protocol.name}",
        "version": idto3d.__version__,
        "scores_sha256": file_sha256(scores_file),
        "weights_sha256": weights_sha256([plan.weights]) if plan.weights.exists() else {},
        "libraries": library_versions(),
        "code": {job.stage: job.key_inputs.code for job in plan.jobs if job.stage != "generate"},
        "methods_code": {job.label: job.key_inputs.code for job in plan.of_stage("generate")},
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "threads": plan.protocol.budget.threads,
    }


def _archives(plan: Plan, settled: Mapping[str, Record]) -> dict[str, list[str]]:
    """Archive's sha256 -> the rows that were taken from it."""
    found: dict[str, list[str]] = {}
    for label in plan.rows:
        if archive := settled[f"scores/{label}"].archived:
            found.setdefault(archive, []).append(label)
    return found


def _earlier(plan: Plan, settled: Mapping[str, Record]) -> dict[str, int]:
    """Stage -> jobs that stand as other code, weights or libraries than today's made them."""
    stages = [
        job.stage
        for job in plan.jobs
        if settled[job.name].key != job.key({need: settled[need].digest for need in job.needs})
    ]
    return dict(Counter(stages))


def _headline_rank(name: str) -> tuple[int, int, str]:
    names, recogniser = list(METRICS), recogniser_of(name)
    behind = len(HEADLINE) + bool(recogniser)  # other recognisers' come last
    own = name.removesuffix(name_by("", recogniser))
    return (HEADLINE.index(name) if name in HEADLINE else behind, names.index(own), recogniser)


def _median(values: polars.Series) -> float | None:
    median = values.median()
    return float(median) if isinstance(median, int | float) else None


def _largest(values: polars.Series) -> float | None:
    largest = values.max()
    return float(largest) if isinstance(largest, int | float) else None
