"""How many identities a claim about two methods needs, from numbers of one's own or from a pilot run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtri

from idto3d.errors import UserError
from idto3d_eval import statistics

if TYPE_CHECKING:
    import polars

SCORES = "scores.parquet"
CALIBRATED, PARTS = "calibrated_identity", ("identity_counted", "identity_floor", "identity_ceiling")
LOOKED_AT = (8, 12, 20, 30, 50, 100)  # identities whose power stands beside
CONFIDENCE = 0.8  # with which a pilot's true spread is below the bound that is looked at beside it


@dataclass(frozen=True)
class Claim:
    """What is to be found.

    Attributes:
        effect: the true mean gap, in the metric's unit.
        sd: standard deviation of the gaps between identities, same unit.
        power: probability with which it is to be found.
        alpha: error rate over all tests together.
        tests: how many are corrected together.
    """

    effect: float
    sd: float
    power: float = 0.8
    alpha: float = 0.05
    tests: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.effect) and self.effect != 0):
            raise UserError(
                f"Found an effect of {self.effect:g}, expected a gap other than 0; give --effect."
            )
        if not (math.isfinite(self.sd) and self.sd > 0):
            raise UserError(
                f"Found an sd of {self.sd:g}, expected the spread of gaps between identities, above 0;"
                " give --sd."
            )


@dataclass(frozen=True)
class Pilot:
    """Gaps of two rows of a run, one an identity, in the metric's unit."""

    metric: str
    first: str
    second: str
    gaps: tuple[float, ...]

    @property
    def mean(self) -> float:
        """What the pilot found."""
        return float(np.mean(self.gaps))

    @property
    def sd(self) -> float:
        """Between identities."""
        return float(np.std(self.gaps, ddof=1))

    @property
    def sd_bound(self) -> float:
        """The true spread is below it with probability `CONFIDENCE`, for normal gaps (chi-square)."""
        freedom = len(self.gaps) - 1
        return self.sd * math.sqrt(freedom / float(chdtri(freedom, CONFIDENCE)))


def plan_claim(claim: Claim, at: Sequence[int] = ()) -> dict[str, Any]:
    """The number of identities that a claim needs, and the power of others.

    Args:
        claim: what is to be found.
        at: further numbers of identities to look at.
    """
    need = statistics.identities_needed(claim.effect, claim.sd, claim.power, claim.alpha, claim.tests)
    looked = sorted({*LOOKED_AT, *at, *([need.identities] if need.identities else [])})
    return {
        "effect": claim.effect,
        "sd": claim.sd,
        "standardised": claim.effect / claim.sd,
        "alpha": claim.alpha,
        "tests": claim.tests,
        "level_of_one_test": need.level,
        "power_asked": claim.power,
        "identities": need.identities,
        "power": need.power,
        "test": "sign flips of paired gaps, exact below 20 identities",
        "power_at": {
            str(count): statistics.power_at(count, claim.effect, claim.sd, claim.alpha, claim.tests)
            for count in looked
        },
    }


def read_pilot(folder: Path, metric: str, first: str | None, second: str | None) -> Pilot:
    """The gaps of two rows of a finished run.

    Args:
        folder: the run's.
        metric: a column of its table.
        first, second: the rows; the run's first two with this metric where none is named.

    Raises:
        UserError: no finished run, no such metric or row, or fewer than two identities with both.
    """
    if not (folder / SCORES).is_file():
        raise UserError(f"Found no {SCORES} in {folder}, expected a finished run; run its protocol first.")
    import polars

    table = polars.read_parquet(folder / SCORES, columns=["method", "metric", "identity", "value"])
    reads = PARTS[0] if metric == CALIBRATED else metric
    methods = table.filter(table["metric"] == reads)["method"].unique(maintain_order=True).to_list()
    named = [name for name in (first, second) if name]
    if missing := [name for name in named if name not in methods]:
        raise UserError(
            f"Found no '{metric}' of '{missing[0]}' in {folder}, expected one of:"
            f" {', '.join(methods) or 'none'}."
        )
    others = [name for name in methods if name not in named]
    if len(methods) < 2:
        known = ", ".join(sorted(table["metric"].unique().to_list()))
        raise UserError(f"Found '{metric}' of {len(methods)} rows in {folder}, expected two; it has {known}.")
    a = first or others.pop(0)
    b = second or others.pop(0)
    gaps = _gaps(table, metric, a, b)
    if len(gaps) < 2:
        raise UserError(
            f"Found {len(gaps)} identities with '{metric}' of both '{a}' and '{b}', expected at least 2;"
            " name other rows."
        )
    return Pilot(metric, a, b, tuple(gaps))


def _gaps(table: polars.DataFrame, metric: str, first: str, second: str) -> list[float]:
    """One gap an identity; of a ratio of sums, numerators over the mean denominator."""

    def means(method: str, name: str) -> dict[str, float]:
        own = table.filter((table["method"] == method) & (table["metric"] == name))
        return statistics.identity_means(own["value"].to_numpy(), own["identity"].to_list())

    reads = PARTS[0] if metric == CALIBRATED else metric
    a, b = means(first, reads), means(second, reads)
    gaps = {name: a[name] - b[name] for name in sorted(set(a) & set(b))}
    gaps = {name: gap for name, gap in gaps.items() if math.isfinite(gap)}
    if metric != CALIBRATED:
        return list(gaps.values())
    floor, ceiling = (means(first, name) for name in PARTS[1:])
    spans = {name: ceiling.get(name, math.nan) - floor.get(name, math.nan) for name in gaps}
    known = [name for name in gaps if math.isfinite(spans[name])]
    span = float(np.mean([spans[name] for name in known])) if known else math.nan
    return [gaps[name] / span for name in known] if span > 0 else []
