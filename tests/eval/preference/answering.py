"""Raters who answer a study through its service: most by known strengths, some by chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa

from idto3d_eval.preference.service import StudyService
from idto3d_eval.preference.simulate import drawn_outcomes
from idto3d_eval.preference.votes import OUTCOMES
from tests.eval.preference.studies import Clock, agreed

SIDE, TASTE = 0.2, 0.3  # log-odds


def unsynced(service: StudyService) -> StudyService:
    """The same study, its votes not waiting for the disk: tests may lose them with the machine."""

    def forget(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    if service.engine.dialect.name == "sqlite":
        sa.event.listen(service.engine, "connect", forget)
        service.engine.dispose()
    return service


def answer(
    service: StudyService,
    clock: Clock,
    strengths: Mapping[str, float],
    slots: Iterable[int],
    careless: Iterable[int] = (),
    nu: float = 0.3,
) -> None:
    """Raters one after another answer everything.

    Args:
        service: of the study.
        clock: its clock.
        strengths: log-strength of each method.
        slots: places of the raters.
        careless: those among them who answer by chance, attention pairs too.
        nu: of the ties.
    """
    by_chance = set(careless)
    for slot in slots:
        rng = np.random.default_rng([11, slot])
        taste = {name: TASTE * rng.normal() for name in strengths}
        rater = agreed(service, slot)
        while (here := service.now(rater)) is not None:
            trial = here.trial
            if slot in by_chance:
                said = str(rng.choice(service.study.answers))
            elif trial.expected:
                said = trial.expected
            else:
                gap = [strengths[name] + taste[name] for name in (trial.left, trial.right)]
                said = OUTCOMES[int(drawn_outcomes(rng, np.array([gap[0] - gap[1] + SIDE]), nu)[0])]
                said = "neither" if said == "tie" and rng.random() < 0.3 else said
            clock.now += float(rng.uniform(3, 15))
            service.vote(rater, trial.pair, trial.question, said, 90.0)
        service.finish(rater, {})
