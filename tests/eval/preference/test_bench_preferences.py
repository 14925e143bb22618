"""`bench preferences` at a reduced size keeps its bars, and misses them where something is off."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from idto3d_eval.bench import app
from idto3d_eval.bench.preferences_rates import DESIGNS, Rates, analyse, bars_of

NAME = next(iter(DESIGNS))


def fair() -> Rates:
    """A design that keeps every bar."""
    right = np.arange(1000)[:, None] < 950
    covers = dict.fromkeys(("differences", "strengths", "side"), right)
    return Rates(NAME, 1000, covers, 0.2, 0.2, 0.05, 0.95, 0.01)


def test_a_study_is_the_same_to_the_bit() -> None:
    assert analyse(DESIGNS[NAME], [3, 0, 1]) == analyse(DESIGNS[NAME], [3, 0, 1])


def test_what_is_off_misses_its_bar() -> None:
    assert all(bar.passed for bar in bars_of([fair()]))
    for share in (929, 971):
        off = {**fair().covers, "strengths": np.arange(1000)[:, None] < share}
        assert sum(not bar.passed for bar in bars_of([replace(fair(), covers=off)])) == 1
    for wrong in ({"side": 0.221}, {"found": 0.89}, {"false_alarms": 0.051}):
        assert sum(not bar.passed for bar in bars_of([replace(fair(), **wrong)])) == 1


def test_bars_hold_at_a_reduced_size(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["preferences", "--quick", "--out", str(tmp_path), "--json"])
    kept = json.loads((tmp_path / "preferences.json").read_text())
    assert [bar for bar in kept["bars"] if not bar["passed"]] == []
    assert result.exit_code == 0
    assert len(kept["bars"]) == 6 * len(DESIGNS) + 2
    by_name = {design["design"]: design for design in kept["designs"]}
    assert np.mean(by_name[NAME]["covers differences, unclustered"]) < 0.92


@pytest.mark.slow
def test_bars_hold_at_full_size(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["preferences", "--out", str(tmp_path), "--json"])
    kept = json.loads((tmp_path / "preferences.json").read_text())
    assert [bar for bar in kept["bars"] if not bar["passed"]] == []
    assert result.exit_code == 0
