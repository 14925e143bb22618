"""The result table as Markdown: the report's twin for a README, an issue or a paper's appendix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idto3d_eval.added_text import refused_lines, sections_markdown
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
    valid,
)
from idto3d_eval.paper_numbers import HEADS, NOTE, TITLE, paper_row
from idto3d_eval.summary_text import population_sentence, titles
from idto3d_eval.table_of import table_of
from idto3d_eval.table_text import set_lines

COSTS = ("seconds a head", "guidance calls a head", "peak memory")


def markdown(summary: Mapping[str, Any]) -> str:
    """The report in Markdown: headline table, comparisons, failures and how to run it again.

    Args:
        summary: as `summary.json` holds it.
    """
    protocol = summary["protocol"]
    parts = [
        f"# {protocol['name']}, version {protocol['version']}",
        protocol["description"],
        population_sentence(protocol),
        headline_table(summary),
        f"★ best of its block; = cannot be told from the best (paired on identity, Holm over all such "
        f"tests of the block in this table); "
        f"brackets: {protocol['statistics']['level']:.0%} interval, bootstrap over identities.",
        *summary.get("notes", ()),
        *refused_lines(summary),
        *_told_apart_section(summary),
        *_paper_section(summary),
        *_comparison_section(summary),
        *sections_markdown(summary),
        *_failure_section(summary),
        "## Again",
        f"    {summary['provenance']['command']}",
        f"scores.parquet has the sha256 `{summary['provenance']['scores_sha256']}`.",
        *(
            f"Taken from the archive of sha256 `{sha}`: {', '.join(rows)}."
            for sha, rows in summary["provenance"]["archives"].items()
        ),
    ]
    return "\n\n".join(parts) + "\n"


def headline_table(summary: Mapping[str, Any]) -> str:
    """The headline figures alone, one Markdown table with a line above each block."""
    metrics = [metric for metric in summary["metrics"] if metric["headline"]]
    lines = [
        _line(["method", *(heading(metric) for metric in metrics), *COSTS]),
        _line(["---", *("---:" for _ in metrics), *("---:" for _ in COSTS)]),
    ]
    for block, title in summary["blocks"].items():
        rows = [row for row in summary["rows"] if row["block"] == block]
        if rows:
            lines.append(_line([f"*{title}*", *("" for _ in metrics), *("" for _ in COSTS)]))
        for row in rows:
            figures = [_cell(row["cells"].get(metric["name"]), metric["unit"]) for metric in metrics]
            costs = row["costs"]
            spent = [seconds(costs["seconds_a_head"]), calls(costs), memory(costs["peak_memory_mib"])]
            name = f"**{row['label']}** ({', '.join([*labels(row), given(row)])})"
            lines.append(_line([name, *figures, *spent]))
    return "\n".join(lines)


def _comparison_section(summary: Mapping[str, Any]) -> list[str]:
    found: Sequence[Mapping[str, Any]] = summary["comparisons"]
    if not found:
        return []
    known = titles(summary)
    level = f"{summary['protocol']['statistics']['level']:.0%}"
    lines = [
        _line(["metric", "difference", f"{level} interval", "effect", "p (Holm)", "identities"]),
        _line(["---", *["---:"] * 5]),
    ]
    for gap in found:
        metric = known[gap["metric"]]
        cells = [
            f"{metric['title']}: {gap['first']} − {gap['second']}",
            number(gap["value"], metric["unit"]),
            interval(gap, metric["unit"]),
            number(gap.get("effect"), "1"),
            number(gap["p_holm"], "1"),
            str(gap["identities"]),
        ]
        lines.append(_line(cells))
    return [f"## {found[0]['first']} against the others, paired on identity", "\n".join(lines)]


def _told_apart_section(summary: Mapping[str, Any]) -> list[str]:
    lines = [f"- {block}, {metric}: {runs}" for block, metric, runs in set_lines(table_of(summary))]
    note = "No pair in a set can be told apart (all pairs at once, step-down max-T); sets stand between bars."
    return ["## What cannot be told apart", note, "\n".join(lines)] if lines else []


def _paper_section(summary: Mapping[str, Any]) -> list[str]:
    entries = summary["paper_numbers"]
    if not entries:
        return []
    lines = [_line(HEADS), _line(["---", "---", "---:", "---", "---", "---"])]
    lines += [_line(paper_row(entry)) for entry in entries]
    return [f"## {TITLE}", NOTE, "\n".join(lines)]


def _failure_section(summary: Mapping[str, Any]) -> list[str]:
    if not summary["failures"]:
        return []
    lines = [f"- `{failure['job']}`: {_one_line(failure['reason'])}" for failure in summary["failures"]]
    return ["## Failed", "\n".join(lines)]


def _cell(cell: Mapping[str, Any] | None, unit: str) -> str:
    if cell is None:
        return ""
    parts = [f"{mark(cell)} {number(cell['value'], unit)}".strip(), interval(cell, unit), valid(cell)]
    return " ".join(part for part in parts if part)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_one_line(cell) for cell in cells) + " |"


def _one_line(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
