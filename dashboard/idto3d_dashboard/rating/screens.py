"""The rater's screens, a function each."""

from __future__ import annotations

import streamlit

from idto3d_dashboard.rating.files import StudyFiles
from idto3d_dashboard.rating.routes import rater_version
from idto3d_dashboard.rating.view import view_of
from idto3d_dashboard.viewer.streamlit_component import built_component
from idto3d_eval.preference.raters import Shown
from idto3d_eval.preference.service import LONGEST_TEXT
from idto3d_eval.preference.study import Study

_STYLE = """
<style>
[data-testid="stHeader"] { background: transparent; }
[data-testid="stMainBlockContainer"] { padding-top: 1.5rem; padding-bottom: 2rem; max-width: 56rem; }
.keys { display: grid; grid-template-columns: max-content 1fr; gap: 0.35rem 1.25rem; margin: 0; }
.keys dt { font-weight: 600; }
.keys dd { margin: 0; }
/* Streamlit writes white on the theme's colour, which in the dark one is light. */
@media (prefers-color-scheme: dark) {
  [data-testid^="stBaseButton-primary"]:enabled,
  [data-testid^="stBaseButton-primary"]:enabled * { color: #10201e; }
}
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding: 0.75rem 0.75rem 1.5rem; }
}
</style>
"""

# Streamlit sends a component's own script with every message, so that is only this.
_LOADER = """
export default async function ({ data, parentElement, setTriggerValue }) {
  const viewer = await import(new URL(data.module, document.baseURI).href);
  return viewer.showPair(parentElement, data, () => setTriggerValue("done", true));
}
"""


def put_style() -> None:
    """What holds for all screens."""
    streamlit.html(_STYLE)


def closed(study: Study, sentence: str) -> None:
    """For whom there is nothing here."""
    streamlit.title(study.title)
    streamlit.warning(sentence, icon=":material/lock:")
    _contact(study)


def consent(study: Study) -> bool:
    """What taking part means; whether the rater has just agreed."""
    streamlit.title(study.title)
    streamlit.text(study.consent)
    _contact(study)
    agreed = streamlit.checkbox("I have read this, I am of age, and I want to take part.")
    return streamlit.button("Go on", type="primary", disabled=not agreed)


def instructed(study: Study) -> bool:
    """How it goes; whether the rater has read it in this session."""
    if streamlit.session_state.get("instructed"):
        return True
    streamlit.title("How it goes")
    streamlit.text(study.instructions)
    keys = [
        ("drag, or A D W S", "turn both heads"),
        ("pinch, or + and −", "closer and away"),
        ("←", "the left head"),
        ("→", "the right head"),
    ]
    keys += [("↓", "both the same")] if study.ties else []
    keys += [("↑", "neither of them")] if study.neither else []
    lines = "".join(f"<dt>{key}</dt><dd>{meaning}</dd>" for key, meaning in keys)
    streamlit.html(f'<dl class="keys">{lines}</dl>')
    count = study.pairs + study.attention + study.repeats
    streamlit.text(
        f"The first pair is for practice, {count} follow. You may stop and come back later by the same link."
    )
    if streamlit.button("Begin", type="primary"):
        streamlit.session_state["instructed"] = True
        streamlit.rerun()
    return False


def pair(shown: Shown, study: Study, files: StudyFiles, token: str) -> None:
    """Two heads and a question; the browser goes on from pair to pair by itself, and tells of the end."""
    data = {
        "module": f"/study/rater.js?v={rater_version()}",
        "token": token,
        "view": view_of(shown, study, files),
    }
    built_component("heads_pair", "rater.css", _LOADER)(key="pair", data=data, on_done_change=lambda: None)


def survey(study: Study) -> dict[str, str] | None:
    """The last questions; their answers once they are sent."""
    streamlit.title("Almost done")
    with streamlit.form("survey"):
        answers = {
            item.name: streamlit.selectbox(item.label, item.options, index=None, placeholder="Choose")
            if item.options
            else streamlit.text_area(item.label, max_chars=LONGEST_TEXT)
            for item in study.survey
        }
        sent = streamlit.form_submit_button("Finish", type="primary")
    return {name: answer for name, answer in answers.items() if answer} if sent else None


def thanks(study: Study, code: str) -> None:
    """The end, with what is needed to be paid."""
    streamlit.title("Thank you")
    streamlit.text("All your answers are stored. This is your completion code:")
    streamlit.code(code, language=None)
    if study.completion_url:
        streamlit.link_button("Back to where you came from", study.completion_url.replace("{code}", code))
    _contact(study)


def _contact(study: Study) -> None:
    if study.contact:
        streamlit.text(f"Questions: {study.contact}")
