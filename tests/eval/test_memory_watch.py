"""Jobs that take too much memory: they are marked with a reason that names it, and the others go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from idle_runs import work_off

from idto3d_eval.bench import idle_stages
from idto3d_eval.memory_watch import held_mib
from idto3d_eval.plan import Plan
from idto3d_eval.pool import Pool
from idto3d_eval.resources import Resources


def test_memory_of_a_process_and_its_children_is_counted() -> None:
    hold = "import time; held = b'1' * (64 * 2**20); print('held', flush=True); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert 64.0 < held_mib(process.pid) < 160.0
        assert held_mib(process.pid, above=10_000.0) > 64.0
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert held_mib(process.pid) == 0.0


def plan_with_a_hoarder(behaviour: str, limit_mib: float) -> Plan:
    """Three jobs that do nothing, and before them one that takes 400 MiB or asks for more than there is."""
    plan = idle_stages.idle_plan(3, 0.0)
    inputs = replace(plan.jobs[0].key_inputs, parameters={"seconds": 20.0, "hold": behaviour})
    hoarder = replace(
        plan.jobs[0], name="sleep/hoarder", key_inputs=inputs, resources=Resources(memory_mib=limit_mib)
    )
    return replace(plan, jobs=(hoarder, *plan.jobs))


def test_a_job_over_the_memory_that_it_declares_is_ended_and_the_others_go_on(tmp_path: Path) -> None:
    plan = plan_with_a_hoarder("400", limit_mib=300.0)
    pool = Pool(1, 1, "hoarding_stages:STAGES", tmp_path / "workers.log")
    settled = work_off(pool, tmp_path / "run", plan).settled
    reason = settled["sleep/hoarder"].reason
    assert reason.startswith("it held ")
    assert reason.endswith(" MiB of memory, more than the 300 MiB that it declares, and was ended")
    assert settled["sleep/hoarder"].retry  # of this machine, so the next run tries again
    assert sum(record.done for record in settled.values()) == 3


@pytest.mark.parametrize(
    ("behaviour", "reason"), [("all", "memory ran out: MemoryError"), ("killed", "memory runs out")]
)
def test_a_job_for_which_memory_runs_out_says_so_and_the_others_go_on(
    tmp_path: Path, behaviour: str, reason: str
) -> None:
    """By an allocation that fails, or ended by the system."""
    pool = Pool(1, 1, "hoarding_stages:STAGES", tmp_path / "workers.log")
    settled = work_off(pool, tmp_path / "run", plan_with_a_hoarder(behaviour, 0.0)).settled
    assert reason in settled["sleep/hoarder"].reason
    assert settled["sleep/hoarder"].retry
    assert sum(record.done for record in settled.values()) == 3
