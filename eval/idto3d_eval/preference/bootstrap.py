"""Intervals of strengths, their differences, the side and the ties, over raters and identities.

A draw weighs each rater and each identity, and a vote by the product of both (the pigeonhole bootstrap, Owen
2007; exponential weights, Rubin 1981, which leave no method without votes), and fits again. Such draws spread
too far, since a vote's own noise is in the weights of its rater, of its identity and of both. So the draws
are moved to the covariance of `clusters.two_way`, which counts it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special

from idto3d.errors import UserError
from idto3d_eval.preference.clusters import TwoWay, two_way
from idto3d_eval.preference.davidson import (
    RIDGE,
    Cells,
    DavidsonFit,
    cell_places,
    cells_of,
    davidson_fit,
    fit_cells,
)
from idto3d_eval.preference.votes import Votes

Floats = NDArray[np.float64]

DRAWS, LEVEL = 1000, 0.95
AT_A_TIME = 64  # draws; their weights of 100,000 votes take 51 MB


@dataclass(frozen=True)
class Interval:
    """A parameter or a difference of two, in log-odds where nothing else is said.

    Attributes:
        value: the estimate.
        low, high: ends of the interval.
        error: standard error over raters and identities.
        freedom: degrees of freedom of the t distribution that the interval is taken from.
        p: two-sided, that the true value is 0; 0 of nu is on the logarithm, that is nu = 1.
    """

    value: float
    low: float
    high: float
    error: float
    freedom: float
    p: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def interval_of(value: float, error: float, freedom: float, level: float) -> Interval:
    """By Student's t; without an error the value is the whole interval."""
    reach = float(special.stdtrit(freedom, (1.0 + level) / 2.0)) * error
    p = 2.0 * float(special.stdtr(freedom, -abs(value) / error)) if error > 0 else float(value == 0)
    return Interval(value, value - reach, value + reach, error, freedom, p)


def contrast_of(weights: Mapping[int, float], methods: int) -> Floats:
    """[K + 2] of theta, gamma, log nu from what stands at some places."""
    contrast = np.zeros(methods + 2)
    contrast[list(weights)] = list(weights.values())
    return contrast


@dataclass(frozen=True)
class DavidsonBootstrap:
    """Strengths of all votes, and how they spread.

    Attributes:
        methods: names, K of them.
        fit: of all votes.
        spread: covariance over raters and identities.
        level: of the intervals.
        theta: [B, K] draws of the log-strengths, each sum 0.
        gamma: [B] draws of the log-odds of the left side.
        log_nu: [B] draws.
    """

    methods: tuple[str, ...]
    fit: DavidsonFit
    spread: TwoWay
    level: float
    theta: Floats
    gamma: Floats
    log_nu: Floats

    @property
    def order(self) -> list[int]:
        """Places of the methods, the strongest first; equals by name."""
        strengths = self.fit.theta[0]
        return sorted(range(len(self.methods)), key=lambda place: (-strengths[place], self.methods[place]))

    @property
    def strengths(self) -> list[Interval]:
        """[K] of theta, in the order of `methods`."""
        return [self._of({place: 1.0}) for place in range(len(self.methods))]

    @property
    def adjacent(self) -> list[tuple[str, str, Interval]]:
        """How much each method has over the next one in rank: K − 1 of (stronger, weaker, difference)."""
        names = [self.methods[place] for place in self.order]
        return [(first, second, self.difference(first, second)) for first, second in pairwise(names)]

    @property
    def side(self) -> Interval:
        """Of gamma: the log-odds of the left side between equals; 0, all of it, where none was fitted."""
        return self._of({len(self.methods): 1.0})

    @property
    def nu(self) -> Interval:
        """Of nu, from its logarithm; `error` is the logarithm's."""
        log = self._of({len(self.methods) + 1: 1.0})
        value, low, high = (float(np.exp(number)) for number in (log.value, log.low, log.high))
        return Interval(value, low, high, log.error, log.freedom, log.p)

    def difference(self, first: str, second: str) -> Interval:
        """By how much one method is stronger than another.

        Raises:
            UserError: a name that was not compared, or one twice.
        """
        if first not in self.methods or second not in self.methods or first == second:
            raise UserError(
                f"Found '{first}' and '{second}', expected two of {', '.join(self.methods)}; name two."
            )
        return self._of({self.methods.index(first): 1.0, self.methods.index(second): -1.0})

    def _of(self, weights: dict[int, float]) -> Interval:
        contrast = contrast_of(weights, len(self.methods))
        value = float(contrast @ _joined(self.fit)[0])
        return interval_of(value, *self.spread.spread(contrast), self.level)


def davidson_bootstrap(
    votes: Votes,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = LEVEL,
    *,
    side: bool = True,
    ridge: float = RIDGE,
) -> DavidsonBootstrap:
    """Fit the votes, and all draws at the same time.

    Args:
        votes: one question's.
        draws: of raters and identities together; they say how strengths vary jointly, as ranks need it. The
            intervals of single figures do not depend on them.
        seed: of the draws.
        level: of the intervals, in (0, 1).
        side: whether the left side may have an advantage.
        ridge: as `davidson_fit` has it, above 0.

    Raises:
        UserError: as `davidson_fit`; one rater and one identity; no draws; a level or ridge that is none.
    """
    if draws < 1 or not 0.0 < level < 1.0 or ridge <= 0:
        raise UserError(
            f"Found {draws} draws, the level {level:g} and the ridge {ridge:g}, expected at least one draw, "
            "a level between 0 and 1 and a ridge above 0, without which a draw may have no fit; give such."
        )
    fit = davidson_fit(votes, side=side, ridge=ridge)
    spread = two_way(votes, fit, side=side)
    drawn = fit_cells(drawn_cells(votes, draws, seed), side=side, ridge=ridge, start=fit)
    moved = _moved(_joined(drawn), _joined(fit)[0], spread.covariance)
    count = len(votes.methods)
    return DavidsonBootstrap(
        votes.methods, fit, spread, level, moved[:, :count], moved[:, count], moved[:, count + 1]
    )


def drawn_weights(votes: Votes, draws: int, seed: int) -> tuple[Floats, Floats]:
    """[B, R] weights of raters and [B, I] of identities, 1 on average; 1 always where only one has votes."""
    rng = np.random.default_rng(seed)
    raters = rng.exponential(size=(draws, len(votes.raters)))
    identities = rng.exponential(size=(draws, len(votes.identities)))
    for weights, places in ((raters, votes.rater), (identities, votes.identity)):
        if len(np.unique(places)) == 1:
            weights[:] = 1.0
    return raters, identities


def drawn_cells(votes: Votes, draws: int, seed: int) -> Cells:
    """Votes counted by ordered pair, each by its weight in each draw: counts [B, C, 3]."""
    raters, identities = drawn_weights(votes, draws, seed)
    once = cells_of(votes)
    count = len(once.left)
    column = cell_places(once, votes) * 3 + votes.outcome
    # All votes of one rater on one identity weigh the same.
    both, row = np.unique(votes.rater * len(votes.identities) + votes.identity, return_inverse=True)
    counted = sparse.coo_array(
        (np.ones(len(votes)), (column, row.reshape(-1))), shape=(3 * count, len(both))
    ).tocsr()
    rater, identity = both // len(votes.identities), both % len(votes.identities)
    counts = np.empty((draws, 3 * count))
    for start in range(0, draws, AT_A_TIME):
        some = slice(start, start + AT_A_TIME)
        counts[some] = (counted @ (raters[some].T[rater] * identities[some].T[identity])).T
    return Cells(once.methods, once.left, once.right, counts.reshape(draws, count, 3))


def _joined(fit: DavidsonFit) -> Floats:
    """[B, K + 2] of theta, gamma, log nu."""
    return np.concatenate([fit.theta, fit.gamma[:, None], fit.log_nu[:, None]], axis=1)


def _moved(drawn: Floats, centre: Floats, covariance: Floats) -> Floats:
    """Draws around the estimate with a covariance, by the linear map that moves them least.

    For normal draws it is the optimal transport (Knott & Smith 1984): A^-1/2 (A^1/2 C A^1/2)^1/2 A^-1/2.
    """
    off = drawn - drawn.mean(0)
    own = off.T @ off / max(len(drawn) - 1, 1)
    root, inverse = _root(own), _root(own, inverse=True)
    move = inverse @ _root(root @ covariance @ root) @ inverse
    return np.asarray(centre + off @ move)


def _root(matrix: Floats, inverse: bool = False) -> Floats:
    """The symmetric square root, or its inverse in the directions that vary."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    kept = values > max(values.max(), 0.0) * 1e-10
    roots = np.sqrt(np.where(kept, values, 1.0))
    return np.asarray((vectors * np.where(kept, 1.0 / roots if inverse else roots, 0.0)) @ vectors.T)
