"""The rater's app: who comes, then the one screen that is theirs now.

Streamlit runs this file anew for every rater and change. What a rater has done is asked of the study each
time, so a reload, another device or a server that was killed and started again goes on at the same place.
"""

from __future__ import annotations

import streamlit

from idto3d_dashboard.rating import screens
from idto3d_dashboard.rating.state import Served, served
from idto3d_eval.preference.raters import Rater, Refused

# What panels call their participants in the links that they send people by.
PANEL_PERSON = {"prolific": "PROLIFIC_PID", "mturk": "workerId"}


def main() -> None:
    """Show one screen."""
    here = served()
    streamlit.set_page_config(page_title=here.service.study.title, layout="centered")
    screens.put_style()
    try:
        token = _token(here)
        rater = here.service.admit(token)
    except Refused as error:
        here.log.warn(f"page: {error}")
        screens.closed(here.service.study, str(error))
        return
    _show(here, rater, token)


def _token(here: Served) -> str:
    """The token in the address; someone from a panel gets theirs, and the panel's id leaves the address."""
    asked = streamlit.query_params
    join = asked.get("join")
    if join is None:
        return str(asked.get("r", ""))
    person = str(asked.get(PANEL_PERSON.get(here.service.study.panel, ""), ""))
    token = here.service.join(str(join), person)
    asked.from_dict({"r": token})
    return token


def _show(here: Served, rater: Rater, token: str) -> None:
    study = here.service.study
    if rater.finished:
        screens.thanks(study, here.service.code(rater))
    elif not rater.consented:
        if screens.consent(study):
            here.service.consent(rater)
            streamlit.rerun()
    elif (shown := here.service.now(rater)) is None:
        answers = screens.survey(study)
        if answers is not None:
            here.service.finish(rater, answers)
            streamlit.rerun()
    elif shown.number == 0 and not screens.instructed(study):
        return
    else:
        screens.pair(shown, study, here.files, token)
