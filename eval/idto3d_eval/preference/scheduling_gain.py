"""How many votes adaptive scheduling saves: simulated studies beside pairs drawn uniformly at random.

Both are measured by the mean width of the 95 % intervals of the differences between true neighbours. Votes
are drawn from Davidson's model, so that a width is the model's own; raters and people who differ widen both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.preference.davidson import Cells, DavidsonFit, fit_cells
from idto3d_eval.preference.scheduling import (
    Counted,
    allocation,
    information_of,
    method_pairs,
    next_pair,
    shares_for,
)
from idto3d_eval.preference.simulate import drawn_outcomes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Told = Callable[[str, int, int], None]

NU = 0.1  # equals tie one vote in 21: few, as where raters are asked to decide
SIDE = 0.2  # log-odds of the left side
AGAIN = 10  # votes after which shares are computed anew: as many raters answer at the same time
MORE = (1.0, 1.15, 1.3, 1.5, 1.75, 2.1, 2.5)  # random's votes, in parts of adaptive's
LOOKED_AT = (100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2400)  # votes of the picture
REACH = 1.959963984540054  # of a 95 % interval, in standard errors


@dataclass(frozen=True)
class Gain:
    """What adaptive scheduling saves.

    Attributes:
        votes: of each adaptive study.
        width: mean width that it reaches, log-odds.
        random_votes: [M] votes of random studies.
        random_width: [M] mean width that these reach.
        needed: votes that random needs for the width of adaptive.
        ratio: votes over needed.
        error: standard error of the ratio between studies.
        own_ratio: the ratio where neighbours are those of each study's own ranking, as it would report them.
    """

    votes: int
    width: float
    random_votes: tuple[int, ...]
    random_width: tuple[float, ...]
    needed: float
    ratio: float
    error: float
    own_ratio: float


def measure_gain(
    studies: int = 200,
    votes: int = 1200,
    methods: int = 8,
    apart: float = 0.5,
    nu: float = NU,
    identities: int = 12,
    seed: int = 0,
    told: Told = lambda *_: None,
) -> Gain:
    """Simulate studies of both kinds and compare what votes buy.

    Args:
        studies: of each kind.
        votes: of an adaptive study.
        methods: K.
        apart: log-odds between neighbours.
        nu: of the ties.
        identities: whose heads are asked about in turn.
        seed: of everything.
        told: what is simulated, studies done, and all.
    """
    theta: Floats = np.asarray(apart * ((methods - 1) / 2 - np.arange(methods)), dtype=np.float64)
    counts = tuple(round(votes * more) for more in MORE)
    adaptive, drawn = np.zeros((studies, 2)), np.zeros((studies, len(counts), 2))
    for study in range(studies):
        rng = np.random.default_rng([seed, study])
        adaptive[study] = widths(_adaptive(rng, theta, nu, (votes,), identities)[0])
        drawn[study] = [widths(fit) for fit in _random(rng, theta, nu, counts)]
        told("adaptive scheduling", study + 1, studies)
    needed, own = (votes_needed(adaptive[:, by].mean(), counts, drawn[:, :, by].mean(0)) for by in (0, 1))
    # Jackknife over studies.
    left_out = [
        votes
        / votes_needed(
            np.delete(adaptive[:, 0], one).mean(), counts, np.delete(drawn[:, :, 0], one, axis=0).mean(0)
        )
        for one in range(studies)
    ]
    error = float(np.sqrt((studies - 1) * np.var(left_out)))
    return Gain(
        votes,
        float(adaptive[:, 0].mean()),
        counts,
        tuple(drawn[:, :, 0].mean(0).tolist()),
        needed,
        votes / needed,
        error,
        votes / own,
    )


def width_curves(
    votes: Sequence[int] = LOOKED_AT, studies: int = 40, methods: int = 8, apart: float = 0.5, seed: int = 0
) -> dict[str, list[float]]:
    """Mean widths after so many votes each: of adaptive and of random pairs, and the best that can be.

    The best is the design that knows the strengths, without what ties and the side cost.
    """
    theta: Floats = np.asarray(apart * ((methods - 1) / 2 - np.arange(methods)), dtype=np.float64)
    kinds: dict[str, list[list[float]]] = {"adaptive": [], "random": []}
    for study in range(studies):
        rng = np.random.default_rng([seed, study])
        kinds["adaptive"].append([widths(fit)[0] for fit in _adaptive(rng, theta, NU, votes, 12)])
        kinds["random"].append([widths(fit)[0] for fit in _random(rng, theta, NU, votes)])
    pairs = method_pairs(methods)
    told = shares_for(theta[None], NU) * information_of(theta[pairs[:, 0]] - theta[pairs[:, 1]], NU)
    graph = np.zeros((methods, methods))
    graph[pairs[:, 0], pairs[:, 1]] = graph[pairs[:, 1], pairs[:, 0]] = -told
    spread: Floats = np.asarray(np.linalg.inv(np.diag(-graph.sum(1)) + graph + 1.0 / methods))
    least = _mean_width(spread)
    means = {name: np.mean(found, axis=0).tolist() for name, found in kinds.items()}
    return {**means, "best": [least / float(np.sqrt(count)) for count in votes]}


def widths(fit: DavidsonFit) -> tuple[float, float]:
    """Mean interval width between neighbours by place, and between neighbours of the fit's own ranking."""
    count = fit.theta.shape[1]

    def mean(order: Ints) -> float:
        return _mean_width(fit.covariance[np.ix_(order, order)])

    return mean(np.arange(count)), mean(np.argsort(-fit.theta[0], kind="stable"))


def _mean_width(spread: Floats) -> float:
    """Of the intervals of neighbours' differences, from a covariance in their order."""
    own = np.diag(spread)
    return float((2 * REACH * np.sqrt(own[1:] + own[:-1] - 2 * np.diag(spread, 1))).mean())


def votes_needed(width: float, votes: Sequence[int], random_width: Floats) -> float:
    """Votes at which random reaches a width, on logarithms between those that were simulated.

    Outside of these, widths go by the root of the votes from the nearest: neither gain nor loss is cut off.
    """
    if not random_width[-1] <= width <= random_width[0]:
        nearest = 0 if width > random_width[0] else -1
        return votes[nearest] * float((random_width[nearest] / width) ** 2)
    falling = np.log(random_width[::-1])
    return float(np.exp(np.interp(np.log(width), falling, np.log(np.array(votes, dtype=float))[::-1])))


def _adaptive(
    rng: np.random.Generator, theta: Floats, nu: float, votes: Sequence[int], identities: int
) -> list[DavidsonFit]:
    """Fits after so many votes each of one study."""
    places = {(int(a), int(b)): place for place, (a, b) in enumerate(method_pairs(len(theta)))}
    counts = np.zeros((len(places), identities, 2), dtype=np.int64)  # which of the two stood left
    cells = _no_votes(len(theta))
    cell = {(int(a), int(b)): at for at, (a, b) in enumerate(zip(cells.left, cells.right, strict=True))}
    found, done = [], 0
    for until in votes:
        while done < until:
            share = allocation(cells, rng)
            chosen = []
            for vote in range(done, min(done + AGAIN, until)):
                identity, shown = vote % identities, counts.sum(1)
                counted = Counted(shown.sum(1), counts[:, identity], shown[:, 0] - shown[:, 1])
                left, right = next_pair(counted, share, rng)
                counts[places[min(left, right), max(left, right)], identity, int(left > right)] += 1
                chosen.append((left, right))
            pairs = np.array(chosen)
            outcome = drawn_outcomes(rng, theta[pairs[:, 0]] - theta[pairs[:, 1]] + SIDE, nu)
            for pair, answer in zip(chosen, outcome, strict=True):
                cells.counts[0, cell[pair], answer] += 1
            done += len(chosen)
        found.append(fit_cells(cells))
    return found


def _random(rng: np.random.Generator, theta: Floats, nu: float, votes: Sequence[int]) -> list[DavidsonFit]:
    """Fits of the first so many of the same random votes."""
    cells = _no_votes(len(theta))
    place = rng.integers(len(cells.left), size=max(votes))  # a pair and a side, evenly
    outcome = drawn_outcomes(rng, theta[cells.left[place]] - theta[cells.right[place]] + SIDE, nu)
    found, done = [], 0
    for until in votes:
        np.add.at(cells.counts[0], (place[done:until], outcome[done:until]), 1)
        done = until
        found.append(fit_cells(cells))
    return found


def _no_votes(methods: int) -> Cells:
    pairs = method_pairs(methods)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return Cells(methods, both[:, 0], both[:, 1], np.zeros((1, len(both), 3)))
