"""Metric cards: what each metric means, how it misleads, what it was proven on."""

from __future__ import annotations

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.sheet import Sheet, put_all
from idto3d_eval.card_text import card_facts

TITLE, PATH = "Metric cards", "cards"


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    sheet.title(TITLE)
    metrics = choice.run.metrics
    families = list(dict.fromkeys(metric["family"] for metric in metrics.values()))
    shown = [sheet.choose("Family", families, "family", side_by_side=True)] if sheet.live else families
    hashes = choice.run.summary["provenance"]["weights_sha256"]
    for family in shown:
        if len(shown) > 1:
            sheet.heading(family)
        own = [metric for metric in metrics.values() if metric["family"] == family]
        put_all(
            sheet,
            {
                metric["title"]: [*card_facts(metric, hashes).items(), ("name", metric["name"])]
                for metric in own
            },
        )
    for entry in choice.run.summary["refused"]:
        sheet.empty(f"{entry['metric']} is not reported, since it failed its self-check: {entry['reason']}")
