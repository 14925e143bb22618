"""Identity by view, expression and light, its curve over yaw, and methods against the true heads, as plain
data for a report."""

from __future__ import annotations

from typing import Any

from idto3d_eval.breakdowns import against_true_heads, similarity_breakdowns, similarity_by_yaw
from idto3d_eval.metrics import METRICS
from idto3d_eval.metrics.recognisers import recogniser_of
from idto3d_eval.scored import Scored

CEILING_METHOD = "oracle"
FLOOR, CEILING = "impostors' floor", "true heads' ceiling"


def breakdown_sections(scored: Scored) -> list[dict[str, Any]]:
    """One section a recogniser: similarity of each row by view, expression and light."""
    sections = []
    for metric, methods in similarity_breakdowns(scored.scores, scored.protocol).items():
        recogniser = recogniser_of(metric)
        rows = [
            [method, part[:-1], str(name), *_shown(figure)]
            for method, parts in methods.items()
            for part, figures in parts.items()
            for name, figure in figures.items()
        ]
        sections.append(
            {
                "title": "Similarity by view, expression and light"
                + (f", by {recogniser}" if recogniser else ""),
                "note": "Cosine to the scoring photos, not calibrated; of identities' means, views without a "
                "readable face left out and counted beside.",
                "columns": ["row", "by", "name", "similarity", "low", "high", "read"],
                "rows": rows,
            }
        )
    return sections


def true_head_sections(scored: Scored) -> list[dict[str, Any]]:
    """What each row has more of than the true heads themselves; nothing where the run draws none."""
    rows = scored.protocol.methods
    truth = next((row.label for row in rows if row.method == CEILING_METHOD), None)
    labels = [row.label for row in rows]
    entries = against_true_heads(scored.measured, truth, labels, scored.protocol.statistics)
    if not entries:
        return []
    return [
        {
            "title": "Against the true heads",
            "note": "A face that moves changes some of each, so a row is judged against the true heads' own "
            "figure and not against zero or chance; paired on identity, p not corrected.",
            "columns": [
                "metric",
                "row",
                "more than true heads",
                "low",
                "high",
                "p",
                "true heads",
                "low",
                "high",
            ],
            "rows": [
                [
                    METRICS[entry["metric"]].title,
                    entry["method"],
                    *(_rounded(entry[name]) for name in ("value", "low", "high", "p")),
                    *(_rounded(entry["true_heads"][name]) for name in ("value", "low", "high")),
                ]
                for entry in entries
            ],
        }
    ]


def yaw_curves(scored: Scored) -> list[dict[str, Any]]:
    """One curve a recogniser: similarity against the camera's yaw, between floor and ceiling."""
    curves = []
    for metric, methods in similarity_by_yaw(scored.scores, scored.protocol).items():
        series = {
            method: [[point["yaw_deg"], point["value"]] for point in points]
            for method, points in methods.items()
        }
        bracket = max(
            methods.values(), key=lambda points: sum(point["floor"] is not None for point in points)
        )
        for name, part in ((FLOOR, "floor"), (CEILING, "ceiling")):
            known = [[point["yaw_deg"], point[part]] for point in bracket if point[part] is not None]
            if known:
                series[name] = known
        recogniser = recogniser_of(metric)
        curves.append(
            {
                "title": "Similarity against yaw" + (f", by {recogniser}" if recogniser else ""),
                "x": "yaw of the camera, degrees",
                "y": "cosine",
                "series": series,
            }
        )
    return curves


def _shown(figure: dict[str, Any]) -> list[Any]:
    numbers = [_rounded(figure[name]) for name in ("value", "low", "high")]
    return [*numbers, f"{figure['valid']} of {figure['total']}"]


def _rounded(number: float | None) -> float | None:
    return None if number is None or number != number else round(float(number), 4)
