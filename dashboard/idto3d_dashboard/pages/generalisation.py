"""Generalisation: gaps between groups of people, swaps, and whether these people were unseen."""

from __future__ import annotations

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.drawing.sections import find, put_section
from idto3d_dashboard.sheet import Sheet

TITLE, PATH = "Generalisation", "generalisation"
SECTIONS = ("Generalisation", "Swaps", "Were these people unseen")


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    sheet.title(TITLE)
    found = find(choice.run.summary, *SECTIONS)
    for section in found:
        put_section(sheet, section, choice.run.labels, choice.methods)
    if not any(section["title"].startswith("Generalisation") for section in found):
        sheet.empty(
            "Gaps between groups take six people or more; idto3d-eval run --protocol cross_identity has "
            "seen, unseen and shifted ones."
        )
