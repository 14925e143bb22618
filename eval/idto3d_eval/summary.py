"""`summary.json`: everything the report, the terminal table and a dashboard show, from one place."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import idto3d
from idto3d_baselines.specs import MethodSpec
from idto3d_eval import breakdowns
from idto3d_eval.aggregate import HEADLINE, Figures, aggregate, plain
from idto3d_eval.code_version import library_versions
from idto3d_eval.keys import file_sha256, weights_sha256
from idto3d_eval.metrics import METRICS, metrics_for
from idto3d_eval.metrics.recognisers import name_by, recogniser_of
from idto3d_eval.plan import Plan
from idto3d_eval.recognisers import described
from idto3d_eval.store import Record

if TYPE_CHECKING:
    import polars

SUMMARY_SCHEMA = 1

REFERENCE = "reference"
BLOCKS = {
    "photos": "From photos alone",
    "family": "Knows the generating family",
    REFERENCE: "References",
}


def summarise(
    plan: Plan,
    settled: Mapping[str, Record],
    scores: polars.DataFrame,
    costs: polars.DataFrame,
    scores_file: Path,
) -> dict[str, Any]:
    """The whole result of a run in JSON's types; NaN is null, with a reason beside it."""
    protocol = plan.protocol
    blocks = {
        name: [label for label, spec in plan.specs.items() if block_of(spec) == name] for name in BLOCKS
    }
    ranked = [labels for name, labels in blocks.items() if name != REFERENCE]
    figures = aggregate(scores, ranked, blocks[REFERENCE], protocol.metrics, protocol.statistics)
    rows = [
        _row(plan, settled, costs, figures, label, name)
        for name, labels in blocks.items()
        for label in labels
    ]
    shown = [
        card
        for card in metrics_for(scores["metric"].unique()).values()
        if any(card.name in row["cells"] for row in rows)
    ]
    recognisers = described(protocol.recognisers, plan.weights)
    role = {each["name"]: f" ({each['label']})" for each in recognisers if each["label"]}
    truth = next((label for label, spec in plan.specs.items() if spec.kind == "ceiling"), None)
    summary = {
        "schema_version": SUMMARY_SCHEMA,
        "protocol": {
            **protocol.model_dump(mode="json", include={"name", "version", "profile", "description"}),
            **protocol.model_dump(mode="json", include={"expressions", "seeds", "statistics", "budget"}),
            "population": protocol.population.model_dump(mode="json"),
            "views": [view.name for view in protocol.views],
        },
        "blocks": BLOCKS,
        "metrics": [
            {
                "name": card.name,
                "title": card.title + role.get(recogniser_of(card.name), ""),
                "unit": card.unit,
                "better": card.better,
                "family": card.family,
                "definition": card.definition,
                "headline": card.name in HEADLINE,
            }
            for card in sorted(shown, key=lambda card: _headline_rank(card.name))
        ],
        "rows": rows,
        "comparisons": figures.comparisons,
        "recognisers": recognisers,
        "breakdowns": breakdowns.similarity_breakdowns(scores, protocol),
        "curves": {"similarity_by_yaw": breakdowns.similarity_by_yaw(scores, protocol)},
        "expression_matrices": breakdowns.expression_matrices(scores, protocol),
        "against_true_heads": breakdowns.against_true_heads(
            scores, truth, list(plan.specs), protocol.statistics
        ),
        "paper_numbers": [number.model_dump(mode="json") for number in protocol.paper_numbers],
        "failures": _failures(plan, settled),
        "provenance": {**_provenance(plan, scores_file), "archives": _archives(plan, settled)},
    }
    result: dict[str, Any] = plain(summary)
    return result


def block_of(spec: MethodSpec) -> str:
    """Which block of the table a method stands in: rows that know answers stand apart from the others."""
    if spec.kind in {"bracket", "ceiling"} or spec.needs_truth:
        return REFERENCE
    return "family" if spec.knows_population else "photos"


def _row(
    plan: Plan,
    settled: Mapping[str, Record],
    costs: polars.DataFrame,
    figures: Figures,
    label: str,
    block: str,
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
        "scored_as": "own" if label == row.label else "photos",
        "budget": plan.protocol.budget_of(row).model_dump(),
        "guidance_calls": "declared" if spec.outside else "measured",
        "heads": {"made": sum(settled[job.name].done for job in heads), "total": len(heads)},
        "unranked": figures.unranked.get(label, ""),
        "cells": figures.cells[label],
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
