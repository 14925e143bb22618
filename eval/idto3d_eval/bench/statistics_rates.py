"""How often tests reject and intervals cover on simulated scores, held against the bars of the statistics."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from idto3d_eval import statistics
from idto3d_eval.bench.bars import Bar
from idto3d_eval.bench.simulated_scores import NOISES, QUALITY, Noise, Simulated, gap_sd, simulate

ALPHA, LEVEL, RESAMPLES = 0.05, 0.95, 10_000  # as protocols have them
IDENTITIES = (8, 12, 20, 50)
COVERED_FROM = 12  # identities; below, coverage is printed as it is
PROMISED = 0.8  # the power at which effects of known size are set
REJECTS, FAMILY, COVERS, POWER = 0.014, 0.064, 0.02, 0.05  # the bars: ±, at most, ±, ±
FULL_RUNS = 1000

Told = Callable[[str, int, int], None]


@dataclass
class Rates:
    """Shares over the runs of one cell: so many identities, one noise, one seed.

    Attributes:
        identities, noise, seed, runs: of the cell.
        promised: what `power` says of the effect that `found` was measured on.
        level: greatest level up to alpha that the test can attain.
        shares: by name.
    """

    identities: int
    noise: Noise
    seed: int
    runs: int
    promised: float
    level: float
    shares: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The cell in words."""
        return f"{self.identities} identities, {self.noise}, seed {self.seed}"


def measure(
    runs: int,
    seeds: Sequence[int],
    identities: Sequence[int] = IDENTITIES,
    told: Told | None = None,
    workers: int = 1,
) -> list[Rates]:
    """Simulate every cell.

    Args:
        runs: of each cell.
        seeds: what each cell's runs are drawn from.
        identities: numbers of them.
        told: called with ("simulating", done, of).
        workers: processes; a cell has random numbers of its own, so that they change no bit.
    """
    cells = [(count, noise, seed) for count in identities for noise in NOISES for seed in seeds]
    found = []
    with ProcessPoolExecutor(workers) as pool:
        waiting = [pool.submit(measure_cell, *cell, runs) for cell in cells]
        for done, cell in enumerate(waiting, start=1):
            found.append(cell.result())
            if told is not None:
                told("simulating", done, len(cells))
    return found


def measure_cell(identities: int, noise: Noise, seed: int, runs: int) -> Rates:
    """Shares over the runs of one cell."""
    effect = promised_effect(identities)
    rates = Rates(
        identities,
        noise,
        seed,
        runs,
        statistics.power_at(identities, effect, gap_sd(), ALPHA),
        statistics.attainable_level(identities, ALPHA),
    )
    rng = np.random.default_rng([seed, identities, NOISES.index(noise)])
    outcomes: dict[str, list[float]] = {}
    for _ in range(runs):
        run = simulate(rng, identities, noise)
        for name, value in {**_ours(run, effect, seed), **_naive(run)}.items():
            outcomes.setdefault(name, []).append(value)
    rates.shares = {name: float(np.mean(values)) for name, values in outcomes.items()}
    return rates


@functools.cache
def promised_effect(identities: int) -> float:
    """The effect that `power` promises to find in eight of ten runs, by bisection."""
    low, high = 0.0, 5.0 * gap_sd()
    for _ in range(12):
        middle = (low + high) / 2.0
        enough = statistics.power_at(identities, middle, gap_sd(), ALPHA) >= PROMISED
        low, high = (low, middle) if enough else (middle, high)
    return high


def _ours(run: Simulated, effect: float, seed: int) -> dict[str, float]:
    """What the functions of the tables say of one run: 1 where it rejects, or where it covers."""
    means = run.by_identity
    gap = statistics.paired_difference(means[0, :, 0], means[1, :, 0], RESAMPLES, LEVEL, seed)
    tests = [gap.p, *(statistics.sign_flip_p(row, RESAMPLES, seed) for row in (means[0] - means[1]).T[1:])]
    moved = statistics.sign_flip_p(means[0, :, 0] - means[1, :, 0] + effect, RESAMPLES, seed)
    rows = run.scores[0, ..., 0]
    names = np.repeat([f"{index:03d}" for index in range(rows.shape[0])], rows[0].size).tolist()
    mean = statistics.mean_interval(rows.ravel(), names, RESAMPLES, LEVEL, seed)
    ratio = statistics.ratio_of_sums(run.numerators, run.denominators, RESAMPLES, LEVEL, seed)
    lopsided = statistics.paired_difference(run.lopsided, np.zeros_like(run.lopsided), RESAMPLES, LEVEL, seed)
    return {
        "rejects": float(np.mean([p <= ALPHA for p in tests])),  # of one test, averaged over the table's
        "family": float(min(statistics.holm(tests)) <= ALPHA),
        "covers mean": float(mean.low <= 0.0 <= mean.high),
        "covers difference": float(gap.low <= 0.0 <= gap.high),
        "covers ratio": float(ratio[1] <= QUALITY <= ratio[2]),
        "finds": float(moved <= ALPHA),
        "lopsided rejects": float(lopsided.p <= ALPHA),
        "lopsided rejects, interval too": float(lopsided.p <= ALPHA and lopsided.excludes_zero),
        "lopsided covers": float(lopsided.low <= 0.0 <= lopsided.high),
    }


def _naive(run: Simulated) -> dict[str, float]:
    """The same run by the analysis that this replaces: each row as if independent, none as paired."""
    rows = run.scores.reshape(2, -1, run.scores.shape[-1])
    count = rows.shape[1]
    means, variances = rows.mean(1), rows.var(1, ddof=1) / count
    tests = 2.0 * special.stdtr(2.0 * count - 2.0, -np.abs(means[0] - means[1]) / np.sqrt(variances.sum(0)))
    reach = special.stdtrit(count - 1.0, (1.0 + LEVEL) / 2.0)
    return {
        "naive rejects": float(np.mean(tests <= ALPHA)),
        "naive family": float(min(statistics.holm(tests.tolist())) <= ALPHA),
        "naive covers mean": float(abs(means[0, 0]) <= reach * math.sqrt(variances[0, 0])),
    }


def bars_of(cells: Sequence[Rates]) -> list[Bar]:
    """What each cell must keep to; with fewer runs than `FULL_RUNS`, bars widen by their larger error."""
    return [bar for cell in cells for bar in _bars_of(cell)]


def _bars_of(cell: Rates) -> list[Bar]:
    shares, note = cell.shares, f"{cell.runs} runs"
    widen = max(0.0, math.sqrt(FULL_RUNS / cell.runs) - 1.0)  # of three standard errors at full size

    def more(rate: float) -> float:
        return 3.0 * math.sqrt(rate * (1.0 - rate) / FULL_RUNS) * widen

    exact = cell.identities < statistics.EXACT_BELOW
    test = f"{note}; attainable level {cell.level:.4f}" if exact else note
    bars = [Bar(f"rejects, {cell.name}", shares["rejects"], ALPHA + REJECTS + more(ALPHA), note=test)]
    if not exact:
        least = ALPHA - REJECTS - more(ALPHA)
        bars.append(Bar(f"rejects, {cell.name}", shares["rejects"], least, least=True, note=test))
    bars.append(Bar(f"family after Holm, {cell.name}", shares["family"], FAMILY + more(ALPHA), note=note))
    if cell.identities >= COVERED_FROM:
        for what in ("mean", "difference", "ratio"):
            off = round(abs(shares[f"covers {what}"] - LEVEL), 9)  # so that 0.97 is within 0.02 of 0.95
            share = f"{note}; covers {shares[f'covers {what}']:.3f}"
            bars.append(
                Bar(f"coverage of {what} off 95 %, {cell.name}", off, COVERS + more(LEVEL), note=share)
            )
    off = round(abs(shares["finds"] - cell.promised), 9)
    share = f"{note}; promised {cell.promised:.3f}, found {shares['finds']:.3f}"
    bars.append(Bar(f"power off the promise, {cell.name}", off, POWER + more(PROMISED), note=share))
    worse = abs(shares["naive covers mean"] - LEVEL) - abs(shares["covers mean"] - LEVEL)
    unlike = f"{note}; unclustered covers {shares['naive covers mean']:.3f}"
    bars.append(Bar(f"unclustered is worse by, {cell.name}", worse, 0.0, least=True, note=unlike))
    return bars


def table_of(cells: Sequence[Rates]) -> list[dict[str, str]]:
    """One row a cell, shares in per cent."""
    return [_row(cell) for cell in cells]


def _row(cell: Rates) -> dict[str, str]:
    def share(name: str) -> str:
        return f"{100 * cell.shares[name]:.1f}"

    return {
        "identities": str(cell.identities),
        "noise": cell.noise,
        "seed": str(cell.seed),
        "rejects (attainable)": f"{share('rejects')} ({100 * cell.level:.2f})",
        "Holm": share("family"),
        "covers mean": share("covers mean"),
        "difference": share("covers difference"),
        "ratio": share("covers ratio"),
        "power (promised)": f"{share('finds')} ({100 * cell.promised:.1f})",
        "unpaired, unclustered: rejects": share("naive rejects"),
        "Holm ": share("naive family"),
        "covers": share("naive covers mean"),
        "lopsided: p": share("lopsided rejects"),
        "p and interval": share("lopsided rejects, interval too"),
    }


def figures(cells: Sequence[Rates]) -> list[dict[str, Any]]:
    """The cells in JSON's types."""
    return [
        {
            "identities": cell.identities,
            "noise": cell.noise,
            "seed": cell.seed,
            "runs": cell.runs,
            "attainable_level": cell.level,
            "power_promised": cell.promised,
            **cell.shares,
        }
        for cell in cells
    ]
