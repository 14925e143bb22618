"""What a run's report says beyond the table: gaps between groups, swaps, quality at equal time, who was seen.

Each is plain data: {title, note, columns, rows}.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d_eval.equal_time import equal_time_section
from idto3d_eval.generalisation import facts_of_run, gap_section
from idto3d_eval.leak_states import leak_section
from idto3d_eval.nearest_people import read_nearest
from idto3d_eval.swaps import swap_section

if TYPE_CHECKING:
    import polars

    from idto3d_eval.plan import Plan

LEAST_PEOPLE = 6  # below, groups of three against three are not there


def protocol_sections(
    plan: Plan, root: Path, scores: polars.DataFrame, seconds: Mapping[str, float | None]
) -> list[dict[str, Any]]:
    """The sections for which a protocol has people and rows.

    Args:
        plan: of the run.
        root: the run's folder.
        scores: as `tables.score_table` builds it.
        seconds: label -> median seconds a head.
    """
    protocol, population = plan.protocol, plan.protocol.population
    own = [row.label for row in protocol.methods if row.photos_of == "own"]
    found: list[dict[str, Any] | None] = []
    if len(population.identities) >= LEAST_PEOPLE:
        people = facts_of_run(
            population.identities, population.population_seed, population.seen, population.label, root
        )
        found.append(gap_section(scores, own, people, protocol.statistics.level))
    found.append(swap_section(scores, protocol))
    brackets = {label for label, spec in plan.specs.items() if spec.needs_truth}
    others = [label for label in own if label not in brackets]
    found.append(equal_time_section(scores, seconds, protocol, others))
    by_method = {row.method: plan.specs[row.label] for row in protocol.methods}
    found.append(leak_section(protocol, by_method, plan.weights, read_nearest(root)))
    return [section for section in found if section is not None and section["rows"]]
