"""A table as LaTeX (booktabs), Markdown, CSV and JSON: the same figures in each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from idto3d_eval.figures_text import heading, interval, mark, number, valid
from idto3d_eval.table_of import MetricTable
from idto3d_eval.table_text import DETAIL_HEADS, detail_rows, details, notes, set_lines

# Columns of a CSV: what names a figure, then all that stands behind it.
COLUMNS = (
    *("block", "label", "kind", "metric", "unit", "better", "value", "low", "high", "level", "interval"),
    *("valid", "total", "reason", "why_not", "least", "most", "rank_low", "rank_high", "best", "tied"),
    *("to_best", "to_best_low", "to_best_high", "effect", "p", "p_holm", "identities", "test", "sets"),
)


def as_markdown(table: MetricTable) -> str:
    """Figures, then everything behind each, then what cannot be told apart."""
    heads = ["method", *(heading(metric) for metric in table.metrics)]
    lines = [_line(heads), _line(["---", *("---:" for _ in table.metrics)])]
    for _, title, rows in table.by_block():
        lines.append(_line([f"*{title}*", *("" for _ in table.metrics)]))
        for row in rows:
            cells = [_cell(table, row["label"], metric) for metric in table.metrics]
            lines.append(_line([f"**{row['label']}**", *cells]))
    parts = ["\n".join(lines)]
    for title, behind in detail_rows(table):
        if behind:
            told = [_line(DETAIL_HEADS), _line(["---"] * 2 + ["---:"] * (len(DETAIL_HEADS) - 2))]
            parts += [f"### {title}", "\n".join([*told, *map(_line, behind)])]
    found = [f"- {block}, {metric}: {runs}" for block, metric, runs in set_lines(table)]
    if found:
        parts += ["### What cannot be told apart", "\n".join(found)]
    return "\n\n".join([*parts, *notes(table)]) + "\n"


def as_latex(table: MetricTable) -> str:
    """Two tables for a paper that loads booktabs: the figures, and all that stands behind them."""
    columns, protocol = len(table.metrics), table.summary["protocol"]
    heads = " & ".join(["method", *(_tex(heading(metric)) for metric in table.metrics)])
    lines = [
        f"% {protocol['name']} version {protocol['version']}, scores.parquet sha256 "
        f"{table.summary['provenance']['scores_sha256']}; needs \\usepackage{{booktabs}}",
        f"\\begin{{tabular}}{{l{'r' * columns}}}",
        "\\toprule",
        heads + r" \\",
    ]
    for _, title, rows in table.by_block():
        lines += ["\\midrule", f"\\multicolumn{{{columns + 1}}}{{l}}{{\\emph{{{_tex(title)}}}}} \\\\"]
        for row in rows:
            cells = [_tex_cell(table, row["label"], metric) for metric in table.metrics]
            lines.append(" & ".join([_tex(row["label"]), *cells]) + r" \\")
    lines += ["\\bottomrule", "\\end{tabular}", ""]
    lines += [
        f"\\begin{{tabular}}{{ll{'r' * (len(DETAIL_HEADS) - 2)}}}",
        "\\toprule",
        " & ".join(map(_tex, DETAIL_HEADS)) + r" \\",
    ]
    for title, details_of in detail_rows(table):
        if details_of:
            lines += [
                "\\midrule",
                f"\\multicolumn{{{len(DETAIL_HEADS)}}}{{l}}{{\\emph{{{_tex(title)}}}}} \\\\",
                *(" & ".join(map(_tex, row)) + r" \\" for row in details_of),
            ]
    lines += ["\\bottomrule", "\\end{tabular}", ""]
    found = [f"{block}, {metric}: {runs}." for block, metric, runs in set_lines(table)]
    if found:
        lines += [
            "% What cannot be told apart, the best set first; sets between bars.",
            *map(_tex, found),
            "",
        ]
    return "\n".join([*lines, *(f"% {note}" for note in notes(table))]) + "\n"


def as_csv(table: MetricTable) -> str:
    """One line a method and metric, numbers unrounded, nothing where there is none."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records(table))
    return text.getvalue()


def as_json(table: MetricTable) -> str:
    """The same as CSV, with what the run and the table are, and the sets as lists."""
    summary = table.summary
    found: dict[str, Any] = {
        "protocol": {key: summary["protocol"][key] for key in ("name", "version", "profile")},
        "population": summary["protocol"]["population"]["label"],
        "scores_sha256": summary["provenance"]["scores_sha256"],
        "table": table.name,
        "metrics": list(table.metrics),
        "figures": [_nulls(record) for record in records(table)],
        "sets": [
            {"block": block, "metric": metric, "sets": [list(run) for run in runs]}
            for (block, metric), runs in table.sets.items()
        ],
        "refused": summary.get("refused", []),
        "notes": notes(table),
    }
    figures = ",\n".join(json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in found["figures"])
    rest = json.dumps({**found, "figures": []}, ensure_ascii=False, allow_nan=False)
    return rest.replace('"figures": []', f'"figures": [\n{figures}\n]', 1) + "\n"


def records(table: MetricTable) -> list[dict[str, Any]]:
    """A record a method and metric, by the names of `COLUMNS`."""
    found = []
    for block, _, rows in table.by_block():
        for row in rows:
            for metric in table.metrics:
                cell = table.cells.get((row["label"], metric["name"]))
                if cell is not None:
                    found.append(_record(table, block, row, metric, cell))
    return found


def _record(
    table: MetricTable,
    block: str,
    row: Mapping[str, Any],
    metric: Mapping[str, Any],
    cell: Mapping[str, Any],
) -> dict[str, Any]:
    gap = cell.get("to_best") or {}
    low, high = cell.get("rank") or (None, None)
    own = [run for run in table.sets.get((block, metric["name"]), ()) if row["label"] in run]
    numbered = table.sets.get((block, metric["name"]), ())
    return {
        "block": block,
        **{key: row[key] for key in ("label", "kind")},
        "metric": metric["name"],
        **{key: metric[key] for key in ("unit", "better")},
        **{key: cell.get(key) for key in ("value", "low", "high")},
        "level": table.summary["protocol"]["statistics"]["level"],
        **{key: cell.get(key) for key in ("interval", "valid", "total", "reason")},
        "why_not": "; ".join(f"{count} × {reason}" for reason, count in cell.get("why_not") or ()),
        **{key: cell.get(key) for key in ("least", "most")},
        "rank_low": low,
        "rank_high": high,
        **{key: cell[key] for key in ("best", "tied")},
        "to_best": gap.get("value"),
        "to_best_low": gap.get("low"),
        "to_best_high": gap.get("high"),
        "effect": gap.get("effect"),
        "p": gap.get("p"),
        "p_holm": cell.get("p_holm"),
        "identities": gap.get("identities"),
        "test": gap.get("test"),
        "sets": " ".join(str(numbered.index(run) + 1) for run in own),
    }


def _nulls(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if value == "" else value for key, value in record.items()}


def _cell(table: MetricTable, label: str, metric: Mapping[str, Any]) -> str:
    cell = table.cells.get((label, metric["name"]))
    if cell is None:
        return ""
    unit = metric["unit"]
    parts = [f"{mark(cell)} {number(cell['value'], unit)}".strip(), interval(cell, unit), valid(cell)]
    return " ".join(part for part in parts if part)


def _tex_cell(table: MetricTable, label: str, metric: Mapping[str, Any]) -> str:
    cell = table.cells.get((label, metric["name"]))
    if cell is None:
        return ""
    value = _tex(details(cell, metric["unit"])[0])
    value = f"\\textbf{{{value}}}" if cell["best"] else value
    value += "$^{=}$" if cell["tied"] else ""
    bounds = interval(cell, metric["unit"])
    few = valid(cell)
    under = " ".join(part for part in (bounds, few) if part)
    return value + (f" {{\\scriptsize {_tex(under)}}}" if under else "")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


_TEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "★": r"$\star$",
    "²": "$^2$",
    "°": r"$^\circ$",
    "\n": " ",
}


def _tex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_TEX.get(sign, sign) for sign in text)


FORMATS: dict[str, tuple[str, Callable[[MetricTable], str]]] = {
    "latex": (".tex", as_latex),
    "markdown": (".md", as_markdown),
    "csv": (".csv", as_csv),
    "json": (".json", as_json),
}
