"""Preferences: people's votes beside the metrics, filled by a study."""

from __future__ import annotations

import streamlit

from idto3d_dashboard.choice import Choice
from idto3d_dashboard.drawing.parts import put_empty

TITLE, PATH = "Preferences", "preferences"


def show(choice: Choice) -> None:
    """The page."""
    streamlit.title(TITLE)
    put_empty(f"No study of people's preferences has been made of {choice.run.name} yet.")
