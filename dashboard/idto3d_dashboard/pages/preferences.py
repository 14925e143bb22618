"""Preferences: people's votes beside the metrics, filled by a study."""

from __future__ import annotations

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.sheet import Sheet

TITLE, PATH = "Preferences", "preferences"


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    sheet.title(TITLE)
    sheet.empty(f"No study of people's preferences has been made of {choice.run.name} yet.")
