"""Metric cards: what each metric means, how it misleads, what it was proven on."""

from __future__ import annotations

import streamlit

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.drawing.cards import card_facts
from idto3d_dashboard.drawing.parts import put_empty, put_facts

TITLE, PATH = "Metric cards", "cards"


def show(choice: Choice) -> None:
    """The page."""
    streamlit.title(TITLE)
    metrics = choice.run.metrics
    families = list(dict.fromkeys(metric["family"] for metric in metrics.values()))
    family = streamlit.segmented_control(
        "Family", families, default=families[0], key="family", bind="query-params", required=True
    )
    hashes = choice.run.summary["provenance"]["weights_sha256"]
    for metric in metrics.values():
        if metric["family"] == family:
            with streamlit.expander(metric["title"]):
                put_facts(card_facts(metric, hashes))
    for entry in choice.run.summary["refused"]:
        put_empty(f"{entry['metric']} is not reported, since it failed its self-check: {entry['reason']}")
