"""What people prefer, as tables of a run's report, where a study of the run was analysed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idto3d_eval.preference.analysis_text import (
    by_accuracy,
    foremost,
    left_out_sentence,
    rank_range,
    without_intervals,
)
from idto3d_eval.preference.kept import read_preferences
from idto3d_eval.scored import Scored

Entry = Mapping[str, Any]
TITLE, METRICS = "What people prefer", "Which metrics prefer what people prefer"


def preference_sections(scored: Scored) -> list[dict[str, Any]]:
    """Strengths by question, and metrics beside them; nothing where no study was analysed."""
    found = read_preferences(scored.store.root)
    if found is None:
        return []
    sections = [strength_section(found), metric_section(found)]
    return [section for section in sections if section["rows"]]


def strength_section(found: Entry) -> dict[str, Any]:
    """A line a question and method, the strongest first.

    Args:
        found: as `preferences.json` holds it.
    """
    counts = found["counts"]
    return {
        "title": TITLE,
        "note": f"{counts['pair']} votes of {counts['raters']} raters on pairs of heads, "
        f"{counts['identities']} people; {left_out_sentence(found)} Strengths are log-odds by Davidson's "
        f"model, {found['level']:.0%} intervals over raters and people; ranks count who is shown better.",
        "columns": [
            "question",
            "method",
            "strength",
            "low",
            "high",
            "rank",
            "may be",
            "won",
            "neither",
            "votes",
        ],
        "rows": [
            [
                result["question"],
                row["method"],
                row["strength"],
                row["low"],
                row["high"],
                row["rank"],
                rank_range(row),
                row["won"],
                row["neither"],
                row["votes"],
            ]
            for result in found["questions"]
            for row in result["methods"]
        ],
    }


def metric_section(found: Entry) -> dict[str, Any]:
    """A line a question and metric: the headline, and those that track people best."""
    told = sorted({line for one in found["agreement"] for line in without_intervals(one["metrics"])})
    known = max((len(by_accuracy(one["metrics"])) for one in found["agreement"]), default=0)
    return {
        "title": METRICS,
        "note": "Accuracy: share of decided votes whose preferred head is the metric's better one, 0.5 is "
        f"chance; Kendall's tau of methods; intervals over people. Of {known} metrics, the headline and "
        f"those that track people best; the best of many would be worse again. {' '.join(told)}".strip(),
        "columns": ["question", "metric", "accuracy", "low", "high", "tau", "tau low", "tau high", "votes"],
        "rows": [
            [
                one["question"],
                row["title"],
                *(row["accuracy"][name] for name in ("value", "low", "high")),
                *(row["tau"][name] for name in ("value", "low", "high")),
                row["votes"],
            ]
            for one in found["agreement"]
            for row in foremost(one["metrics"])
        ],
    }
