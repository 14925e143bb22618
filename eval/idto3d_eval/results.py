"""The end of a run: tables, summary and report in its folder, written once for one set of finished jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from idto3d_eval.code_version import code_version
from idto3d_eval.keys import content_key, file_sha256
from idto3d_eval.plan import Plan
from idto3d_eval.store import Record, Store

SUMMARY = "summary.json"
FILES = (
    "scores.parquet",
    "costs.parquet",
    "contact_sheet.png",
    "methods.jpg",
    "quality_cost.svg",
    "quality_cost.png",
    "expression_matrix.svg",
    "expression_matrix.png",
    "report.html",
    "report.md",
    SUMMARY,
)
WRITERS = ("idto3d_eval.results", "idto3d_eval.report_html", "idto3d_eval.report")


def finish(plan: Plan, store: Store, settled: Mapping[str, Record]) -> dict[str, Any]:
    """Writes all that a reader opens, unless it is there for exactly these jobs.

    Returns:
        The summary, as `summary.json` holds it.

    Raises:
        DiskFull: when no room is left; the same command writes them once there is.
    """
    key = results_key(plan, settled)
    if store.current(SUMMARY, key) and all((store.root / name).exists() for name in FILES):
        return read_summary(store)
    from idto3d_eval import expression_matrix
    from idto3d_eval.contact_sheet import contact_sheet_png, methods_jpeg
    from idto3d_eval.quality_cost_chart import sheet
    from idto3d_eval.report import markdown
    from idto3d_eval.report_html import html
    from idto3d_eval.scene import png, standalone_svg
    from idto3d_eval.summary import summarise
    from idto3d_eval.tables import cost_table, parquet_bytes, score_table

    scores, costs = score_table(plan, store, settled), cost_table(plan, settled)
    stored = store.write("scores.parquet", parquet_bytes(scores))
    store.write("costs.parquet", parquet_bytes(costs))
    summary = summarise(plan, settled, scores, costs, stored)
    store.write("contact_sheet.png", contact_sheet_png(plan.protocol, store, settled))
    store.write("methods.jpg", methods_jpeg(plan.protocol, store, settled))
    quality_cost = sheet(summary)
    store.write("quality_cost.svg", standalone_svg(quality_cost))
    store.write("quality_cost.png", png(quality_cost))
    matrices = expression_matrix.sheet(summary)
    store.write("expression_matrix.svg", standalone_svg(matrices))
    store.write("expression_matrix.png", png(matrices))
    store.write("report.html", html(plan, store, settled, summary, scores))
    store.write("report.md", markdown(summary))
    store.write(SUMMARY, json.dumps(summary, indent=1, allow_nan=False) + "\n")
    store.note(Record(SUMMARY, key, "done", ""))
    return read_summary(store)


def results_key(plan: Plan, settled: Mapping[str, Record]) -> str:
    """The key of tables and report: all jobs' records, the protocol, and the code that writes them."""
    return content_key(
        {
            "records": {job.name: asdict(settled[job.name]) for job in plan.jobs},
            "protocol": plan.protocol.model_dump(mode="json"),
            "code": [code_version(module) for module in WRITERS],
            "style": file_sha256(Path(__file__).with_name("report.css")),
        }
    )


def read_summary(store: Store) -> dict[str, Any]:
    """What `summary.json` holds."""
    summary: dict[str, Any] = json.loads((store.root / SUMMARY).read_text(encoding="utf-8"))
    return summary
