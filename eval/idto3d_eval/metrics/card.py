"""What a metric tells about itself: definition, source, unit, range, direction and how it fails."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Direction = Literal["higher", "lower", "neither"]
Family = Literal["identity", "expression", "geometry", "mesh", "appearance", "light", "cost", "stability"]
Level = Literal["view", "head", "identity", "method"]
Statistic = Literal["mean", "ratio_of_sums", "pooled", "code"]


class Measurement(NamedTuple):
    """A number, or NaN with the reason why there is none."""

    value: float
    reason: str = ""


@dataclass(frozen=True)
class MetricCard:
    """One metric as a table shows it and as `metrics show` explains it.

    Attributes:
        name: the metric's name in `scores.parquet`.
        title: the column's heading.
        definition: how the number comes about, in words that let a second engineer compute it again.
        source: paper, repository or page of the definition.
        unit: "mm", "degrees", "1" for a pure number, "calls".
        low, high: the range of possible values.
        better: which direction is an improvement; "neither" for figures that only describe.
        family: the name under which a protocol asks for it.
        level: what one row of `scores.parquet` stands for.
        statistic: how rows become a method's figure: the mean over identities of each identity's mean, a
            ratio of sums over identities, one number over pooled measurements, or none at all: a "code" says
            which of several things was found, and nothing is averaged over it.
        failure_modes: how an honest computation of it misleads.
        preprocessing: what is done to images or meshes before the number is computed.
        networks: weight files that it reads with, whose hashes stand in a run's provenance.
    """

    name: str
    title: str
    definition: str
    source: str
    unit: str
    low: float
    high: float
    better: Direction
    family: Family
    level: Level
    failure_modes: tuple[str, ...]
    statistic: Statistic = "mean"
    preprocessing: str = ""
    networks: tuple[str, ...] = ()
