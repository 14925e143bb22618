"""How many raters a study needs to tell neighbouring methods apart, before any has answered.

A vote's information (`scheduling.information_of`) gives the variance of an estimated gap if votes were
independent. Raters and people differ as well: a taste, or a face that suits a method, moves all votes of that
rater or on that person together. Let M be the information of one vote, averaged over pairs p that are asked
evenly, c the contrast of two neighbours, b = M^+ c, and s_r, s_p the standard deviations of each log-strength
between raters and between people. R raters of m votes, and I people of n votes each, N in all, give

    V = c b / N  +  s_r² [2 E_p w_p² (b_i - b_j)² / N + 2 (1 - 1/m) / R]  +  s_p² [… / N + 2 (1 - 1/n) / I]

by the estimate's first order. Methods stand as far apart as their neighbours, so that far pairs tell little.
The test is the one of the analysis (`bootstrap`): Student's t, degrees of freedom after Satterthwaite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.special import nctdtr, stdtrit

from idto3d.errors import UserError
from idto3d_eval.preference.scheduling import information_of, method_pairs

MOST = 100_000  # raters
SHARES = (0.55, 0.6, 0.65, 0.7, 0.75)  # of wins, whose raters stand beside
ZEGER = (16.0 * math.sqrt(3.0) / (15.0 * math.pi)) ** 2


@dataclass(frozen=True)
class StudyPlan:
    """What a study is to find, and how it goes.

    Attributes:
        gap: log-odds between neighbours as an average over raters and people sees it, above 0.
        methods: K that are compared, all pairs evenly.
        pairs: of one question, that a rater answers.
        identities: people whose heads are asked about.
        ties: share of the votes between equals that prefer neither.
        rater_spread, identity_spread: standard deviations of a method's log-strength between raters and
            between people; 0 for votes that are independent.
        alpha: error rate of the two-sided test, over all `tests` together (Bonferroni's worst case of Holm).
        tests: how many are corrected together.
    """

    gap: float
    methods: int = 2
    pairs: int = 40
    identities: int = 12
    ties: float = 0.1
    rater_spread: float = 0.4
    identity_spread: float = 0.4
    alpha: float = 0.05
    tests: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gap) and self.gap > 0):
            raise UserError(
                f"Found a gap of {self.gap:g} log-odds, expected one above 0; give a share of wins above 0.5."
            )
        if self.methods < 2 or self.pairs < 1 or self.identities < 1 or not 0 <= self.ties < 1:
            raise UserError(
                f"Found {self.methods} methods, {self.pairs} pairs a rater, {self.identities} people and a "
                f"share of {self.ties:g} of ties, expected two, one, one and less than 1; give others."
            )

    @property
    def nu(self) -> float:
        """Davidson's, by the share of ties between equals: nu / (2 + nu)."""
        return 2.0 * self.ties / (1.0 - self.ties)


@dataclass(frozen=True)
class StudyNeed:
    """What a plan takes.

    Attributes:
        raters: the least number that reaches the asked power; None where no number does.
        votes: of all of them, on one question; of the most that were tried where none is enough.
        power: what that number reaches, or the most that was reached.
        design_effect: how much larger the variance is than with independent votes.
    """

    raters: int | None
    votes: int
    power: float
    design_effect: float


def gap_of_share(share: float) -> float:
    """Log-odds of a share of the decided votes that the better of two wins.

    Raises:
        UserError: no share that a better one could have.
    """
    if not 0.5 < share < 1.0:
        raise UserError(
            f"Found {share:g} as the share of wins, expected more than 0.5 and less than 1; give the better "
            "method's."
        )
    return math.log(share / (1.0 - share))


@dataclass(frozen=True)
class GapVariance:
    """Where the variance of an estimated gap comes from.

    Attributes:
        votes: from single votes, as if all were independent.
        raters, identities: from raters and from people who differ.
    """

    votes: float
    raters: float
    identities: float

    @property
    def whole(self) -> float:
        """All of it."""
        return self.votes + self.raters + self.identities


def variance_of(plan: StudyPlan, raters: int) -> GapVariance:
    """The variance of an estimated gap with so many raters, on average over all neighbours."""
    votes = raters * plan.pairs
    single, across = _once(plan.methods, plan.gap, plan.nu)
    # Over raters and people who differ, gaps lie nearer to even odds, and so do differences between them
    # (Zeger, Liang & Albert 1988, section 4: 0.346 = (16 √3 / 15 π)²); the plan's gap is such an average.
    spread = 2.0 * (plan.rater_spread**2 + plan.identity_spread**2)
    toned = 1.0 / (1.0 + ZEGER * spread)

    def between(deviation: float, clusters: int) -> float:
        size = max(votes / clusters, 1.0)
        return deviation**2 * toned * (2.0 * across / votes + 2.0 * (1.0 - 1.0 / size) / clusters)

    by_rater = between(plan.rater_spread, raters)
    return GapVariance(single / votes, by_rater, between(plan.identity_spread, plan.identities))


@lru_cache(256)
def _once(methods: int, gap: float, nu: float) -> tuple[float, float]:
    """Of one vote: c b, and E_p w_p² (b_i - b_j)², on average over neighbours."""
    pairs = method_pairs(methods)
    weight = information_of(np.asarray(gap * (pairs[:, 1] - pairs[:, 0]), dtype=np.float64), nu)
    ends = np.zeros((len(pairs), methods))
    ends[np.arange(len(pairs)), pairs[:, 0]], ends[np.arange(len(pairs)), pairs[:, 1]] = 1.0, -1.0
    told = (ends.T * weight) @ ends / len(pairs) + 1.0 / methods
    contrast = np.eye(methods)[:-1] - np.eye(methods)[1:]  # [K - 1, K]
    solved = contrast @ np.linalg.inv(told)
    across = ((solved @ ends.T) ** 2 * weight**2).mean()
    return float((solved * contrast).sum(1).mean()), float(across)


def power_at(plan: StudyPlan, raters: int) -> float:
    """Probability that so many raters, two at least, show the gap."""
    found = variance_of(plan, raters)
    # What each way of clustering estimates holds the votes' own noise too.
    ways = ((found.raters, raters), (found.identities, plan.identities))
    error = sum((found.votes + part) ** 2 / (count - 1) for part, count in ways if count > 1)
    freedom = found.whole**2 / error if error else 1.0
    reach = float(stdtrit(freedom, 1.0 - plan.alpha / plan.tests / 2.0))
    return float(1.0 - nctdtr(freedom, plan.gap / math.sqrt(found.whole), reach))


def raters_needed(plan: StudyPlan, power: float = 0.8) -> StudyNeed:
    """The least number of raters that shows a gap with the asked power.

    People do not become more with more raters: where they differ much, no number of raters is enough.
    """
    few, many = 1, 2
    while power_at(plan, many) < power:
        few, many = many, many * 2
        if many > MOST:
            return _need(plan, MOST, reached=False)
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if power_at(plan, middle) >= power else (middle, many)
    return _need(plan, many, reached=True)


def looked_at(plan: StudyPlan, power: float = 0.8) -> list[dict[str, str]]:
    """What the plan's gap takes, then other gaps, then the plan's with twice the people; a row each."""
    named = [(share_of_gap(plan.gap), plan)]
    named += [(share, replace(plan, gap=gap_of_share(share))) for share in SHARES]
    named += [(named[0][0], replace(plan, identities=2 * plan.identities))]
    rows = []
    for share, one in named:
        need = raters_needed(one, power)
        found = need.raters is not None
        rows.append(
            {
                "wins": f"{share:.0%}",
                "log-odds": f"{one.gap:.2f}",
                "people": str(one.identities),
                "raters": f"{need.raters:,}" if found else f"none up to {MOST:,}",
                "votes": f"{need.votes:,}" if found else "–",
                "power": f"{need.power:.3f}",
                "design effect": f"{need.design_effect:.1f}" if found else "–",
            }
        )
    return rows


def share_of_gap(gap: float) -> float:
    """The inverse of `gap_of_share`."""
    return 1.0 / (1.0 + math.exp(-gap))


def _need(plan: StudyPlan, raters: int, reached: bool) -> StudyNeed:
    found = variance_of(plan, raters)
    effect = found.whole / found.votes
    return StudyNeed(raters if reached else None, raters * plan.pairs, power_at(plan, raters), effect)
