"""The runner's benchmark at a reduced size: a finished run again does nothing, and tells its time."""

from __future__ import annotations

from idto3d_eval.bench.runner_times import _recalled


def test_a_finished_run_again_runs_no_job() -> None:
    assert 0.0 < _recalled(1)["seconds"] < 10.0
