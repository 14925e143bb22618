"""Whose heads `bench strength` makes, and from its run to the bars."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from idto3d.errors import UserError
from idto3d_eval.bench.bars import Bar
from idto3d_eval.bench.protocol_bars import Summary, figure_of
from idto3d_protocols.schema import Protocol

if TYPE_CHECKING:
    import polars


METHOD, MEAN, TRUTH = "id_to_3d", "template_mean", "oracle"
IDENTITY, LOWER_END, RANK1, EXPRESSION, JOINT, DRIFT, NOW_RATIO = 0.75, 0.6, 0.9, 0.85, 0.75, 1.5, 0.5


def of_people(protocol: Protocol, people: str, population_seed: int) -> Protocol:
    """The protocol on other people, as many, under a name that says so.

    Args:
        protocol: on the held-out ones.
        people: "heldout" as it is; "fresh" draws that split from another seed; "shifted" is its own split.
        population_seed: of the fresh draw.

    Raises:
        UserError: other people, or a fresh draw from the seed of the held-out ones.
    """
    if people == "heldout":
        return protocol
    count, population = len(protocol.population.identities), protocol.population
    if people == "fresh":
        if population_seed == population.population_seed:
            raise UserError(
                f"Found population seed {population_seed}, expected another than the held-out people's."
            )
        split, name = population.split, f"{protocol.name}_fresh_{population_seed}"
    elif people == "shifted":
        split, name, population_seed = "shifted", f"{protocol.name}_shifted", population.population_seed
    else:
        raise UserError(f"Found people {people!r}, expected heldout, fresh or shifted.")
    changed = population.model_copy(
        update={
            "split": split,
            "population_seed": population_seed,
            "identities": tuple(f"{split}-{index:04d}" for index in range(count)),
        }
    )
    renamed = protocol.model_copy(update={"name": name, "population": changed})
    return Protocol.model_validate_json(renamed.model_dump_json())  # workers read it so


def bars_of(summary: Summary, scores: polars.DataFrame) -> list[Bar]:
    """The issue's bars that one run of 13 expressions can show.

    Args:
        summary: the run's `summary.json`.
        scores: its measurements.
    """
    drift = figure_of(summary, METHOD, "identity_drift") / figure_of(summary, TRUTH, "identity_drift")
    ratios = now_ratios(scores)
    return [
        Bar("calibrated identity", figure_of(summary, METHOD, "calibrated_identity"), IDENTITY, least=True),
        Bar("its lower end", figure_of(summary, METHOD, "calibrated_identity", "low"), LOWER_END, least=True),
        Bar("rank-1", figure_of(summary, METHOD, "rank1"), RANK1, least=True),
        Bar(
            "expression accuracy",
            figure_of(summary, METHOD, "expression_accuracy"),
            EXPRESSION,
            least=True,
            note=f"true heads {figure_of(summary, TRUTH, 'expression_accuracy'):.3f}",
        ),
        Bar(
            "joint",
            figure_of(summary, METHOD, "joint"),
            JOINT,
            least=True,
            note=f"true {figure_of(summary, TRUTH, 'joint'):.3f}",
        ),
        Bar("drift, of the true heads'", drift, DRIFT),
        Bar(
            "NoW median, of the mean head's",
            float(np.median(ratios)) if len(ratios) else math.nan,
            NOW_RATIO,
            note=f"median over {len(ratios)} people",
        ),
    ]


def now_ratios(scores: polars.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Each person's NoW median over that of the mean head, where both are defined, [P]."""
    import polars

    rows = scores.filter((polars.col("metric") == "now_median") & polars.col("value").is_not_nan())
    own, mean = (
        rows.filter(polars.col("method") == label).group_by("identity").agg(polars.col("value").mean())
        for label in (METHOD, MEAN)
    )
    paired = own.join(mean, on="identity", suffix="_mean").sort("identity")
    return np.asarray((paired["value"] / paired["value_mean"]).to_numpy(), np.float64)
