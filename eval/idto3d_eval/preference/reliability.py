"""Whether raters agree with each other, with themselves, and with what is plain to see.

Agreement is Krippendorff's alpha (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"), nominal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from idto3d_eval.preference.careless import ANSWERS, MIRRORED, CarelessRaters, careless_raters, repeats_of
from idto3d_eval.preference.trials import ATTENTION, PAIR

if TYPE_CHECKING:
    import polars

__all__ = ["CarelessRaters", "Reliability", "careless_raters", "krippendorff_alpha", "reliability"]

UNIT = ("question", "first", "second", "identity", "expression")


@dataclass(frozen=True)
class Reliability:
    """Agreement of a study.

    Attributes:
        alpha: Krippendorff's, 1 for full agreement, 0 for chance; NaN where no two raters saw the same, or
            all said the same throughout.
        units: how many things were judged by two raters or more.
        attention, passed: attention pairs that were answered, and the share of them that was right.
        repeats, consistent: pairs that were shown again, and the share that was answered alike.
        by_rater: a row a rater: rater, pairs, attention, passed, repeats, consistent (shares null where there
            is none), left (share of the decided votes that went left), seconds (median).
    """

    alpha: float
    units: int
    attention: int
    passed: float
    repeats: int
    consistent: float
    by_rater: polars.DataFrame


def reliability(answers: polars.DataFrame) -> Reliability:
    """Agreement of all raters in a table of answers, as `answers_table` gives it."""
    import polars

    alpha, units = krippendorff_alpha(answers)
    rows = repeats_of(answers).with_columns(
        passed=polars.when(polars.col("kind") == ATTENTION).then(
            polars.col("answer") == polars.col("expected")
        ),
        alike=polars.when(polars.col("before").is_not_null()).then(
            polars.col("answer") == polars.col("before")
        ),
        to_left=polars.when(
            (polars.col("kind") == PAIR) & polars.col("answer").is_in(["left", "right"])
        ).then(polars.col("answer") == "left"),
    )
    by_rater = (
        rows.group_by("rater")
        .agg(
            pairs=(polars.col("kind") == PAIR).sum(),
            attention=(polars.col("kind") == ATTENTION).sum(),
            passed=polars.col("passed").mean(),
            repeats=polars.col("alike").count(),
            consistent=polars.col("alike").mean(),
            left=polars.col("to_left").mean(),
            seconds=polars.col("seconds").median(),
        )
        .sort("rater")
    )
    passed, alike = rows["passed"].drop_nulls(), rows["alike"].drop_nulls()
    return Reliability(alpha, units, len(passed), _share(passed), len(alike), _share(alike), by_rater)


def krippendorff_alpha(answers: polars.DataFrame) -> tuple[float, int]:
    """Agreement on pairs, and how many units two raters or more have judged.

    A unit is a question on two methods' heads of one identity and expression; answers count as for the first
    or the second method by name, whichever side it stood on. A rater counts once a unit, by the first answer.
    """
    import krippendorff
    import polars

    turned = polars.col("left") > polars.col("right")
    pairs = (
        answers.filter(polars.col("kind") == PAIR)
        .with_columns(
            first=polars.min_horizontal("left", "right"),
            second=polars.max_horizontal("left", "right"),
            answer=polars.when(turned)
            .then(polars.col("answer").replace(MIRRORED))
            .otherwise(polars.col("answer")),
        )
        .sort("position")
        .unique([*UNIT, "rater"], keep="first", maintain_order=True)
    )
    counted = pairs.group_by(*UNIT, maintain_order=True).agg(
        [(polars.col("answer") == name).sum().alias(name) for name in ANSWERS]
    )
    counts = counted.select(ANSWERS).to_numpy().astype(np.int64)
    counts = counts[counts.sum(1) > 1]
    if (counts.sum(0) > 0).sum() < 2:
        return float("nan"), len(counts)
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")), len(counts)


def _share(flags: polars.Series) -> float:
    return float(flags.cast(int).sum() / len(flags)) if len(flags) else float("nan")
