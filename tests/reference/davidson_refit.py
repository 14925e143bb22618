"""Davidson's model with a side, vote by vote and by a general minimiser: slow, sharing no code."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from idto3d_eval.preference.votes import LEFT, RIGHT, Votes

Floats = NDArray[np.float64]


def refit(votes: Votes, weights: Floats, ridge: float) -> Floats:
    """[K + 2] theta, gamma, log nu: most weighted likelihood less ridge / 2 times their squares."""
    count = len(votes.methods)

    def lost(free: Floats) -> float:
        theta, gamma, log_nu = free[:count] - free[:count].mean(), free[count], free[count + 1]
        total = ridge / 2.0 * float(theta @ theta + gamma**2 + log_nu**2)
        for left, right, outcome, weight in zip(votes.left, votes.right, votes.outcome, weights, strict=True):
            d = theta[left] - theta[right] + gamma
            z = math.exp(d / 2) + math.exp(-d / 2) + math.exp(log_nu)
            top = d / 2 if outcome == LEFT else -d / 2 if outcome == RIGHT else log_nu
            total -= weight * (top - math.log(z))
        return total

    found = optimize.minimize(lost, np.zeros(count + 2), method="BFGS", options={"gtol": 1e-7}).x
    found[:count] -= found[:count].mean()
    return np.asarray(found)
