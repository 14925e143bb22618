"""From an ablation run's summary to its bars."""

from __future__ import annotations

import itertools
import math

from idto3d_eval.bench.bars import Bar
from idto3d_eval.bench.protocol_bars import COLUMNS, Summary, figure_of

QUARTERS = ("steps_0", "steps_25", "steps_50", "id_to_3d")
CHANCE = 2 / 13  # two of thirteen expressions


def bars_of(summary: Summary) -> list[Bar]:
    """What must hold where distillation is what makes the head (issue: "it is SDS that does it")."""
    bars = [
        Bar("identity without steps", figure_of(summary, "steps_0", "calibrated_identity"), 0.1),
        Bar("expressions without steps", figure_of(summary, "steps_0", "expression_accuracy"), CHANCE),
    ]
    for before, after in itertools.pairwise(QUARTERS):
        for metric in ("calibrated_identity", "expression_accuracy"):
            gain = figure_of(summary, after, metric) - figure_of(summary, before, metric)
            bars.append(Bar(f"{COLUMNS[metric]}: {after} over {before}", gain, 0.0, least=True))
    bars.append(
        Bar(
            "another's photos: rank-1 as them",
            figure_of(summary, "swapped_as_photos", "rank1"),
            0.9,
            least=True,
        )
    )
    without = "steps_0", "calibrated_identity"
    none = figure_of(summary, *without, "high")
    bars.append(
        Bar(
            "noise for guidance: identity",
            figure_of(summary, "noise", "calibrated_identity"),
            figure_of(summary, *without) if math.isnan(none) else none,
            note="up to the upper end without steps",
        )
    )
    return bars
