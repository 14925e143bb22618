"""Strengths from pairwise votes with ties: Davidson's extension of the Bradley–Terry model, and a side.

For method i on the left and j on the right, with d = theta_i - theta_j + gamma (Davidson 1970, eq. 2.3; the
order effect after Davidson & Beaver 1977):

    P(left) = e^(d/2) / z,  P(right) = e^(-d/2) / z,  P(tie) = nu / z,  z = e^(d/2) + e^(-d/2) + nu

theta are log-strengths that sum to zero, gamma is the log-odds by which the left side wins between equals.
The fit is maximum likelihood by Newton's method, with a small ridge: where a method wins every vote its
strength would be infinite (separation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d_eval.preference.votes import LEFT, RIGHT, TIE, Votes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A normal prior of standard deviation 10 on each log-strength, and on gamma and log nu: e^10 is no odds that
# a study could tell from certainty, and at 100 votes a method it moves a strength of 1 by less than 0.001.
RIDGE = 0.01
STEPS, SETTLED, LONGEST = 60, 1e-10, 3.0

# Newton's method ends in either way there: in a singular information, or in steps without end.
UNBOUNDED = (
    "Found strengths that have no bound, expected every method to beat every other by some chain of wins: "
    "some never lose to the others, or no vote connects them; fit with a ridge, or collect votes that "
    "connect them."
)


@dataclass(frozen=True)
class Cells:
    """Votes counted by ordered pair.

    Attributes:
        methods: K, how many there are.
        left, right: [C] places of the methods, each ordered pair once.
        counts: [B, C, 3] votes for left, right and tie; B is 1, or the draws of a bootstrap.
    """

    methods: int
    left: Ints
    right: Ints
    counts: Floats


@dataclass(frozen=True)
class DavidsonFit:
    """What the votes say.

    Attributes:
        theta: [B, K] log-strengths, sum 0.
        gamma: [B] log-odds of the left side; 0 where none was asked for.
        log_nu: [B] of the ties.
        covariance: [K + 2, K + 2] of theta, gamma, log_nu by the inverse information of the first fit, as if
            votes were independent: the bootstrap's intervals are wider where raters and identities differ.
    """

    theta: Floats
    gamma: Floats
    log_nu: Floats
    covariance: Floats

    @property
    def nu(self) -> Floats:
        """[B] of the ties."""
        return np.exp(self.log_nu)


def cells_of(votes: Votes) -> Cells:
    """Votes counted, one fit's worth."""
    count = len(votes.methods)
    pair = votes.left * count + votes.right
    names, place = np.unique(pair, return_inverse=True)
    counts = np.zeros((1, len(names), 3))
    np.add.at(counts[0], (place.reshape(-1), votes.outcome), 1.0)
    return Cells(count, names // count, names % count, counts)


def cell_places(cells: Cells, votes: Votes) -> Ints:
    """[V] the cell that each vote is counted in; `cells` are of these votes, or of more."""
    named = cells.left * cells.methods + cells.right  # rising, as `cells_of` makes them
    return np.searchsorted(named, votes.left * cells.methods + votes.right)


def davidson_fit(votes: Votes, *, side: bool = True, ridge: float = RIDGE) -> DavidsonFit:
    """Fit all votes at once.

    Args:
        votes: one question's.
        side: whether the left side may have an advantage.
        ridge: inverse variance of the prior on every parameter; 0 for the bare likelihood.

    Raises:
        UserError: no votes, or no finite maximum: without a ridge that is so where some methods never lose to
            the others.
    """
    if len(votes) == 0:
        raise UserError("Found no votes, expected some to fit strengths to; wait until raters have answered.")
    return fit_cells(cells_of(votes), side=side, ridge=ridge)


def fit_cells(
    cells: Cells, *, side: bool = True, ridge: float = RIDGE, start: DavidsonFit | None = None
) -> DavidsonFit:
    """Fit counted votes, every draw of a bootstrap at the same time.

    Args:
        cells: the counts.
        side, ridge: as `davidson_fit` has them.
        start: a fit that lies near, from whose first the steps begin; it changes how many there are.

    Raises:
        UserError: the likelihood has no finite maximum.
    """
    draws, count = len(cells.counts), cells.methods
    wins, losses, ties = (cells.counts[:, :, code] for code in (LEFT, RIGHT, TIE))
    total = wins + losses + ties
    theta, gamma, log_nu = np.zeros((draws, count)), np.zeros(draws), np.zeros(draws)
    if start is not None and np.isfinite(start.log_nu[0]):
        theta, gamma, log_nu = theta + start.theta[0], gamma + start.gamma[0], log_nu + start.log_nu[0]
    tied = ties.sum(1) > 0
    for _ in range(STEPS):
        p_left, p_right, p_tie = _chances(theta, gamma, log_nu, cells)
        # Gradient by d and by log nu, then by the parameters.
        by_d = 0.5 * ((wins - losses) - total * (p_left - p_right))
        gradient = np.zeros((draws, count + 2))
        for places, sign in ((cells.left, 1.0), (cells.right, -1.0)):
            gradient[:, :count] += sign * _summed(by_d, places, count)
        gradient[:, count] = by_d.sum(1) if side else 0.0
        gradient[:, count + 1] = (ties - total * p_tie).sum(1)
        if ridge > 0:
            gradient -= ridge * np.concatenate([theta, gamma[:, None], log_nu[:, None]], axis=1)
        information = _information(cells, total, p_left, p_right, p_tie, side, ridge)
        if ridge == 0:  # without ties nu is 0, and its logarithm has no maximum
            gradient[~tied, count + 1] = 0.0
            information[~tied, count + 1, :] = information[~tied, :, count + 1] = 0.0
            information[~tied, count + 1, count + 1] = 1.0
            log_nu[~tied] = -np.inf
        step = _solved(information, gradient)
        step *= np.minimum(1.0, LONGEST / np.maximum(np.abs(step).max(1, keepdims=True), 1e-30))
        theta = theta + step[:, :count]
        gamma, log_nu = gamma + step[:, count], log_nu + step[:, count + 1]
        theta -= theta.mean(1, keepdims=True)
        if np.abs(step).max(initial=0.0) < SETTLED:
            break
    else:
        raise UserError(UNBOUNDED)
    covariance = np.linalg.inv(information[0])
    # What was not fitted has no variance, nor has the sum of the strengths.
    middle = np.eye(count + 2)
    middle[:count, :count] -= 1.0 / count
    middle[count, count] = float(side)
    middle[count + 1, count + 1] = float(np.isfinite(log_nu[0]))
    return DavidsonFit(theta, gamma, log_nu, middle @ covariance @ middle)


def bradley_terry_fit(votes: Votes, ridge: float = 0.0) -> Floats:
    """Log-strengths [K], sum 0, of the plain model: a tie counts as half a win for each, sides do not matter.

    Raises:
        UserError: as `davidson_fit`.
    """
    if len(votes) == 0:
        raise UserError("Found no votes, expected some to fit strengths to; wait until raters have answered.")
    cells = cells_of(votes)
    halves = cells.counts.copy()
    halves[:, :, (LEFT, RIGHT)] += halves[:, :, (TIE,)] / 2
    halves[:, :, TIE] = 0.0
    return _plain(Cells(cells.methods, cells.left, cells.right, halves), ridge)


def _plain(cells: Cells, ridge: float) -> Floats:
    """Bradley & Terry (1952) by Newton's method, one fit."""
    count = cells.methods
    wins, losses = cells.counts[0, :, LEFT], cells.counts[0, :, RIGHT]
    theta: Floats = np.zeros(count)
    for _ in range(STEPS):
        won = 1.0 / (1.0 + np.exp(theta[cells.right] - theta[cells.left]))
        slope = wins - (wins + losses) * won
        gradient = np.zeros(count)
        np.add.at(gradient, cells.left, slope)
        np.add.at(gradient, cells.right, -slope)
        weight = ((wins + losses) * won * (1.0 - won))[None]
        information = _laplacian(weight, cells)[0] + np.eye(count) * ridge + 1.0 / count
        step = _solved(information[None], (gradient - ridge * theta)[None])[0]
        step *= min(1.0, LONGEST / max(float(np.abs(step).max()), 1e-30))
        theta = theta + step
        theta -= theta.mean()
        if np.abs(step).max() < SETTLED:
            return np.asarray(theta)
    raise UserError(UNBOUNDED)


def outcome_chances(fit: DavidsonFit, left: Ints, right: Ints, draw: int = 0) -> Floats:
    """[V, 3] chances of left, right and tie for some pairs, by one draw's fit."""
    d = fit.theta[draw, left] - fit.theta[draw, right] + fit.gamma[draw]
    return np.stack(chances_of(d, fit.log_nu[draw]), axis=-1)


def win_matrix(votes: Votes) -> Floats:
    """[K, K] share of the votes on two methods that the row won, a tie half; NaN where there is none."""
    count = len(votes.methods)
    won, total = np.zeros((count, count)), np.zeros((count, count))
    for code, share in ((LEFT, 1.0), (RIGHT, 0.0), (TIE, 0.5)):
        own = votes.outcome == code
        np.add.at(won, (votes.left[own], votes.right[own]), share)
        np.add.at(won, (votes.right[own], votes.left[own]), 1.0 - share)
    np.add.at(total, (votes.left, votes.right), 1.0)
    np.add.at(total, (votes.right, votes.left), 1.0)
    return np.divide(won, total, out=np.full_like(won, np.nan), where=total > 0)


def components(votes: Votes) -> list[tuple[str, ...]]:
    """Groups of methods in which everyone beats everyone by some chain of wins (a tie is half a win each).

    One group: all strengths are finite and comparable. More than one: between groups the likelihood alone has
    no bound (Ford 1957), and only the ridge keeps strengths apart.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(votes.methods)
    winners = np.concatenate([votes.left[votes.outcome != RIGHT], votes.right[votes.outcome != LEFT]])
    losers = np.concatenate([votes.right[votes.outcome != RIGHT], votes.left[votes.outcome != LEFT]])
    graph = coo_matrix((np.ones(len(winners)), (winners, losers)), shape=(count, count))
    number, label = connected_components(graph, directed=True, connection="strong")
    return [
        tuple(name for name, own in zip(votes.methods, label, strict=True) if own == one)
        for one in range(number)
    ]


def _chances(theta: Floats, gamma: Floats, log_nu: Floats, cells: Cells) -> tuple[Floats, Floats, Floats]:
    d = theta[:, cells.left] - theta[:, cells.right] + gamma[:, None]
    return chances_of(d, log_nu[:, None])


def chances_of(d: Floats, log_nu: Floats | np.float64) -> tuple[Floats, Floats, Floats]:
    top = np.maximum(np.abs(d) / 2, log_nu)  # so that nothing overflows
    left, right, tie = np.exp(d / 2 - top), np.exp(-d / 2 - top), np.exp(log_nu - top)
    z = left + right + tie
    return left / z, right / z, tie / z


def _information(
    cells: Cells, total: Floats, p_left: Floats, p_right: Floats, p_tie: Floats, side: bool, ridge: float
) -> Floats:
    """[B, K + 2, K + 2] of theta, gamma, log nu, with what pins the strengths' sum."""
    draws, count = len(total), cells.methods
    lead = p_left - p_right
    by_dd = total * (p_left + p_right - lead**2) / 4
    by_dn = -total * lead * p_tie / 2
    found = np.zeros((draws, count + 2, count + 2))
    found[:, :count, :count] = _laplacian(by_dd, cells) + 1.0 / count
    for column, weight in ((count, by_dd if side else 0.0 * by_dd), (count + 1, by_dn)):
        across = _summed(weight, cells.left, count) - _summed(weight, cells.right, count)
        found[:, :count, column] = found[:, column, :count] = across
    found[:, count, count] = by_dd.sum(1) if side else 1.0
    found[:, count, count + 1] = found[:, count + 1, count] = by_dn.sum(1) if side else 0.0
    found[:, count + 1, count + 1] = (total * p_tie * (1.0 - p_tie)).sum(1)
    place = np.arange(count + 2)
    found[:, place, place] += ridge
    return found


def _laplacian(weight: Floats, cells: Cells) -> Floats:
    """[B, K, K] of the graph whose edges are the cells, weighed [B, C]."""
    draws, count = len(weight), cells.methods
    apart = np.zeros((draws, count, count))
    apart[:, cells.left, cells.right] = weight
    apart = apart + apart.transpose(0, 2, 1)
    degree = apart.sum(2)
    found = -apart
    place = np.arange(count)
    found[:, place, place] += degree
    return found


def _summed(values: Floats, places: Ints, count: int) -> Floats:
    """[B, count] sums of [B, C] values over cells of one method."""
    chosen = np.zeros((len(places), count))
    chosen[np.arange(len(places)), places] = 1.0
    return values @ chosen


def _solved(information: Floats, gradient: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.solve(information, gradient[..., None])[..., 0], dtype=np.float64)
    except np.linalg.LinAlgError:
        raise UserError(UNBOUNDED) from None
