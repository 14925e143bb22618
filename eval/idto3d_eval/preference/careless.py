"""Raters who do not look: a mixture of raters who do, and raters who answer by habit, whatever is shown.

A rater who looks gets attention pairs right with probability a, answers a repeat as before with probability
c, and answers pairs by Davidson's model, whose strengths come from the *other* raters, each weighed with the
probability that they look; tastes differ, so that strengths count for them times a factor, and so does nu. A
careless rater draws every answer from shares of their own, of which nothing is known beforehand: all
alike, always left, by a coin. Expectation and maximisation alternate until the posteriors stay
(Dempster, Laird & Rubin 1977).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, logit, logsumexp

from idto3d_eval.preference.davidson import Cells, cell_places, cells_of, chances_of, fit_cells
from idto3d_eval.preference.trials import ATTENTION, PAIR
from idto3d_eval.preference.votes import Votes, votes_from

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]

ANSWERS = ("left", "right", "tie", "neither")
MIRRORED = {"left": "right", "right": "left", "tie": "tie", "neither": "neither"}

FLAGGED = 0.5  # posterior from which on a rater counts as careless
# Beta priors, each worth some observations: one rater in ten is careless (10 raters' worth); raters who look
# fail one attention pair in twenty (20 pairs' worth), and answer three repeats of four alike (8 repeats').
SHARE, ATTENTIVE, CONSISTENT = (1.0, 9.0), (19.0, 1.0), (6.0, 2.0)
# What a rater who looks may make of the average strengths, and of nu, with how probable that is beforehand:
# most agree with the others, some less, some have no preference or the opposite one; some tie more, or less.
TASTES = ((1.0, 0.7), (0.5, 0.15), (0.0, 0.1), (-1.0, 0.05))
TIES = ((1.0, 0.6), (4.0, 0.2), (0.25, 0.2))
JEFFREYS = 0.5  # weight of each answer in the Dirichlet prior of a careless rater's shares
ROUNDS, SETTLED = 30, 1e-4


@dataclass(frozen=True)
class CarelessRaters:
    """Who does not look.

    Attributes:
        raters: names, sorted.
        posterior: [R] probability that each is careless.
        flagged: those at the posterior asked for, or above.
        share: of careless raters.
        passed: chance that a rater who looks gets an attention pair right.
        remembered: chance that one answers a repeat as before.
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
    """Judge every rater of a study, by all questions together.

    Args:
        answers: as a study's table of answers.
        offered: what raters could answer; what was answered, with left and right, by default.
        flagged_at: posterior from which on a rater is flagged.
    """
    options = set(offered) if offered is not None else {"left", "right", *answers["answer"].unique()}
    names = sorted(answers["rater"].unique())
    right, checks = _counted(_attention_results(answers), names)
    same, repeats = _counted(_repeat_results(answers), names)
    own = _OwnAnswers(answers, names)
    habit = _habit(answers, names, sorted(options))
    share, attentive, consistent = (prior[0] / sum(prior) for prior in (SHARE, ATTENTIVE, CONSISTENT))
    posterior = np.full(len(names), share)
    for _ in range(ROUNDS):
        looked = own.likelihood(1.0 - posterior)
        looked = looked + _hits(right, checks, attentive, len(options))
        looked = looked + _hits(same, repeats, consistent, len(options))
        before, posterior = posterior, expit(logit(share) + habit - looked)
        looking = 1.0 - posterior
        attentive = _mean(float(looking @ right), float(looking @ checks), ATTENTIVE)
        consistent = _mean(float(looking @ same), float(looking @ repeats), CONSISTENT)
        share = _mean(float(posterior.sum()), float(len(names)), SHARE)
        if np.abs(posterior - before).max(initial=0.0) < SETTLED:
            break
    flagged = tuple(name for name, own in zip(names, posterior, strict=True) if own >= flagged_at)
    return CarelessRaters(tuple(names), posterior, flagged, float(share), attentive, consistent)


def repeats_of(answers: polars.DataFrame) -> polars.DataFrame:
    """The table with one more column, `before`: what an answer alike would be to a repeat; null elsewhere."""
    import polars

    earlier = answers.filter(polars.col("kind") == PAIR).select(
        "rater", repeats="pair", before=polars.col("answer").replace(MIRRORED)
    )
    return answers.join(earlier, on=["rater", "repeats"], how="left", maintain_order="left")


def _attention_results(answers: polars.DataFrame) -> list[tuple[str, bool]]:
    """(Rater, whether right) of every attention pair."""
    own = answers.filter(answers["kind"] == ATTENTION)
    return list(zip(own["rater"], own["answer"] == own["expected"], strict=True))


def _repeat_results(answers: polars.DataFrame) -> list[tuple[str, bool]]:
    """(Rater, whether the same was preferred again) of every repeat whose first showing was answered."""
    again = repeats_of(answers).filter(answers["repeats"] != "").drop_nulls("before")
    return list(zip(again["rater"], again["answer"] == again["before"], strict=True))


class _OwnAnswers:
    """The answers to pairs, counted once."""

    def __init__(self, answers: polars.DataFrame, names: list[str]) -> None:
        self.names = names
        pairs = answers.filter(answers["kind"] == PAIR)
        self.neither = _tally(pairs.filter(pairs["answer"] == "neither")["rater"].to_list(), names)
        self.ties = _tally(pairs.filter(pairs["answer"] == "tie")["rater"].to_list(), names)
        self.votes = [votes_from(part) for part in pairs.partition_by("question", maintain_order=True)]

    def likelihood(self, looking: Floats) -> Floats:
        """[R] logarithm, of a rater who looks; raters weighed by [R] where strengths are fitted."""
        found = np.zeros(len(self.names))
        for votes in self.votes:
            place = np.searchsorted(self.names, votes.raters)
            found[place] += _likelihood(votes, looking[place])
        # Ties are told apart from neithers as raters who look do it.
        undecided = self.neither + self.ties
        neither = _mean(float(looking @ self.neither), float(looking @ undecided), (1.0, 1.0))
        return np.asarray(found + self.neither * np.log(neither) + self.ties * np.log(1.0 - neither))


def _likelihood(votes: Votes, looking: Floats) -> Floats:
    """[R] logarithm of one question's votes, each rater's by the strengths that the others' give."""
    cells, raters = cells_of(votes), len(votes.raters)
    count = len(cells.left)
    flat = (votes.rater * count + cell_places(cells, votes)) * 3 + votes.outcome
    own = np.bincount(flat, minlength=raters * count * 3).reshape(raters, count, 3) * 1.0
    weighed = own * looking[:, None, None]
    others = weighed.sum(0, keepdims=True)
    start = fit_cells(Cells(cells.methods, cells.left, cells.right, others))
    fits = fit_cells(Cells(cells.methods, cells.left, cells.right, others - weighed), start=start)
    gap, side = fits.theta[:, cells.left] - fits.theta[:, cells.right], fits.gamma[:, None]
    by_taste = []
    for taste, probable in TASTES:
        for factor, as_probable in TIES:
            chances = chances_of(taste * gap + side, fits.log_nu[:, None] + np.log(factor))
            logs = np.log(np.maximum(np.stack(chances, axis=-1), 1e-12))
            by_taste.append((own * logs).sum((1, 2)) + np.log(probable * as_probable))
    return np.asarray(logsumexp(by_taste, axis=0))


def _habit(answers: polars.DataFrame, names: list[str], options: list[str]) -> Floats:
    """[R] log-likelihood of all answers, by shares with Jeffreys' prior."""
    given = (answers.filter(answers["answer"] == one)["rater"].to_list() for one in options)
    counts = np.array([_tally(raters, names) for raters in given])
    each, whole = JEFFREYS, JEFFREYS * len(options)
    chosen = (gammaln(each + counts) - gammaln(each)).sum(0)
    return np.asarray(gammaln(whole) - gammaln(whole + counts.sum(0)) + chosen)


def _hits(hits: Floats, trials: Floats, probability: float, options: int) -> Floats:
    """[R] log-likelihood of hits; a miss is any of the other answers."""
    missed = np.log((1.0 - probability) / (options - 1))
    return np.asarray(hits * np.log(probability) + (trials - hits) * missed)


def _mean(hits: float, trials: float, prior: tuple[float, float]) -> float:
    """Of a probability's posterior."""
    return float((hits + prior[0]) / (trials + sum(prior)))


def _counted(results: list[tuple[str, bool]], names: list[str]) -> tuple[Floats, Floats]:
    """[R] hits and [R] trials."""
    hits = _tally([rater for rater, hit in results if hit], names)
    return hits, _tally([rater for rater, _ in results], names)


def _tally(raters: list[str], names: list[str]) -> Floats:
    place = np.searchsorted(names, raters) if raters else np.zeros(0, np.int64)
    return np.bincount(place, minlength=len(names)).astype(np.float64)
