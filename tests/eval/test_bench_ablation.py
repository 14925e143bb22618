"""The ablation's bars follow from a summary alone, and undefined figures pass none of them."""

from __future__ import annotations

from typing import Any

from idto3d_eval.bench.ablation_bars import bars_of
from idto3d_eval.bench.protocol_bars import table_of


def _row(label: str, identity: float | None, expression: float, rank1: float = 1.0) -> dict[str, Any]:
    cells = {"calibrated_identity": identity, "expression_accuracy": expression, "rank1": rank1}
    return {
        "label": label,
        "cells": {name: {"value": value, "low": value, "high": value} for name, value in cells.items()},
    }


GOOD = {
    "rows": [
        _row("steps_0", -0.3, 0.08),
        _row("steps_25", 0.2, 0.3),
        _row("steps_50", 0.5, 0.6),
        _row("id_to_3d", 0.8, 0.9),
        _row("swapped_as_photos", 0.8, 0.9),
        _row("noise", -0.4, 0.08),
    ]
}


def test_a_run_in_which_distillation_does_it_passes() -> None:
    assert all(bar.passed for bar in bars_of(GOOD))
    assert table_of(GOOD)[3][""] == "id_to_3d"
    assert table_of(GOOD)[3]["identity"] == "0.800"


def test_a_quarter_that_does_not_gain_or_is_undefined_fails() -> None:
    for value in (0.1, None):
        rows = [row if row["label"] != "steps_50" else _row("steps_50", value, 0.6) for row in GOOD["rows"]]
        failed = {bar.name for bar in bars_of({"rows": rows}) if not bar.passed}
        assert "identity: steps_50 over steps_25" in failed
