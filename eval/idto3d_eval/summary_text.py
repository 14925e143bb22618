"""What a summary says in words that pages share: who was measured, and what its metrics are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def population_sentence(protocol: Mapping[str, Any]) -> str:
    """Who was measured, with the label that synthetic results carry wherever they show."""
    people = protocol["population"]
    counts = ", ".join(
        [
            _counted(len(people["identities"]), "identity", "identities"),
            _counted(len(protocol["expressions"]), "expression", "expressions"),
            _counted(len(protocol["views"]), "view", "views"),
            _counted(len(protocol["seeds"]), "seed", "seeds"),
        ]
    )
    return (
        f"Population: {people['label']}, split {people['split']}, {counts}; photos of each person: "
        f"{people['conditioning_photos']} to make heads from, {people['scoring_photos']} others to score by."
    )


def titles(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Metric name -> its entry in the summary."""
    return {metric["name"]: metric for metric in summary["metrics"]}


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
