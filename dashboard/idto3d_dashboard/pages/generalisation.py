"""Generalisation: gaps between groups of people, swaps, and whether these people were unseen."""

from __future__ import annotations

import streamlit

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.drawing.parts import put_empty
from idto3d_dashboard.drawing.sections import find, put_section

TITLE, PATH = "Generalisation", "generalisation"
SECTIONS = ("Generalisation", "Swaps", "Were these people unseen")


def show(choice: Choice) -> None:
    """The page."""
    streamlit.title(TITLE)
    found = find(choice.run.summary, *SECTIONS)
    for section in found:
        put_section(section, choice.run.labels, choice.methods)
    if not any(section["title"].startswith("Generalisation") for section in found):
        put_empty(
            "Gaps between groups take six people or more; idto3d-eval run --protocol cross_identity has "
            "seen, unseen and shifted ones."
        )
