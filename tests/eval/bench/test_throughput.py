"""Throughput of reading: what is compared reads the same faces, and a slow way shows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from idto3d_eval.bench.throughput import Throughput, measure_throughput
from idto3d_eval.cli import Settings, app
from idto3d_eval.single import shipped_weights


def test_a_share_is_the_median_over_rounds_of_speed_over_speed() -> None:
    found = Throughput(
        100,
        {
            "session": np.array([1.0, 2.0, 1.0]),
            "embed": np.array([1.0, 4.0, 1.25]),
            "align and embed": np.array([2.0, 4.0, 2.0]),
        },
    )
    assert found.share("embed") == pytest.approx(0.8)
    assert found.rate("session") == pytest.approx(100.0)
    assert [bar.passed for bar in found.bars()] == [False, False]


def test_every_way_is_measured_in_whole_batches() -> None:
    found = measure_throughput(shipped_weights(), faces=8, rounds=2)
    assert all(len(seconds) == 2 and (seconds > 0.0).all() for seconds in found.seconds.values())
    assert found.rate("align and embed") < found.rate("align")
    with pytest.raises(ValueError, match="Found 9 faces, expected a multiple of 8"):
        measure_throughput(shipped_weights(), faces=9, rounds=1)


def test_the_command_prints_both_ratios_and_fails_where_one_falls_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measured(*_: object) -> Throughput:
        ways = ("session", "embed", "align and embed", "align", "prepare")
        return Throughput(8, dict(zip(ways, np.array([[1.0], [1.0], [2.0], [1.0], [1.0]]), strict=True)))

    monkeypatch.setattr("idto3d_eval.bench.throughput.measure_throughput", measured)
    result: Any = CliRunner().invoke(app, ["bench", "readers", "--json"], obj=Settings())
    rows = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [(row["found"], row[""]) for row in rows] == [("1.000", "passed"), ("0.500", "FAILED")]
