"""Provenance: how to get the same numbers again, and what they depend on."""

from __future__ import annotations

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.drawing.cards import provenance_facts
from idto3d_dashboard.sheet import Sheet, put_all

TITLE, PATH = "Provenance", "provenance"


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    summary = choice.run.summary
    told = summary["provenance"]
    sheet.title(TITLE)
    sheet.code(told["command"])
    sheet.note(f"idto3d-eval verify {choice.run.name} recomputes the hashes and a sample of the scores.")
    sheet.facts(provenance_facts(summary))
    put_all(
        sheet,
        {
            title: sorted(told[name].items())
            for title, name in (
                ("Weights, by sha256", "weights_sha256"),
                ("Libraries", "libraries"),
                ("Code of each stage", "code"),
                ("Code of each method", "methods_code"),
            )
        },
    )
    with sheet.folded("The protocol"):
        sheet.code(choice.run.protocol.model_dump_json(indent=2))
