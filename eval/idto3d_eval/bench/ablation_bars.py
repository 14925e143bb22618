"""From an ablation run's summary to its table and its bars."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from idto3d_eval.bench.bars import Bar

COLUMNS = {
    "calibrated_identity": "identity",
    "rank1": "rank-1",
    "expression_accuracy": "expression",
    "joint": "joint",
    "now_median": "NoW, mm",
}
QUARTERS = ("steps_0", "steps_25", "steps_50", "id_to_3d")
CHANCE = 2 / 13  # two of thirteen expressions

Summary = Mapping[str, Any]


def table_of(summary: Summary) -> list[dict[str, str]]:
    """One row a label: the ablation's figures with their intervals."""
    rows = []
    for row in summary["rows"]:
        cells = {
            title: _shown(row["cells"][metric]) for metric, title in COLUMNS.items() if metric in row["cells"]
        }
        rows.append({"": row["label"], **cells})
    return rows


def bars_of(summary: Summary) -> list[Bar]:
    """What must hold where distillation is what makes the head (issue: "it is SDS that does it")."""
    bars = [
        Bar("identity without steps", _value(summary, "steps_0", "calibrated_identity"), 0.1),
        Bar("expressions without steps", _value(summary, "steps_0", "expression_accuracy"), CHANCE),
    ]
    for before, after in itertools.pairwise(QUARTERS):
        for metric in ("calibrated_identity", "expression_accuracy"):
            gain = _value(summary, after, metric) - _value(summary, before, metric)
            bars.append(Bar(f"{COLUMNS[metric]}: {after} over {before}", gain, 0.0, least=True))
    bars.append(
        Bar(
            "another's photos: rank-1 as them",
            _value(summary, "swapped_as_photos", "rank1"),
            0.9,
            least=True,
        )
    )
    none = _interval_end(summary, "steps_0", "calibrated_identity")
    bars.append(
        Bar(
            "noise for guidance: identity",
            _value(summary, "noise", "calibrated_identity"),
            none,
            note="up to the upper end without steps",
        )
    )
    return bars


def _value(summary: Summary, label: str, metric: str) -> float:
    found = _cell(summary, label, metric).get("value")
    return float("nan") if found is None else float(found)


def _interval_end(summary: Summary, label: str, metric: str) -> float:
    cell = _cell(summary, label, metric)
    high = cell.get("high") if cell.get("high") is not None else cell.get("value")
    return float("nan") if high is None else float(high)


def _cell(summary: Summary, label: str, metric: str) -> Mapping[str, Any]:
    for row in summary["rows"]:
        if row["label"] == label:
            found: Mapping[str, Any] = row["cells"].get(metric, {})
            return found
    return {}


def _shown(cell: Mapping[str, Any]) -> str:
    if cell.get("value") is None:
        return "undefined"
    text = f"{cell['value']:.3f}"
    if cell.get("low") is not None and cell["low"] != cell["high"]:
        text += f" [{cell['low']:.3f}, {cell['high']:.3f}]"
    return text
