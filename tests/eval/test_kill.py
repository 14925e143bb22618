"""A run that is killed with SIGKILL at random moments ends, with the same command, in the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed_runs import RUN, cluster_of, kill_again_and_again, outcome, to_the_end

EXECUTORS = ["local", "ray"]


def killed_and_whole(tmp_path: Path, executor: str, kills: int) -> None:
    if executor == "ray":
        pytest.importorskip("ray", reason="the extra `ray` is not installed")
    with cluster_of(executor) as address:
        to_the_end(tmp_path / "whole", "local", "")
        landed = kill_again_and_again(tmp_path / "killed", executor, address, kills, seed=7, told=print)
        to_the_end(tmp_path / "killed", executor, address)
    assert sum(landed.values()) == kills
    assert landed[RUN] > 0
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")
    assert not (tmp_path / "killed/.partial").exists()


@pytest.mark.parametrize(("executor", "kills"), [("local", 6), ("ray", 1)])
def test_kills_at_random_moments_leave_the_same_results(tmp_path: Path, executor: str, kills: int) -> None:
    killed_and_whole(tmp_path, executor, kills)


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_hundred_kills_at_random_moments_leave_the_same_results(tmp_path: Path, executor: str) -> None:
    killed_and_whole(tmp_path, executor, 100)
