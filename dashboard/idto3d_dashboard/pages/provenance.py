"""Provenance: how to get the same numbers again, and what they depend on."""

from __future__ import annotations

import streamlit

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.drawing.cards import provenance_facts
from idto3d_dashboard.drawing.parts import put_facts

TITLE, PATH = "Provenance", "provenance"


def show(choice: Choice) -> None:
    """The page."""
    summary = choice.run.summary
    told = summary["provenance"]
    streamlit.title(TITLE)
    streamlit.code(told["command"], language="bash")
    streamlit.caption(
        f"idto3d-eval verify {choice.run.name} recomputes the hashes and a sample of the scores."
    )
    put_facts(provenance_facts(summary))
    for title, name in (
        ("Weights, by sha256", "weights_sha256"),
        ("Libraries", "libraries"),
        ("Code of each stage", "code"),
        ("Code of each method", "methods_code"),
    ):
        with streamlit.expander(title):
            put_facts(sorted(told[name].items()))
    with streamlit.expander("The protocol"):
        streamlit.code(choice.run.protocol.model_dump_json(indent=2), language="json")
