"""The report's tables: figures by method and metric, each linked to what is behind it; comparisons; costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from idto3d_eval.figures import ALPHA
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
from idto3d_eval.report_heads import breakable
from idto3d_eval.summary_text import titles
from idto3d_eval.table_of import table_of
from idto3d_eval.table_text import set_lines

Entry = Mapping[str, Any]


def figure_place(label: str, metric: str) -> str:
    """The id of the place where all that is behind a figure stands."""
    return f"f-{label}-{metric}"


def card_place(metric: str) -> str:
    """The id of the place of a metric's card."""
    return f"c-{metric}"


def metric_table(summary: Entry, metrics: Sequence[Entry], chips: bool) -> str:
    """Methods × metrics, block by block.

    Args:
        summary: as `summary.json` holds it.
        metrics: entries of it, a column each.
        chips: whether a row says how its method came here and what it was given.
    """
    heads = "".join(
        f'<th title="{escape(metric["definition"])}"><a href="#{card_place(metric["name"])}">'
        f"{escape(heading(metric))}</a></th>"
        for metric in metrics
    )
    rows = []
    for block, title in summary["blocks"].items():
        members = [row for row in summary["rows"] if row["block"] == block]
        if members:
            rows.append(f'<tr><td class="block" colspan="{len(metrics) + 1}">{escape(title)}</td></tr>')
        for row in members:
            cells = "".join(_cell(row, metric) for metric in metrics)
            rows.append(f"<tr><td>{_name(row, chips)}</td>{cells}</tr>")
    return f'<div class="scroll"><table><tr><th>method</th>{heads}</tr>{"".join(rows)}</table></div>'


def told_apart(summary: Entry) -> str:
    """The sets of methods in which no pair can be told apart, by headline metric."""
    lines = set_lines(table_of(summary))
    if not lines:
        return ""
    body = [
        [
            escape(metric),
            escape(block),
            " ".join(f'<span class="set">{escape(run)}</span>' for run in runs.split(" | ")),
        ]
        for block, metric, runs in lines
    ]
    note = (
        "<p class='faint'>In a set no pair can be told apart: all pairs are tested at once (step-down "
        "max-T over joint sign flips of identities), and over the metrics of the headline. The best stands "
        "first; "
        "sets overlap where being alike does not carry over. More is tested here than beside ★, so a row may "
        "share a set with the best and lack its =.</p>"
    )
    shown = table(["metric", "block", "sets"], body, 3)
    return f"<details><summary>What cannot be told apart</summary>{note}{shown}</details>"


def comparisons(summary: Entry) -> str:
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
        f"interval. d: the mean difference in standard deviations of the differences. Bold: p &lt; {ALPHA} "
        "after Holm's correction over the whole table; rows that bracket the scale are corrected apart.</p>"
    )
    return note + table(
        [escape(first), *(escape(heading(metric)) for metric in metrics)], body, text_columns=1
    )


def costs(summary: Entry) -> str:
    """What a head and a row cost."""
    body = []
    for row in summary["rows"]:
        spent = row["costs"]
        body.append(
            [
                escape(row["label"]),
                seconds(spent["seconds_a_head"]),
                seconds(spent["seconds_total"]),
                escape(calls(spent)),
                memory(spent["peak_memory_mib"]),
                str(spent["threads"]),
            ]
        )
    heads = ["method", "a head", "whole row", "guidance calls a head", "peak memory", "threads"]
    return table(heads, body, text_columns=1)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int) -> str:
    """A table of cells that are HTML already; the first columns are text, the others numbers."""

    def line(tag: str, cells: Sequence[str]) -> str:
        styles = (' class="text"' if index < text_columns else "" for index in range(len(cells)))
        return "".join(f"<{tag}{style}>{cell}</{tag}>" for style, cell in zip(styles, cells, strict=True))

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{line("th", heads)}</tr>{body}</table></div>'


def _name(row: Entry, chips: bool) -> str:
    name = f'<b title="{escape(row["summary"])}">{breakable(row["label"])}</b>'
    if not chips:
        return name
    told = escape(", ".join(labels(row)))
    return f'{name}<small class="chips">{told}<span class="given"><br>{escape(given(row))}</span></small>'


def _cell(row: Entry, metric: Entry) -> str:
    cell, unit = row["cells"].get(metric["name"]), metric["unit"]
    if cell is None:
        return "<td></td>"
    link = f'<a href="#{figure_place(row["label"], metric["name"])}">'
    if cell["value"] is None:
        return f'<td>{link}<span class="missing" title="{escape(cell["reason"])}">none</span></a></td>'
    under = "<br>".join(part for part in (interval(cell, unit), valid(cell)) if part)
    style = ' class="best"' if cell["best"] else ""
    told = f"{mark(cell)} {number(cell['value'], unit)}".strip()
    return f"<td{style}><b>{link}{told}</a></b><small>{under}</small></td>"


def _gap(gap: Entry | None, unit: str) -> str:
    if gap is None or gap["value"] is None:
        return ""
    value = signed(gap["value"], unit)
    sure = gap["p_holm"] is not None and gap["p_holm"] < ALPHA
    told = f"<b>{value}</b>" if sure else value
    effect = f"d {signed(gap['effect'], '1')}, " if gap.get("effect") is not None else ""
    return (
        f'<a href="#{figure_place(gap["second"], gap["metric"])}">{told}</a><small>{interval(gap, unit)}<br>'
        f"{effect}p {number(gap['p_holm'], '1')}, n {gap['identities']}</small>"
    )
