"""The simulation behind `bench statistics`: its truths are as stated, and its bars hold at a reduced size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from idto3d.errors import UserError
from idto3d_eval.bench import app
from idto3d_eval.bench.simulated_scores import NOISES, QUALITY, gap_sd, simulate
from idto3d_eval.bench.statistics import parse_seeds
from idto3d_eval.bench.statistics_rates import Rates, bars_of, measure, measure_cell


@pytest.mark.parametrize("noise", NOISES)
def test_simulated_scores_have_the_truths_that_are_claimed(noise: str) -> None:
    run = simulate(np.random.default_rng(0), 20_000, noise)  # type: ignore[arg-type]
    means = run.by_identity
    assert np.abs(means.mean(1)).max() < 0.05
    assert np.allclose((means[0] - means[1]).std(0), gap_sd(), rtol=0.05)
    assert run.numerators.sum() / run.denominators.sum() == pytest.approx(QUALITY, abs=0.01)
    skewness = np.mean(((run.lopsided - run.lopsided.mean()) / run.lopsided.std()) ** 3)
    assert skewness == pytest.approx(2.0 if noise == "skewed" else 0.0, abs=0.25)
    correlation = np.corrcoef(means[0].T)[0, 1]
    assert 0.3 < correlation < 0.6  # the metrics of a table read the same heads


def test_a_cell_is_the_same_to_the_bit() -> None:
    assert measure_cell(12, "skewed", 3, 5).shares == measure_cell(12, "skewed", 3, 5).shares


def test_bars_hold_at_a_reduced_size() -> None:
    cells = measure(100, (0,), identities=(12, 20))
    assert [bar.row() for bar in bars_of(cells) if not bar.passed] == []
    for cell in cells:
        assert cell.shares["naive rejects"] > 0.12
        assert cell.shares["naive covers mean"] < 0.7


def test_a_test_or_an_interval_that_is_off_misses_its_bar() -> None:
    fair = {"rejects": 0.05, "family": 0.04, "finds": 0.8, "naive covers mean": 0.5}
    fair |= {f"covers {what}": 0.95 for what in ("mean", "difference", "ratio")}
    for name, off in (("rejects", 0.066), ("rejects", 0.034), ("family", 0.066), ("finds", 0.74)):
        cell = Rates(50, "normal", 0, 1000, 0.8, 0.05, {**fair, name: off})
        assert sum(not bar.passed for bar in bars_of([cell])) == 1, name
    for name, off in (("covers mean", 0.92), ("covers ratio", 0.98)):
        cell = Rates(50, "normal", 0, 1000, 0.8, 0.05, {**fair, name: off})
        assert not all(bar.passed for bar in bars_of([cell])), name
    assert all(bar.passed for bar in bars_of([Rates(50, "normal", 0, 1000, 0.8, 0.05, fair)]))


@pytest.mark.parametrize("text", ["", "a", "1,,2", "-1"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="expected whole numbers"):
        parse_seeds(text)


@pytest.mark.slow
def test_bars_hold_at_full_size(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["statistics", "--out", str(tmp_path), "--json"])
    kept = json.loads((tmp_path / "statistics.json").read_text())
    assert [bar for bar in kept["bars"] if not bar["passed"]] == []
    assert result.exit_code == 0
    assert len(kept["cells"]) == 24
