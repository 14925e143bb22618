"""A pair as a rater's browser is told of it: no method's name, and no word of why it is shown."""

from __future__ import annotations

from typing import Any

from idto3d_dashboard.rating.files import StudyFiles
from idto3d_eval.preference.questions import QUESTIONS, asked
from idto3d_eval.preference.raters import Shown
from idto3d_eval.preference.study import Study
from idto3d_eval.preference.trials import TRAINING, Trial


def view_of(shown: Shown | None, study: Study, files: StudyFiles) -> dict[str, Any] | None:
    """What the browser draws and asks; None at the end.

    Args:
        shown: the pair that a rater is at.
        study: its study.
        files: of the study.
    """
    if shown is None:
        return None
    trial, question = shown.trial, QUESTIONS[shown.trial.question]
    left, right = _heads(trial, files)
    return {
        "pair": trial.pair,
        "question": trial.question,
        "asked": asked(question, trial.expression),
        "look": question.look,
        "left": left,
        "right": right,
        "photos": files.photos(trial.identity) if question.photos else [],
        "answers": list(study.answers),
        "number": shown.number,
        "total": shown.total,
        "training": trial.kind == TRAINING,
        "turn": study.turn_deg,
        "seconds": study.least_seconds,
        "next": _following(shown, study, files),
    }


def _following(shown: Shown, study: Study, files: StudyFiles) -> list[str]:
    """Heads that can be fetched meanwhile; none where the next pair is chosen by what is answered now."""
    if shown.next_trial is None or study.scheduling == "adaptive":
        return []
    return list(_heads(shown.next_trial, files))


def _heads(trial: Trial, files: StudyFiles) -> tuple[str, str]:
    """The addresses of the two heads."""
    textured = QUESTIONS[trial.question].textured
    left, right = (
        files.head(role, trial.identity, trial.expression, textured) for role in (trial.left, trial.right)
    )
    return left, right
