"""What benchmarks that run a protocol share: the run, its table, and its figures held against their bars."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d_eval.bench.bars import Bar, write_figures

if TYPE_CHECKING:
    from idto3d_protocols.schema import Protocol

COLUMNS = {
    "calibrated_identity": "identity",
    "rank1": "rank-1",
    "expression_accuracy": "expression",
    "joint": "joint",
    "now_median": "NoW, mm",
}

Summary = Mapping[str, Any]


def hold_against_bars(
    protocol: Protocol,
    folder: Path,
    bars_of: Callable[[Summary], Sequence[Bar]],
    *,
    progress: bool,
    json: bool,
) -> bool:
    """Run a protocol into a folder (a finished run is read), print its table and bars, and write the bars.

    Args:
        protocol: what to run.
        folder: the run's.
        bars_of: from the run's summary to its bars; none where nothing is asked.
        progress: whether to show how far it is.
        json: whether to print JSON instead of tables.

    Returns:
        Whether every bar was passed.
    """
    from idto3d_eval.run import run_protocol
    from idto3d_eval.show import print_rows

    run_protocol(protocol, folder, progress=progress)
    summary = loads((folder / "summary.json").read_text(encoding="utf-8"))
    bars = bars_of(summary)
    write_figures(folder / "bars.json", bars)
    print_rows(table_of(summary), json)
    if bars:
        print_rows([bar.row() for bar in bars], json)
    return all(bar.passed for bar in bars)


def table_of(summary: Summary) -> list[dict[str, str]]:
    """One row a label: its figures with their intervals."""
    rows = []
    for row in summary["rows"]:
        cells = {
            title: _shown(row["cells"][metric]) for metric, title in COLUMNS.items() if metric in row["cells"]
        }
        rows.append({"": row["label"], **cells})
    return rows


def figure_of(summary: Summary, label: str, metric: str, part: str = "value") -> float:
    """A label's figure, or an end of its interval ("low", "high"); NaN where it is undefined or not there."""
    cells: Mapping[str, Any] = next((row["cells"] for row in summary["rows"] if row["label"] == label), {})
    found = cells.get(metric, {}).get(part)
    return math.nan if found is None else float(found)


def _shown(cell: Mapping[str, Any]) -> str:
    if cell.get("value") is None:
        return "undefined"
    text = f"{cell['value']:.3f}"
    if cell.get("low") is not None and cell["low"] != cell["high"]:
        text += f" [{cell['low']:.3f}, {cell['high']:.3f}]"
    return text
