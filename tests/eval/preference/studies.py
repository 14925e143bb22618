"""Small studies for tests: a plan and a database, without a run behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from idto3d_eval.preference.links import rater_of_slot, token_of
from idto3d_eval.preference.raters import Rater, Shown
from idto3d_eval.preference.service import StudyService
from idto3d_eval.preference.study import PLAN, Study, write_secret, write_study
from idto3d_eval.preference.trials import Planner, trials_table

METHODS = ("alpha", "beta", "gamma", "delta")


def small_study(**changed: Any) -> Study:
    """Four methods, three people, four raters."""
    told: dict[str, Any] = {
        "run": "a_run",
        "questions": ("identity", "geometry"),
        "methods": METHODS,
        "identities": ("ada", "bo", "cy"),
        "expressions": ("neutral", "smile"),
        "raters": 4,
        "pairs": 6,
        "attention": 2,
        "repeats": 1,
        "most_of_one_person": 4,
        "reference": "oracle",
        "least_seconds": 2.0,
        "turn_deg": 60.0,
    }
    return Study(**(told | changed))


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def made_study(folder: Path, study: Study) -> Path:
    """A study's folder with its plan and key, and no files to show."""
    folder.mkdir(parents=True, exist_ok=True)
    planner = Planner(study)
    trials = [trial for slot in range(study.raters) for trial in planner.rater(slot)]
    trials_table(trials).write_parquet(folder / PLAN)
    write_secret(folder)
    write_study(folder, study)
    return folder


def opened(folder: Path, study: Study | None = None, url: str | None = None) -> tuple[StudyService, Clock]:
    """A study's service with a clock that stands."""
    if not (folder / PLAN).exists():
        made_study(folder, study or small_study())
    service = StudyService.open(folder, url)
    service.clock = Clock()
    return service, service.clock


def token(service: StudyService, slot: int) -> str:
    """What the link of a place carries."""
    return token_of(service.key, rater_of_slot(service.key, slot))


def agreed(service: StudyService, slot: int = 0) -> Rater:
    """A rater who has consented."""
    service.consent(service.admit(token(service, slot)))
    return service.admit(token(service, slot))


def shown(service: StudyService, rater: Rater) -> Shown:
    """The pair that a rater is at, which there is."""
    found = service.now(rater)
    assert found is not None
    return found


def answer_all(service: StudyService, rater: Rater, clock: Clock, answer: str = "left") -> int:
    """Answer all pairs that are left; how many there were."""
    count = 0
    while (here := service.now(rater)) is not None:
        clock.now += 5
        service.vote(rater, here.trial.pair, here.trial.question, answer, 90.0)
        count += 1
    return count
