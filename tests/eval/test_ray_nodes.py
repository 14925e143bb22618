"""The executor `ray` on a cluster that loses a node."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from idle_runs import work_off

from idto3d_eval.bench import idle_stages
from idto3d_eval.ray_pool import RayPool

pytest.importorskip("ray", reason="the extra `ray` is not installed")


def test_a_node_that_is_lost_costs_the_jobs_on_it_and_they_are_done_elsewhere(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    lost = made.add_node(num_cpus=1)
    plan = idle_stages.idle_plan(6, 2.0)
    there = [len(list((tmp_path / "run" / "logs").rglob("*.log")))]

    def lose() -> None:
        deadline = time.monotonic() + 60
        while len(list((tmp_path / "run" / "logs").rglob("*.log"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        there.append(len(list((tmp_path / "run" / "logs").rglob("*.log"))))
        made.remove_node(lost, allow_graceful=False)

    thread = threading.Thread(target=lose)
    thread.start()
    try:
        schedule = work_off(RayPool(1, idle_stages.TABLE, made.address), tmp_path / "run", plan)
        thread.join()
    finally:
        made.shutdown()
    assert there[-1] >= 2  # both nodes were at work when one was taken
    assert all(record.done for record in schedule.settled.values())
    assert len(schedule.settled) == 6
