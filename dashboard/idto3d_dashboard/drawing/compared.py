"""Two runs of one protocol, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from idto3d_dashboard.drawing.tables import html_table
from idto3d_eval.figures_text import number, signed

if TYPE_CHECKING:
    import polars

    from idto3d_eval.compare import Compared


def table(found: Compared, chosen: Sequence[str]) -> str:
    """A line a row, a column a metric: the first run's figure, and how far the second's is from it."""
    metrics = list(dict.fromkeys((pair.metric, pair.title) for pair in found.pairs))
    cells = {(pair.method, pair.metric): pair for pair in found.pairs}
    lines = []
    for method in dict.fromkeys(pair.method for pair in found.pairs):
        if method not in chosen:
            continue
        line = [f"<b>{escape(method)}</b>"]
        for metric, _ in metrics:
            pair = cells.get((method, metric))
            if pair is None:
                line.append("")
                continue
            gap = signed(-pair.gap.value, pair.unit)
            told = f"<b>{gap}</b>" if pair.apart else gap
            line.append(
                f"{told}<small>{number(pair.first, pair.unit)} → {number(pair.second, pair.unit)}</small>"
            )
        lines.append(line)
    return html_table(["second minus first", *(title for _, title in metrics)], lines)


def legend(found: Compared, first: str, second: str) -> str:
    """What the table says, and what differs in where the two runs come from."""
    told = f"First: {first}. Second: {second}. Bold: told apart (paired on identity, Holm over the table)."
    lacking = [f"only in the {which}: {', '.join(labels)}" for which, labels in found.only.items() if labels]
    differing = [f"{what}: {one} and {two}" for what, one, two in found.differing]
    return " ".join([told, *(f"{text}." for text in [*lacking, *differing])])


def rows(found: Compared) -> polars.DataFrame:
    """A line a row and metric, for a download."""
    import polars

    return polars.DataFrame(
        [
            {
                "method": pair.method,
                "metric": pair.metric,
                "first": pair.first,
                "second": pair.second,
                "first_minus_second": pair.gap.value,
                "low": pair.gap.low,
                "high": pair.gap.high,
                "p_holm": pair.p_holm,
            }
            for pair in found.pairs
        ],
        infer_schema_length=None,
    )
