"""What a result table holds: a figure with all that stands behind it, comparisons, and pairs told apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idto3d_eval.estimates import Gap

COVERAGE = "face_coverage"
CALIBRATED = "calibrated_identity"
ALPHA = 0.05

# What a reader sees first; every other metric stands in the full table.
HEADLINE = ("joint", CALIBRATED, "rank1", "expression_accuracy", "identity_drift", "now_median", COVERAGE)


@dataclass(frozen=True)
class Cell:
    """One figure of the table."""

    value: float
    low: float
    high: float
    valid: int
    total: int
    reason: str = ""  # why there is no figure
    best: bool = False
    tied: bool = False  # with the best of its block
    interval: str = ""  # which interval it is
    why_not: tuple[
        tuple[str, int], ...
    ] = ()  # reasons of the measurements that are missing, with their number
    least: float = math.nan  # the figure if all that is missing were the least that the metric can be
    most: float = math.nan
    rank: tuple[int, int] | None = None  # bounds of its rank in the block, 1 the best
    to_best: Gap | None = None  # the best of the block minus this one
    p_holm: float = math.nan  # of that, over all such tests of the block's table


@dataclass(frozen=True)
class Comparison:
    """How much more of a metric one method has than another, paired on identity."""

    metric: str
    first: str
    second: str
    value: float
    low: float
    high: float
    p: float
    p_holm: float
    identities: int
    effect: float = math.nan
    test: str = ""


@dataclass(frozen=True)
class Pairs:
    """All pairs of a block's methods in one metric: p corrected over the pairs of this column."""

    metric: str
    order: tuple[str, ...]  # labels, the best first
    p: tuple[tuple[float, ...], ...]  # p[i][j - i - 1] of order[i] and order[j], j > i


@dataclass(frozen=True)
class Figures:
    """All cells, by method and metric, and the comparisons of the first method with every other."""

    cells: dict[str, dict[str, Cell]]
    comparisons: tuple[Comparison, ...]
    unranked: dict[str, str]  # method -> why
    pairs: tuple[Pairs, ...] = ()
    notes: tuple[str, ...] = ()  # what a reader must know of the tests


def plain(value: Any) -> Any:
    """Figures in JSON's types, NaN as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return plain(asdict(value))
    return value
