"""What a run's report says beyond the table: gaps between groups, swaps, quality at equal time, who was seen.

Each is plain data: {title, note, columns, rows}.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d_eval.equal_time import curve_rows, equal_time_section
from idto3d_eval.generalisation import MEASURES, facts_of_run, gap_section
from idto3d_eval.leak_states import leak_section
from idto3d_eval.nearest_people import read_nearest
from idto3d_eval.run_folder import AS_PHOTOS, COSTS
from idto3d_eval.scored import Scored
from idto3d_eval.store import Store
from idto3d_eval.swaps import METRIC, swap_section
from idto3d_protocols.schema import Protocol

if TYPE_CHECKING:
    import polars

LEAST_PEOPLE = 6  # below, groups of three against three are not there
NEEDED = (*MEASURES[1:], "identity_counted", "identity_floor", "identity_ceiling")


def protocol_sections(scored: Scored, weights: Path | None = None) -> list[dict[str, Any]]:
    """The sections for which a protocol has people and rows.

    Args:
        scored: only the metrics that are needed are read of its rows; seconds are in its `costs.parquet`.
        weights: the folder of weights that it was run with; the shipped ones by default.
    """
    from idto3d_baselines.discovery import known_methods
    from idto3d_eval.single import shipped_weights

    protocol, store = scored.protocol, scored.store
    table = _needed(protocol, scored.scores)
    specs, population = known_methods().specs, protocol.population
    own = [row for row in protocol.methods if row.photos_of == "own" and row.method in specs]
    found: list[dict[str, Any] | None] = []
    if len(population.identities) >= LEAST_PEOPLE:
        people = facts_of_run(protocol, store)
        labels = [row.label for row in own]
        found.append(gap_section(table, labels, people, protocol.statistics.level))
    found.append(swap_section(table, protocol))
    if curve_rows(protocol):
        others = [row.label for row in own if not specs[row.method].needs_truth]
        found.append(equal_time_section(table, _seconds(store), protocol, others))
    if all(row.method in specs for row in protocol.methods):
        found.append(leak_section(protocol, specs, weights or shipped_weights(), read_nearest(store.root)))
    return [section for section in found if section is not None and section["rows"]]


def _needed(protocol: Protocol, scores: polars.LazyFrame) -> polars.DataFrame:
    """The rows that the sections read; similarities of views only where swaps need them."""
    import polars

    swapped = [row.label for row in protocol.methods if row.photos_of != "own"]
    similarities = polars.col("method").is_in([*swapped, *(label + AS_PHOTOS for label in swapped)]) & (
        polars.col("metric") == METRIC
    )
    wanted = polars.col("metric").is_in(NEEDED) | similarities
    return scores.filter(wanted).select("method", "identity", "metric", "value").collect()


def _seconds(store: Store) -> dict[str, float | None]:
    """Label -> median seconds of making a head; nothing where the run has no costs yet."""
    import polars

    if not (store.root / COSTS).is_file():
        return {}
    costs = polars.read_parquet(store.root / COSTS)
    medians = (
        costs.filter((polars.col("stage") == "generate") & (polars.col("seconds") > 0))
        .group_by("method")
        .agg(polars.col("seconds").median())
    )
    return dict(zip(medians["method"], medians["seconds"], strict=True))
