"""How often a study's intervals hold the truth and careless raters are found, on studies drawn from a model.

The truth is what the fit tends to with ever more attentive raters and identities (`simulate.true_fit`).
Careless raters would dilute it: the intervals are for the analysis that leaves out those it finds, and a
careless rater that it misses counts against its coverage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from idto3d_eval.bench.bars import Bar
from idto3d_eval.preference.bootstrap import DRAWS, LEVEL, Interval, davidson_bootstrap, drawn_cells
from idto3d_eval.preference.careless import careless_raters
from idto3d_eval.preference.davidson import davidson_fit, fit_cells
from idto3d_eval.preference.simulate import Design, answers_of, simulate, true_fit
from idto3d_eval.preference.votes import Votes

Floats = NDArray[np.float64]
Told = Callable[[str, int, int], None]

# Of 8 methods each. Raters and people differ as stated at `Design`, or more, or not at all.
DESIGNS = {
    "30 raters, 12 identities": Design(),
    "the same, twice as unlike": Design(rater_spread=0.8, identity_spread=0.8),
    "the same, all alike": Design(rater_spread=0.0, identity_spread=0.0),
}
COVERS, SIDE_OFF, FOUND, FALSE_ALARMS = 0.02, 0.02, 0.9, 0.05  # the bars: ±, at most, at least, at most
FULL_STUDIES = 1000
TOGETHER = 20  # studies that a process simulates before it says so


@dataclass(frozen=True)
class Rates:
    """Shares over the studies of one design.

    Attributes:
        name: of the design.
        studies: how many.
        covers: by what is bounded and by which interval, [studies, figures] of whether it holds the truth.
        side, true_side: mean estimate of gamma, and its truth.
        side_error: standard deviation of the estimate between studies.
        found, false_alarms: shares of the careless and of the attentive raters that were flagged.
    """

    name: str
    studies: int
    covers: dict[str, NDArray[np.bool_]]
    side: float
    true_side: float
    side_error: float
    found: float
    false_alarms: float

    def share(self, name: str) -> float:
        """Mean coverage of some figures."""
        return float(self.covers[name].mean())

    def ends(self, name: str) -> str:
        """Least and greatest coverage of one figure, in words."""
        each = self.covers[name].mean(0)
        return f"of one figure {100 * each.min():.1f} to {100 * each.max():.1f} %"


def measure(studies: int, seed: int, told: Told | None = None, workers: int = 1) -> list[Rates]:
    """Simulate and analyse so many studies of every design.

    Args:
        studies: of each.
        seed: of all.
        told: called with ("simulating", done, of).
        workers: processes; a study has random numbers of its own, so that they change no bit.
    """
    spans = [range(first, min(first + TOGETHER, studies)) for first in range(0, studies, TOGETHER)]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in DESIGNS}
    # Started afresh: a fork of a process whose polars has threads waits for them for ever.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [(name, pool.submit(_several, name, seed, span)) for name in DESIGNS for span in spans]
        for done, (name, some) in enumerate(waiting, start=1):
            found[name] += some.result()
            if told is not None:
                told("simulating", done, len(waiting))
    return [_rates(name, rows) for name, rows in found.items()]


def _several(name: str, seed: int, span: range) -> list[dict[str, Any]]:
    return [analyse(DESIGNS[name], [seed, list(DESIGNS).index(name), study]) for study in span]


def analyse(design: Design, seed: Sequence[int]) -> dict[str, Any]:
    """One study: what covers, by name; the side; how many raters were careless, found, falsely found."""
    study = simulate(np.random.default_rng(seed), design)
    careless = careless_raters(answers_of(study))
    flagged = np.isin(study.votes.raters, careless.flagged)
    votes = study.votes.take(~flagged[study.votes.rater])
    result = davidson_bootstrap(votes, DRAWS, seed[-1])
    fit = true_fit(design)
    truth = dict(zip(design.names, fit.theta[0].tolist(), strict=True))
    gaps = [(one, other, result.difference(one, other)) for one, other in pairwise(design.names)]

    def covered(pairs: Sequence[tuple[str, str, Interval]]) -> list[bool]:
        return [_holds(interval, truth[one] - truth[other]) for one, other, interval in pairs]

    row: dict[str, Any] = {
        "differences": covered(gaps),
        "differences, as ranked": covered(result.adjacent),
        "strengths": [
            _holds(interval, truth[name])
            for name, interval in zip(design.names, result.strengths, strict=True)
        ],
        "side": [_holds(result.side, float(fit.gamma[0]))],
        "nu": [_holds(result.nu, float(fit.nu[0]))],
        "gamma": result.side.value,
        "careless": int(study.careless.sum()),
        "found": int((flagged & study.careless).sum()),
        "attentive": int((~study.careless).sum()),
        "false alarms": int((flagged & ~study.careless).sum()),
    }
    return row | _others(votes, fit.theta[0], seed[-1])


def _others(votes: Votes, truth: Floats, seed: int) -> dict[str, list[bool]]:
    """The same votes by what this replaces: votes as if independent, and pigeonhole draws as they are."""
    count = len(votes.methods)
    fit = davidson_fit(votes)
    # Rows that give neighbours' differences, then rows that give strengths.
    contrasts = np.concatenate([np.eye(count)[:-1] - np.eye(count)[1:], np.eye(count)])
    covariance = fit.covariance[:count, :count]
    errors = np.sqrt(np.einsum("ck,kl,cl->c", contrasts, covariance, contrasts))
    off = contrasts @ (fit.theta[0] - truth)
    alone = np.abs(off) <= special.ndtri((1.0 + LEVEL) / 2.0) * errors
    draws = fit_cells(drawn_cells(votes, DRAWS, seed), start=fit).theta @ contrasts.T
    low, high = np.quantile(draws, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], axis=0)
    drawn = (low <= contrasts @ truth) & (contrasts @ truth <= high)
    return {
        "differences, unclustered": alone[: count - 1].tolist(),
        "strengths, unclustered": alone[count - 1 :].tolist(),
        "differences, pigeonhole": drawn[: count - 1].tolist(),
        "strengths, pigeonhole": drawn[count - 1 :].tolist(),
    }


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def _rates(name: str, rows: Sequence[dict[str, Any]]) -> Rates:
    covers = {
        key: np.array([row[key] for row in rows]) for key, value in rows[0].items() if type(value) is list
    }
    side = np.array([row["gamma"] for row in rows])

    def share(part: str, whole: str) -> float:
        return float(sum(row[part] for row in rows) / sum(row[whole] for row in rows))

    return Rates(
        name,
        len(rows),
        covers,
        float(side.mean()),
        float(true_fit(DESIGNS[name]).gamma[0]),
        float(side.std(ddof=1)),
        share("found", "careless"),
        share("false alarms", "attentive"),
    )


def bars_of(rates: Sequence[Rates]) -> list[Bar]:
    """What each design must keep to; below `FULL_STUDIES` studies, bars widen by their larger error."""
    return [bar for one in rates for bar in _bars_of(one)]


def _bars_of(rates: Rates) -> list[Bar]:
    widen = max(0.0, math.sqrt(FULL_STUDIES / rates.studies) - 1.0)  # of three standard errors at full size

    def more(spread: float) -> float:
        return 3.0 * spread / math.sqrt(FULL_STUDIES) * widen

    studies = f"{rates.studies} studies"
    bars = []
    for what in ("differences", "strengths", "side"):
        off = round(abs(rates.share(what) - LEVEL), 9)  # so that 0.97 is within 0.02 of 0.95
        note = f"{studies}; covers {100 * rates.share(what):.1f} %, {rates.ends(what)}"
        bound = COVERS + more(math.sqrt(LEVEL * (1.0 - LEVEL)))
        bars.append(Bar(f"coverage of {what} off 95 %, {rates.name}", off, bound, note=note))
    note = f"{studies}; mean {rates.side:.4f}, truth {rates.true_side:.4f}"
    off = abs(rates.side - rates.true_side)
    bars.append(Bar(f"side off, {rates.name}", off, SIDE_OFF + more(rates.side_error), note=note))
    bars.append(Bar(f"careless raters found, {rates.name}", rates.found, FOUND, least=True, note=studies))
    bars.append(Bar(f"false alarms, {rates.name}", rates.false_alarms, FALSE_ALARMS, note=studies))
    return bars


def table_of(rates: Sequence[Rates]) -> list[dict[str, str]]:
    """One row a design, shares in per cent."""
    return [
        {
            "design": one.name,
            "studies": str(one.studies),
            "covers differences": f"{100 * one.share('differences'):.1f}",
            "as ranked": f"{100 * one.share('differences, as ranked'):.1f}",
            "strengths": f"{100 * one.share('strengths'):.1f}",
            "side": f"{100 * one.share('side'):.1f}",
            "nu": f"{100 * one.share('nu'):.1f}",
            "unclustered: differences": f"{100 * one.share('differences, unclustered'):.1f}",
            "strengths ": f"{100 * one.share('strengths, unclustered'):.1f}",
            "pigeonhole: differences": f"{100 * one.share('differences, pigeonhole'):.1f}",
            "strengths  ": f"{100 * one.share('strengths, pigeonhole'):.1f}",
            "careless found": f"{100 * one.found:.1f}",
            "false alarms": f"{100 * one.false_alarms:.2f}",
        }
        for one in rates
    ]


def figures(rates: Sequence[Rates]) -> list[dict[str, Any]]:
    """The designs in JSON's types."""
    return [
        {
            "design": one.name,
            "studies": one.studies,
            "side": one.side,
            "true_side": one.true_side,
            "careless_found": one.found,
            "false_alarms": one.false_alarms,
            **{f"covers {name}": one.covers[name].mean(0).tolist() for name in one.covers},
        }
        for one in rates
    ]
