"""`bench strength`: whose heads it makes, and what it holds against the bars."""

from __future__ import annotations

import polars
import pytest

from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS
from idto3d_eval.bench.strength_bars import bars_of, now_ratios, of_people
from idto3d_protocols.loader import load_protocol
from idto3d_protocols.schema import Protocol


def cell(value: float, low: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": None}


def scores(rows: list[tuple[str, str, float | None]]) -> polars.DataFrame:
    """Rows of (method, identity, NoW median)."""
    return polars.DataFrame(
        {
            "method": [row[0] for row in rows],
            "identity": [row[1] for row in rows],
            "metric": ["now_median"] * len(rows),
            "value": [float("nan") if row[2] is None else row[2] for row in rows],
        }
    )


def test_the_held_out_people_are_those_of_unseen_ids_with_every_expression() -> None:
    protocol = of_people(load_protocol("unseen_ids_full"), "heldout", 1)
    assert protocol.population == load_protocol("unseen_ids").population
    assert protocol.expressions == EXPRESSIONS
    assert protocol.views == load_protocol("unseen_ids").views


def test_other_people_are_as_many_in_a_run_of_their_own() -> None:
    heldout = load_protocol("unseen_ids_full")
    fresh, shifted = of_people(heldout, "fresh", 7), of_people(heldout, "shifted", 7)
    assert (fresh.population.split, fresh.population.population_seed) == ("heldout", 7)
    assert fresh.population.identities == heldout.population.identities
    assert (shifted.population.split, shifted.population.population_seed) == ("shifted", 0)
    assert len(shifted.population.identities) == 12
    assert len({heldout.name, fresh.name, shifted.name}) == 3
    for other in (fresh, shifted):  # workers read a protocol as JSON
        assert Protocol.model_validate_json(other.model_dump_json()) == other
    with pytest.raises(UserError, match="another than the held-out"):
        of_people(heldout, "fresh", 0)
    with pytest.raises(UserError, match="expected heldout, fresh or shifted"):
        of_people(heldout, "seen", 0)


def test_ratios_are_paired_on_the_person_and_leave_out_who_was_not_measured() -> None:
    table = scores(
        [
            ("id_to_3d", "a", 1.0),
            ("template_mean", "a", 4.0),
            ("id_to_3d", "b", 3.0),
            ("template_mean", "b", 2.0),
            ("id_to_3d", "c", None),
            ("template_mean", "c", 2.0),
        ]
    )
    assert now_ratios(table).tolist() == [0.25, 1.5]


def test_bars_say_what_was_measured_and_an_unmeasured_one_fails() -> None:
    cells = {
        "calibrated_identity": cell(0.8, 0.59),
        "expression_accuracy": cell(0.9),
        "joint": cell(0.7),
        "identity_drift": cell(0.03),
    }
    truth = {"identity_drift": cell(0.02), "expression_accuracy": cell(0.95), "joint": cell(0.95)}
    summary = {"rows": [{"label": "id_to_3d", "cells": cells}, {"label": "oracle", "cells": truth}]}
    bars = bars_of(summary, scores([("id_to_3d", "a", 1.0), ("template_mean", "a", 2.0)]))
    verdicts = {bar.name: bar.passed for bar in bars}
    assert verdicts == {
        "calibrated identity": True,
        "its lower end": False,
        "rank-1": False,
        "expression accuracy": True,
        "joint": False,
        "drift, of the true heads'": True,
        "NoW median, of the mean head's": True,
    }
