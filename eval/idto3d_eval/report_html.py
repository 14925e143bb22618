"""The report: one HTML file, which asks the network for nothing. Its pictures of the first people are in it;
those behind the figures are links into the run's folder, loaded once their place is opened."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d_eval import expression_matrix, quality_cost, quality_cost_chart
from idto3d_eval.added_text import refused_lines
from idto3d_eval.charts import interval_chart, share_chart
from idto3d_eval.contact_sheet import person_sheets
from idto3d_eval.figures import COVERAGE
from idto3d_eval.figures_text import heading
from idto3d_eval.identity_table import Measured
from idto3d_eval.paper_numbers import HEADS, NOTE, TITLE, paper_row
from idto3d_eval.report_behind import cards, figures_behind, heads_behind
from idto3d_eval.report_heads import people
from idto3d_eval.report_sections import sections_html
from idto3d_eval.report_tables import comparisons, costs, metric_table, table, told_apart
from idto3d_eval.run_folder import records_of
from idto3d_eval.store import Store
from idto3d_eval.summary_text import population_sentence, titles

if TYPE_CHECKING:
    import polars

    from idto3d_protocols.schema import Protocol

CURVE = "now_median"  # the metric whose spread over identities is drawn, as NoW's own curves are
STYLE = Path(__file__).with_name("report.css")


def html(
    protocol: Protocol,
    store: Store,
    summary: Mapping[str, Any],
    scores: polars.LazyFrame,
    measured: Measured,
) -> str:
    """The whole report.

    Args:
        protocol: of the run.
        store: where the pictures are.
        summary: as `summary.json` holds it.
        scores: rows of `scores.parquet`, scanned.
        measured: what `measure` made of them.
    """
    told = summary["protocol"]
    name = f"{told['name']}, version {told['version']}"
    sections = [
        _header(summary, name),
        _section(
            "Result", _headline(summary) + _reading(summary) + told_apart(summary) + _unmeasured(summary)
        ),
        _section(quality_cost.TITLE, quality_cost_chart.figures(summary)),
        _section("Heads", _heads(protocol, store)),
        _section(expression_matrix.TITLE, expression_matrix.figures(summary)),
        _section("Spread", _charts(summary, measured)),
        _section("Compared", comparisons(summary)),
        *(_section(title, body) for title, body in sections_html(summary)),
        _section("Failed", _failures(summary)),
        _section("Cost", costs(summary)),
        _section("All metrics", _all_metrics(summary)),
        _section("Behind the figures", figures_behind(summary, measured, scores)),
        _section("Behind the heads", heads_behind(protocol, summary, scores, store.root)),
        _section("What the metrics mean", cards(summary)),
        _section(TITLE, _papers(summary)),
        _section("Provenance", _provenance(summary)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head><body><main>"
        f"{''.join(sections)}</main></body></html>\n"
    )


def _header(summary: Mapping[str, Any], name: str) -> str:
    protocol = summary["protocol"]
    badges = [f"population: {protocol['population']['label']}", f"profile: {protocol['profile']}"]
    shown = "".join(f'<span class="badge">{escape(badge)}</span>' for badge in badges)
    return (
        f"<h1>{escape(name)}</h1><div>{shown}</div>"
        f"<p>{escape(protocol['description'])}</p>"
        f"<p class='faint'>{escape(population_sentence(protocol))}</p>"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>" if body else ""


def _headline(summary: Mapping[str, Any]) -> str:
    return metric_table(summary, [metric for metric in summary["metrics"] if metric["headline"]], chips=True)


def _reading(summary: Mapping[str, Any]) -> str:
    level = f"{summary['protocol']['statistics']['level']:.0%}"
    people = len(summary["protocol"]["population"]["identities"])
    few = (
        f" With {people} identities, intervals are rough and little can be told apart." if people < 6 else ""
    )
    return (
        "<p class='faint'>★ best of its block; = cannot be told from the best (paired on identity, Holm over "
        f"all such tests of the block in this table). Every figure leads to what is behind it. Brackets: "
        f"{level} interval, bootstrap over identities. Blocks are not compared "
        f"with each other.{few} {escape(' '.join(summary.get('notes', ())))}</p>"
        + "".join(f"<p class='missing'>{escape(line)}</p>" for line in refused_lines(summary))
    )


def _unmeasured(summary: Mapping[str, Any]) -> str:
    """Why headline figures are missing, each reason once."""
    found: dict[tuple[str, str], list[str]] = {}
    for metric in summary["metrics"]:
        for row in summary["rows"]:
            cell = row["cells"].get(metric["name"])
            if metric["headline"] and cell is not None and cell["value"] is None:
                found.setdefault((metric["title"], cell["reason"]), []).append(row["label"])
    lines = (
        f"<li>{escape(title)}: {escape(reason)} <small>({escape(', '.join(rows))})</small></li>"
        for (title, reason), rows in found.items()
    )
    return f"<p>None, because:</p><ul>{''.join(lines)}</ul>" if found else ""


def _heads(protocol: Protocol, store: Store) -> str:
    views = [
        f"views/{row.label}/{identity}/seed-{protocol.seeds[0]}"
        for row in protocol.methods
        for identity in protocol.population.identities
    ]
    sheets = person_sheets(protocol, store, records_of(store, views))
    return people(sheets, protocol.expressions, store.root)


def _charts(summary: Mapping[str, Any], measured: Measured) -> str:
    rows = summary["rows"]
    figures = []
    for metric in summary["metrics"]:
        if metric["headline"] and metric["name"] != COVERAGE:
            points = [
                (
                    row["label"],
                    *(_float(row["cells"][metric["name"]][part]) for part in ("value", "low", "high")),
                )
                for row in rows
                if metric["name"] in row["cells"]
            ]
            figures.append(interval_chart(heading(metric), points))
    metric = titles(summary).get(CURVE)
    if metric is not None:
        series = [
            (row["label"], measured.get(row["label"], CURVE).means.tolist())
            for row in rows
            if measured.has(row["label"], CURVE)
        ]
        colours = {row["label"]: index for index, row in enumerate(rows)}
        title = f"Share of identities at or below a {metric['title']} ({metric['unit']})"
        figures.append(share_chart(title, series, colours))
    shown = "".join(f"<figure>{figure}</figure>" for figure in figures if figure)
    return f'<div class="charts">{shown}</div>' if shown else ""


def _failures(summary: Mapping[str, Any]) -> str:
    body = [
        [f"<code>{escape(failure['job'])}</code>", escape(failure["reason"])]
        for failure in summary["failures"]
    ]
    return table(["job", "reason"], body, text_columns=2) if body else ""


def _papers(summary: Mapping[str, Any]) -> str:
    body = [[escape(cell) for cell in paper_row(entry)] for entry in summary["paper_numbers"]]
    return f"<p class='faint'>{NOTE}</p>{table(HEADS, body, text_columns=len(HEADS))}" if body else ""


def _all_metrics(summary: Mapping[str, Any]) -> str:
    parts = []
    for family in dict.fromkeys(metric["family"] for metric in summary["metrics"]):
        metrics = [metric for metric in summary["metrics"] if metric["family"] == family]
        shown = metric_table(summary, metrics, chips=False)
        parts.append(f"<details><summary>{escape(family)}</summary>{shown}</details>")
    return "".join(parts)


def _provenance(summary: Mapping[str, Any]) -> str:
    facts = summary["provenance"]
    shown = {
        "scores.parquet, sha256": facts["scores_sha256"],
        "from archives": "; ".join(f"{sha}: {', '.join(rows)}" for sha, rows in facts["archives"].items()),
        "version": f"idto3d {facts['version']}, Python {facts['python']}",
        "machine": f"{facts['platform']}, {facts['cores']} cores, {facts['threads']} threads a worker",
        "libraries": ", ".join(f"{name} {version}" for name, version in facts["libraries"].items()),
        "weights, sha256": ", ".join(f"{name} {sha[:16]}…" for name, sha in facts["weights_sha256"].items()),
        "made by earlier code": ", ".join(
            f"{count} of stage {stage}" for stage, count in facts.get("earlier", {}).items()
        ),
        "code": ", ".join(f"{stage} {code}" for stage, code in facts["code"].items()),
        "methods' code": ", ".join(f"{label} {code}" for label, code in facts["methods_code"].items()),
    }
    terms = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in shown.items() if text)
    hashes = f"<details><summary>Hashes and versions</summary><dl>{terms}</dl></details>"
    return f"<pre>{escape(facts['command'])}</pre>{hashes}"


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)
