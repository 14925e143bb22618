"""The report: one HTML file with everything in it, which asks the network for nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d_eval import expression_matrix, quality_cost, quality_cost_chart
from idto3d_eval.aggregate import ALPHA, COVERAGE
from idto3d_eval.charts import interval_chart, share_chart
from idto3d_eval.contact_sheet import person_sheets
from idto3d_eval.figures_text import (
    calls,
    given,
    heading,
    interval,
    labels,
    mark,
    memory,
    number,
    seconds,
    signed,
    valid,
)
from idto3d_eval.paper_numbers import HEADS, NOTE, TITLE, paper_row
from idto3d_eval.plan import Plan
from idto3d_eval.report import population_sentence, titles
from idto3d_eval.report_heads import breakable, people
from idto3d_eval.store import Record, Store

if TYPE_CHECKING:
    import polars

CURVE = "now_median"  # the metric whose spread over identities is drawn, as NoW's own curves are
STYLE = Path(__file__).with_name("report.css")


def html(
    plan: Plan,
    store: Store,
    settled: Mapping[str, Record],
    summary: Mapping[str, Any],
    scores: polars.DataFrame,
) -> str:
    """The whole report.

    Args:
        plan, store, settled: where the pictures are.
        summary: as `summary.json` holds it.
        scores: rows of `scores.parquet`.
    """
    protocol = summary["protocol"]
    name = f"{protocol['name']}, version {protocol['version']}"
    sections = [
        _header(summary, name),
        _section("Result", _headline(summary) + _reading(summary) + _unmeasured(summary)),
        _section(quality_cost.TITLE, quality_cost_chart.figures(summary)),
        _section("Heads", people(person_sheets(plan.protocol, store, settled), protocol["expressions"])),
        _section(expression_matrix.TITLE, expression_matrix.figures(summary)),
        _section("Spread", _charts(summary, scores)),
        _section("Compared", _comparisons(summary)),
        _section("Failed", _failures(summary)),
        _section("Cost", _costs(summary)),
        _section("All metrics", _all_metrics(summary)),
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
    return _metric_table(summary, [metric for metric in summary["metrics"] if metric["headline"]], chips=True)


def _reading(summary: Mapping[str, Any]) -> str:
    level = f"{summary['protocol']['statistics']['level']:.0%}"
    people = len(summary["protocol"]["population"]["identities"])
    few = (
        f" With {people} identities, intervals are rough and little can be told apart." if people < 6 else ""
    )
    return (
        "<p class='faint'>★ best of its block; = cannot be told from the best (paired on identity, Holm "
        f"over the column). Brackets: {level} interval, bootstrap over identities. Blocks are not compared "
        f"with each other.{few}</p>"
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


def _metric_table(summary: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]], chips: bool) -> str:
    heads = "".join(
        f'<th title="{escape(metric["definition"])}">{escape(heading(metric))}</th>' for metric in metrics
    )
    rows = []
    for block, title in summary["blocks"].items():
        members = [row for row in summary["rows"] if row["block"] == block]
        if members:
            rows.append(f'<tr><td class="block" colspan="{len(metrics) + 1}">{escape(title)}</td></tr>')
        for row in members:
            cells = "".join(_cell(row["cells"].get(metric["name"]), metric["unit"]) for metric in metrics)
            rows.append(f"<tr><td>{_name(row, chips)}</td>{cells}</tr>")
    return f'<div class="scroll"><table><tr><th>method</th>{heads}</tr>{"".join(rows)}</table></div>'


def _name(row: Mapping[str, Any], chips: bool) -> str:
    name = f'<b title="{escape(row["summary"])}">{breakable(row["label"])}</b>'
    if not chips:
        return name
    told = escape(", ".join(labels(row)))
    return f'{name}<small class="chips">{told}<span class="given"><br>{escape(given(row))}</span></small>'


def _cell(cell: Mapping[str, Any] | None, unit: str) -> str:
    if cell is None:
        return "<td></td>"
    if cell["value"] is None:
        return f'<td><span class="missing" title="{escape(cell["reason"])}">none</span></td>'
    under = "<br>".join(part for part in (interval(cell, unit), valid(cell)) if part)
    style = ' class="best"' if cell["best"] else ""
    return f"<td{style}><b>{mark(cell)} {number(cell['value'], unit)}</b><small>{under}</small></td>"


def _charts(summary: Mapping[str, Any], scores: polars.DataFrame) -> str:
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
            (row["label"], values)
            for row in rows
            if (values := _identity_values(scores, row["label"], CURVE))
        ]
        colours = {row["label"]: index for index, row in enumerate(rows)}
        title = f"Share of identities at or below a {metric['title']} ({metric['unit']})"
        figures.append(share_chart(title, series, colours))
    shown = "".join(f"<figure>{figure}</figure>" for figure in figures if figure)
    return f'<div class="charts">{shown}</div>' if shown else ""


def _identity_values(scores: polars.DataFrame, label: str, metric: str) -> list[float]:
    from idto3d_eval.statistics import identity_means

    own = scores.filter((scores["method"] == label) & (scores["metric"] == metric))
    return list(identity_means(own["value"].to_numpy(), own["identity"].to_list()).values())


def _comparisons(summary: Mapping[str, Any]) -> str:
    """The first method minus each other, a metric a column; bold where Holm lets it stand."""
    found = {(gap["second"], gap["metric"]): gap for gap in summary["comparisons"]}
    if not found:
        return ""
    asked = {gap["metric"] for gap in summary["comparisons"]}
    metrics = [metric for name, metric in titles(summary).items() if name in asked]
    first = summary["comparisons"][0]["first"]
    body = []
    for other in dict.fromkeys(gap["second"] for gap in summary["comparisons"]):
        cells = [_gap(found.get((other, metric["name"])), metric["unit"]) for metric in metrics]
        body.append([f"minus <b>{breakable(other)}</b>", *cells])
    level = f"{summary['protocol']['statistics']['level']:.0%}"
    note = (
        f"<p class='faint'>{escape(first)} minus each other method, paired on identity. Brackets: {level} "
        f"interval. Bold: p &lt; {ALPHA} after Holm's correction over this whole table.</p>"
    )
    return note + _table(
        [escape(first), *(escape(heading(metric)) for metric in metrics)], body, text_columns=1
    )


def _gap(gap: Mapping[str, Any] | None, unit: str) -> str:
    if gap is None or gap["value"] is None:
        return ""
    value = signed(gap["value"], unit)
    sure = gap["p_holm"] is not None and gap["p_holm"] < ALPHA
    told = f"<b>{value}</b>" if sure else value
    return (
        f"{told}<small>{interval(gap, unit)}<br>p {number(gap['p_holm'], '1')}, n {gap['identities']}</small>"
    )


def _failures(summary: Mapping[str, Any]) -> str:
    body = [
        [f"<code>{escape(failure['job'])}</code>", escape(failure["reason"])]
        for failure in summary["failures"]
    ]
    return _table(["job", "reason"], body, text_columns=2) if body else ""


def _costs(summary: Mapping[str, Any]) -> str:
    body = []
    for row in summary["rows"]:
        costs = row["costs"]
        body.append(
            [
                escape(row["label"]),
                seconds(costs["seconds_a_head"]),
                seconds(costs["seconds_total"]),
                escape(calls(costs)),
                memory(costs["peak_memory_mib"]),
                str(costs["threads"]),
            ]
        )
    heads = ["method", "a head", "whole row", "guidance calls a head", "peak memory", "threads"]
    return _table(heads, body, text_columns=1)


def _papers(summary: Mapping[str, Any]) -> str:
    body = [[escape(cell) for cell in paper_row(entry)] for entry in summary["paper_numbers"]]
    return f"<p class='faint'>{NOTE}</p>{_table(HEADS, body, text_columns=len(HEADS))}" if body else ""


def _all_metrics(summary: Mapping[str, Any]) -> str:
    parts = []
    for family in dict.fromkeys(metric["family"] for metric in summary["metrics"]):
        metrics = [metric for metric in summary["metrics"] if metric["family"] == family]
        terms = "".join(
            f"<dt>{escape(metric['title'])}</dt><dd>{escape(metric['definition'])}</dd>" for metric in metrics
        )
        table = _metric_table(summary, metrics, chips=False)
        parts.append(f"<details><summary>{escape(family)}</summary>{table}<dl>{terms}</dl></details>")
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
        "code": ", ".join(f"{stage} {code}" for stage, code in facts["code"].items()),
        "methods' code": ", ".join(f"{label} {code}" for label, code in facts["methods_code"].items()),
    }
    terms = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in shown.items() if text)
    hashes = f"<details><summary>Hashes and versions</summary><dl>{terms}</dl></details>"
    return f"<pre>{escape(facts['command'])}</pre>{hashes}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        styles = (' class="text"' if index < text_columns else "" for index in range(len(cells)))
        return "".join(f"<{tag}{style}>{cell}</{tag}>" for style, cell in zip(styles, cells, strict=True))

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{line("th", heads)}</tr>{body}</table></div>'


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)
