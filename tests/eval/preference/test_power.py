"""The power that a plan promises is what simulated studies reach, analysed as studies are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d_eval.preference.clusters import two_way
from idto3d_eval.preference.davidson import davidson_fit
from idto3d_eval.preference.power import (
    ZEGER,
    StudyPlan,
    gap_of_share,
    power_at,
    raters_needed,
    variance_of,
)
from idto3d_eval.preference.simulate import Design, simulate_votes

STUDIES = 150


def reached(plan: StudyPlan, raters: int) -> float:
    """Share of neighbours' gaps in simulated studies whose interval excludes zero."""
    from scipy.special import stdtrit

    # The average over raters and people lies nearer to even odds than the average rater's own.
    toned = math.sqrt(1 + ZEGER * 2 * (plan.rater_spread**2 + plan.identity_spread**2))
    design = Design(
        methods=plan.methods,
        apart=plan.gap * toned,
        raters=raters,
        identities=plan.identities,
        pairs=plan.pairs,
        nu=plan.nu,
        rater_spread=plan.rater_spread,
        identity_spread=plan.identity_spread,
        careless=0.0,
    )
    shown = 0
    for study in range(STUDIES):
        votes = simulate_votes(np.random.default_rng([7, study]), design)
        fit = davidson_fit(votes)
        spread = two_way(votes, fit)
        for first in range(plan.methods - 1):
            contrast = np.zeros(plan.methods + 2)
            contrast[[first, first + 1]] = 1.0, -1.0
            error, freedom = spread.spread(contrast)
            reach = float(stdtrit(freedom, 1 - plan.alpha / 2)) * error
            shown += bool(fit.theta[0, first] - fit.theta[0, first + 1] > reach)
    return shown / STUDIES / (plan.methods - 1)


@pytest.mark.parametrize(
    ("plan", "raters"),
    [
        (StudyPlan(0.5, methods=4, pairs=20, identities=20, rater_spread=0.0, identity_spread=0.0), 16),
        (StudyPlan(0.5, methods=8, pairs=40, identities=24), 24),
        (StudyPlan(0.6, methods=2, pairs=10, identities=30, rater_spread=0.6, identity_spread=0.2), 30),
    ],
)
def test_power_is_what_simulated_studies_reach(plan: StudyPlan, raters: int) -> None:
    """Within 0.03 and three standard errors of 150 studies."""
    told, found = power_at(plan, raters), reached(plan, raters)
    assert 0.3 < told < 0.97  # where a wrong variance would show
    assert found == pytest.approx(told, abs=0.03 + 3 * math.sqrt(told * (1 - told) / STUDIES))


def test_the_needed_number_is_the_least() -> None:
    """One rater fewer misses the power that was asked for."""
    plan = StudyPlan(gap_of_share(0.62), methods=6)
    need = raters_needed(plan, 0.8)
    assert need.raters is not None
    assert power_at(plan, need.raters) == need.power >= 0.8 > power_at(plan, need.raters - 1)
    assert need.votes == need.raters * 40
    assert need.design_effect > 1


def test_without_differences_between_raters_the_design_effect_is_one() -> None:
    """Votes are independent then, and two methods' gap has the textbook's variance."""
    plan = StudyPlan(0.3, ties=0.0, rater_spread=0.0, identity_spread=0.0)
    won = 1 / (1 + math.exp(-0.3))
    assert variance_of(plan, 10).whole == pytest.approx(1 / (400 * won * (1 - won)))
    assert raters_needed(plan).design_effect == pytest.approx(1.0)


def test_where_people_differ_much_no_number_of_raters_is_enough() -> None:
    """Raters do not make people more; it is said, and not searched for without end."""
    need = raters_needed(StudyPlan(0.1, identities=4, identity_spread=1.0))
    assert need.raters is None
    assert need.power < 0.8


def test_more_of_anything_but_ties_helps() -> None:
    """Gap, pairs, people and fewer methods, tests and ties each raise the power."""
    plan = StudyPlan(0.4, methods=6)
    for better in (
        StudyPlan(0.5, methods=6),
        StudyPlan(0.4, methods=5),
        StudyPlan(0.4, methods=6, pairs=60),
        StudyPlan(0.4, methods=6, identities=24),
        StudyPlan(0.4, methods=6, ties=0.0),
    ):
        assert power_at(better, 20) > power_at(plan, 20)
    assert power_at(StudyPlan(0.4, methods=6, tests=5), 20) < power_at(plan, 20)


@pytest.mark.parametrize("share", [0.5, 0.2, 1.0, float("nan")])
def test_a_share_that_no_better_method_has_is_refused(share: float) -> None:
    """Found, expected, what to do."""
    with pytest.raises(UserError, match="expected more than"):
        gap_of_share(share)
