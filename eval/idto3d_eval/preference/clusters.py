"""How far strengths spread when raters and identities are drawn anew: covariance over two ways of clustering.

Cameron, Gelbach & Miller 2011 ("Robust Inference With Multiway Clustering"), eq. 2.9: covariance clustered by
rater, plus that by identity, less that by both, as a vote's own noise is in all three and counts once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d_eval.preference.davidson import DavidsonFit, outcome_chances
from idto3d_eval.preference.votes import LEFT, RIGHT, TIE, Votes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The difference of covariances may have directions of no or negative variance, by chance. None is let fall
# below this share of the variance by rater and identity together, which is a vote's own noise at least. In
# 1,000 simulated studies each of six designs, 0.05 to 0.2 covered alike (95 to 97 %); in 600 each of four, 1
# covered up to 99 %, where noise is all the variance.
LEAST = 0.1


@dataclass(frozen=True)
class TwoWay:
    """Covariances of theta, gamma and log nu.

    Attributes:
        covariance: [K + 2, K + 2] over raters and identities.
        by_rater, by_identity: [K + 2, K + 2] over one of them; zero where there is only one.
        raters, identities: how many voted, and of how many heads.
    """

    covariance: Floats
    by_rater: Floats
    by_identity: Floats
    raters: int
    identities: int

    def spread(self, contrast: Floats) -> tuple[float, float]:
        """Standard error and degrees of freedom of a sum of parameters, weighed [K + 2].

        Degrees of freedom after Satterthwaite (1946), from the two covariances as independent estimates; not
        fewer than where each has the variance of the whole.
        """
        whole, *parts = (
            float(contrast @ matrix @ contrast)
            for matrix in (self.covariance, self.by_rater, self.by_identity)
        )
        # A way of one cluster says nothing of its spread and is left out.
        ways = [
            (part, count - 1)
            for part, count in zip(parts, (self.raters, self.identities), strict=True)
            if count > 1
        ]
        least = 1.0 / sum(1.0 / free for _, free in ways)
        error = sum(part**2 / free for part, free in ways)
        return float(np.sqrt(max(whole, 0.0))), max(whole**2 / error, least) if error > 0 else least


def two_way(votes: Votes, fit: DavidsonFit, *, side: bool = True) -> TwoWay:
    """The sandwich covariance of a fit, with the small-sample factor G / (G − 1) in each way.

    Args:
        votes: those that were fitted.
        fit: of them.
        side: whether gamma was fitted.

    Raises:
        UserError: one rater and one identity, so that nothing was drawn twice.
    """
    moved = _influence(votes, fit, side)
    raters, identities = len(np.unique(votes.rater)), len(np.unique(votes.identity))
    if max(raters, identities) < 2:
        raise UserError(
            f"Found votes of {raters} rater on {identities} identity, expected two of either at least, since "
            "intervals say how others would have voted; collect more votes."
        )
    by_rater, by_identity = _clustered(moved, votes.rater), _clustered(moved, votes.identity)
    if min(raters, identities) < 2:  # the other way alone; that of one cluster is zero
        return TwoWay(by_rater + by_identity, by_rater, by_identity, raters, identities)
    both = _clustered(moved, votes.rater * len(votes.identities) + votes.identity)
    return TwoWay(_positive(by_rater + by_identity - both, both), by_rater, by_identity, raters, identities)


def _influence(votes: Votes, fit: DavidsonFit, side: bool) -> Floats:
    """[V, K + 2] by how much each vote moves the parameters: covariance times score."""
    count, place = len(votes.methods), np.arange(len(votes))
    surprise = -outcome_chances(fit, votes.left, votes.right)  # [V, 3]
    surprise[place, votes.outcome] += 1.0
    by_d = 0.5 * (surprise[:, LEFT] - surprise[:, RIGHT])
    score = np.zeros((len(votes), count + 2))
    score[place, votes.left] = by_d
    score[place, votes.right] = -by_d
    score[:, count] = by_d if side else 0.0
    score[:, count + 1] = surprise[:, TIE]
    return np.asarray(score @ fit.covariance)


def _clustered(moved: Floats, cluster: Ints) -> Floats:
    """[K + 2, K + 2] sum over clusters of the square of what each moves; zero for one cluster."""
    names, place = np.unique(cluster, return_inverse=True)
    count = len(names)
    if count < 2:
        return np.zeros((moved.shape[1], moved.shape[1]))
    sums = np.stack([np.bincount(place.reshape(-1), column, count) for column in moved.T], axis=1)
    return np.asarray(sums.T @ sums * (count / (count - 1)))


def _positive(covariance: Floats, least: Floats) -> Floats:
    """A covariance whose every direction varies by `LEAST` of what it does in `least`, at the fewest."""
    values, vectors = np.linalg.eigh(least)
    kept = values > values.max() * 1e-10  # not the sum of strengths, which is fixed
    whiten = vectors[:, kept] / np.sqrt(values[kept])
    colour = vectors[:, kept] * np.sqrt(values[kept])
    ratios, turned = np.linalg.eigh(whiten.T @ covariance @ whiten)
    mixed = colour @ turned
    found = (mixed * np.maximum(ratios, LEAST)) @ mixed.T
    fitted = np.diag(least) > 0  # rounding gives what was not fitted no variance
    return np.asarray(np.where(np.outer(fitted, fitted), found, 0.0))
