"""Scores of two methods drawn from a known model, as a protocol leaves them, for `bench statistics`.

A score is a fixed effect of its view, an effect of the identity that both methods share, an effect of the
method on that identity, one of the seed (seeds nested in identity and method), and a residual. Everything but
the view is random, and normal or skewed alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Noise = Literal["normal", "skewed"]
NOISES: tuple[Noise, ...] = ("normal", "skewed")

METRICS, SEEDS = 10, 2  # of a table
VIEWS = np.array([-0.5, -0.1, 0.2, 0.4])  # fixed: they add up to 0
PERSON, INTERACTION, SEED, RESIDUAL = 1.0, 0.6, 0.4, 0.3  # standard deviations
SHARED = 0.5  # of the variance of person and interaction, by the metrics of one table
SPAN, SPAN_SPREAD, QUALITY = 0.5, 0.25, 0.6  # ceiling − floor: mean, and log spread; share that is reached
SHORTFALL = 0.3  # spread of the share between identities


@dataclass(frozen=True)
class Simulated:
    """One run of a protocol.

    Attributes:
        scores: [2, I, V, S, K]: method, identity, view, seed, metric; all means are 0, all views add up to 0.
        numerators, denominators: [I] of a ratio of sums whose true value is `QUALITY`.
        lopsided: [I] gaps with mean 0 of which one method's failures make the tail: not exchangeable.
    """

    scores: Floats
    numerators: Floats
    denominators: Floats
    lopsided: Floats

    @property
    def by_identity(self) -> Floats:
        """[2, I, K]: means over views and seeds."""
        means: Floats = self.scores.mean(axis=(2, 3))
        return means


def simulate(rng: np.random.Generator, identities: int, noise: Noise) -> Simulated:
    """Draw one run in which both methods are equally good."""

    def draw(*shape: int) -> Floats:
        """Mean 0, standard deviation 1; skewness 0, or 2 (exponential)."""
        return rng.normal(size=shape) if noise == "normal" else rng.exponential(size=shape) - 1.0

    def over_metrics(*shape: int) -> Floats:
        """[*shape, K] that the metrics of a table share in part, as they read the same heads."""
        together, apart = draw(*shape, 1), draw(*shape, METRICS)
        return math.sqrt(SHARED) * together + math.sqrt(1.0 - SHARED) * apart

    person = PERSON * over_metrics(identities)[None, :, None, None]
    interaction = INTERACTION * over_metrics(2, identities)[:, :, None, None]
    seed = SEED * draw(2, identities, 1, SEEDS, METRICS)
    residual = RESIDUAL * draw(2, identities, len(VIEWS), SEEDS, METRICS)
    scores = VIEWS[:, None, None] + person + interaction + seed + residual
    spans = SPAN * np.exp(SPAN_SPREAD * rng.normal(size=identities))
    return Simulated(scores, spans * (QUALITY + SHORTFALL * draw(identities)), spans, draw(identities))


def gap_sd() -> float:
    """Standard deviation between identities of the gap between the two methods."""
    one = INTERACTION**2 + SEED**2 / SEEDS + RESIDUAL**2 / (SEEDS * len(VIEWS))
    return math.sqrt(2.0 * one)
