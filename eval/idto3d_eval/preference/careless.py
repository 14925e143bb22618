"""Who answers by chance, and not by what is shown.

A mixture of two kinds of rater (as Raykar & Yu 2012 rank spammers): an attentive one answers by the strengths
of the fit, passes attention pairs and mostly answers a repeat alike; a careless one says each of the study's
answers equally often, whatever is asked. Whoever always presses the same side is neither, and is told by
attention pairs and repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.preference.davidson import davidson_fit, outcome_chances
from idto3d_eval.preference.trials import ATTENTION, PAIR, REPEAT
from idto3d_eval.preference.votes import TIE, votes_of

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ANSWERS = ("left", "right", "tie", "neither")
MIRRORED = {"left": "right", "right": "left", "tie": "tie", "neither": "neither"}

FLAGGED = 0.5  # posterior from which on a rater counts as careless: the likelier of the two kinds
# Before any is seen, as (so many, of so many): one rater in ten is careless; attentive ones pass nine of ten
# attention pairs and remember half of the repeats.
CARELESS_PRIOR, PASSED_PRIOR, REMEMBERED_PRIOR = (1.0, 10.0), (9.0, 10.0), (1.0, 2.0)
ROUNDS = 20  # of refitting, at most


@dataclass(frozen=True)
class CarelessRaters:
    """Who answers by chance.

    Attributes:
        raters: names, sorted.
        posterior: [R] probability that each is careless.
        flagged: those at `FLAGGED` or above.
        share: of careless raters.
        passed: chance that an attentive rater passes an attention pair.
        remembered: chance that an attentive rater answers a repeat as before, whatever the strengths say.
    """

    raters: tuple[str, ...]
    posterior: Floats
    flagged: tuple[str, ...]
    share: float
    passed: float
    remembered: float


def careless_raters(
    answers: polars.DataFrame, offered: Sequence[str] | None = None, flagged_at: float = FLAGGED
) -> CarelessRaters:
    """The posterior of each rater, from attention pairs, repeats and how well the fit explains the votes.

    Strengths are fitted without those flagged, and raters judged anew, until the same are flagged.

    Args:
        answers: a table of answers, all questions together.
        offered: what raters could answer; what occurs in the table by default.
        flagged_at: posterior.
    """
    seen = _Seen.of(answers, offered)
    posterior = seen.posterior(seen.attention(PASSED_PRIOR[0] / PASSED_PRIOR[1]), 0.1)
    share = passed = remembered = 0.0
    flags: Bools = posterior >= flagged_at
    for _ in range(ROUNDS):
        kept = 1.0 - posterior
        share = _expected(posterior.sum(), len(posterior), CARELESS_PRIOR)
        passed = _expected((kept * seen.passes).sum(), (kept * seen.asked).sum(), PASSED_PRIOR)
        chances = seen.chances(~flags if not flags.all() else np.ones_like(flags))
        remembered = seen.remembered(chances, kept)
        evidence = seen.attention(passed) + seen.votes(chances, remembered)
        posterior = seen.posterior(evidence, share)
        before, flags = flags, posterior >= flagged_at
        if (before == flags).all():
            break
    flagged = tuple(name for name, own in zip(seen.raters, flags, strict=True) if own)
    return CarelessRaters(seen.raters, posterior, flagged, share, passed, remembered)


def repeats_of(answers: polars.DataFrame) -> polars.DataFrame:
    """The table with one more column, `before`: what an answer alike would be to a repeat; null elsewhere."""
    import polars

    earlier = answers.filter(polars.col("kind") == PAIR).select(
        "rater", repeats="pair", before=polars.col("answer").replace(MIRRORED)
    )
    return answers.join(earlier, on=["rater", "repeats"], how="left", maintain_order="left")


@dataclass(frozen=True)
class _Seen:
    """A table of answers as arrays.

    Attributes:
        raters: names, R.
        options: A, how many answers are offered.
        asked, passes: [R] attention pairs, and those passed.
        pairs: pairs and repeats, V.
        rater: [V].
        answer: [V] places in `ANSWERS`.
        alike: [V] whether a repeat is answered as before.
        repeated: [V] whether it is a repeat whose first answer is known.
    """

    raters: tuple[str, ...]
    options: int
    asked: Ints
    passes: Ints
    pairs: polars.DataFrame
    rater: Ints
    answer: Ints
    alike: Bools
    repeated: Bools

    @classmethod
    def of(cls, answers: polars.DataFrame, offered: Sequence[str] | None) -> _Seen:
        """Read a table."""
        import polars

        names = tuple(sorted(set(answers["rater"])))
        place = {name: number for number, name in enumerate(names)}

        def places(rows: polars.DataFrame) -> Ints:
            return np.array([place[name] for name in rows["rater"]], dtype=np.int64)

        checks = answers.filter(polars.col("kind") == ATTENTION)
        right = (checks["answer"] == checks["expected"]).to_numpy().astype(np.float64)
        who = places(checks)
        asked = np.bincount(who, minlength=len(names))
        passes = np.bincount(who, right, len(names)).astype(np.int64)
        pairs = repeats_of(answers).filter(polars.col("kind").is_in([PAIR, REPEAT]))
        answer = np.array([ANSWERS.index(name) for name in pairs["answer"]], dtype=np.int64)
        repeated = pairs["before"].is_not_null().to_numpy()
        alike = (pairs["before"] == pairs["answer"]).fill_null(False).to_numpy()
        options = len(set(offered or set(answers["answer"]) | {"left", "right"}))
        return cls(names, options, asked, passes, pairs, places(pairs), answer, alike, repeated)

    def chances(self, kept: Bools) -> Floats:
        """[V] of each answer by the strengths, fitted question by question to pairs of the raters kept."""
        found = np.full(len(self.answer), 1.0 / self.options)
        question, kind = self.pairs["question"].to_numpy(), self.pairs["kind"].to_numpy()
        # How a rater without a preference says so.
        undecided = np.bincount(self.answer[kept[self.rater]], minlength=len(ANSWERS))[TIE:] + 0.5
        for name in np.unique(question):
            own = question == name
            rows = self.pairs.filter(own)
            methods = sorted(set(rows["left"]) | set(rows["right"]))
            votes = votes_of(
                methods,
                list(zip(rows["left"], rows["right"], rows["answer"], strict=True)),
                rows["rater"].to_list(),
            )
            fitted = votes.take(kept[self.rater[own]] & (kind[own] == PAIR))
            if len(fitted) == 0:
                continue
            by_outcome = outcome_chances(davidson_fit(fitted), votes.left, votes.right)
            found[own] = by_outcome[np.arange(len(votes)), votes.outcome]
        share = np.concatenate([[1.0, 1.0], undecided / undecided.sum()])
        return np.asarray(found * share[self.answer])

    def remembered(self, chances: Floats, kept: Floats) -> float:
        """How often attentive raters answer a repeat alike whatever its chances (Dempster et al. 1977)."""
        weight, alike, chance = (
            kept[self.rater][self.repeated],
            self.alike[self.repeated],
            chances[self.repeated],
        )
        share = REMEMBERED_PRIOR[0] / REMEMBERED_PRIOR[1]
        for _ in range(ROUNDS):
            owed = alike * share / (alike * share + (1.0 - share) * np.maximum(chance, 1e-12))
            share = _expected((weight * owed).sum(), weight.sum(), REMEMBERED_PRIOR)
        return share

    def votes(self, chances: Floats, remembered: float) -> Floats:
        """[R] log-odds that each rater is attentive, by pairs and repeats."""
        again = self.alike * remembered + (1.0 - remembered) * chances
        likely = np.log(np.maximum(np.where(self.repeated, again, chances), 1e-12) * self.options)
        return np.asarray(np.bincount(self.rater, likely, len(self.raters)), dtype=np.float64)

    def attention(self, passed: float) -> Floats:
        """[R] log-odds that each rater is attentive, by attention pairs; all ways to err are as likely."""
        by_pass = np.log(passed * self.options)
        by_error = np.log((1.0 - passed) / max(self.options - 1, 1) * self.options)
        return np.asarray(self.passes * by_pass + (self.asked - self.passes) * by_error)

    def posterior(self, evidence: Floats, share: float) -> Floats:
        """[R] that each is careless."""
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(evidence, -700, 700)) * (1.0 - share) / share))


def _expected(count: float, total: float, prior: tuple[float, float]) -> float:
    """A share, with what is believed before any is counted."""
    return float((count + prior[0]) / (total + prior[1]))
