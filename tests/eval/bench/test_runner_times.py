"""The runner's benchmark at a reduced size: a finished run again does nothing, and tells its time; rates know
no start."""

from __future__ import annotations

from pathlib import Path

from idto3d_eval.bench.runner_times import _finish_without_work, _rate, _recalled


def test_a_finished_run_again_runs_no_job(tmp_path: Path) -> None:
    assert _finish_without_work(tmp_path, 1)["jobs"] > 1000
    assert 0.0 < _recalled(tmp_path, 1)["seconds"] < 10.0


def test_a_rate_leaves_out_what_came_before() -> None:
    assert _rate([5.0, 90.0, 90.5, 91.0, 91.5], before=2) == 2.0
