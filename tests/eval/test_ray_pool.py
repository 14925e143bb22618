"""The executor `ray` on a cluster of this machine: the run that local makes, and lost processes."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fake_stages as fake
import pytest
from idle_runs import work_off
from rich.console import Console

from idto3d.errors import UserError
from idto3d_eval import ray_pool
from idto3d_eval.bench import idle_stages
from idto3d_eval.executor import Executor
from idto3d_eval.pool import Pool
from idto3d_eval.ray_pool import RayPool
from idto3d_eval.resources import Resources
from idto3d_eval.run import RunResult, run_protocol

pytest.importorskip("ray", reason="the extra `ray` is not installed")

ROWS = "[{method: good, label: good}, {method: mean, label: mean}, {method: truth, label: truth}]"
FAILING = "[{method: good, label: good, parameters: {behaviour: %s, only: heldout-0001}}]"


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of this machine alone, as `ray start --head` makes one."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield made.address
    made.shutdown()


def run(root: Path, methods: str, executor: str, address: str | None = None) -> RunResult:
    return run_protocol(
        fake.protocol(methods=methods),
        root,
        progress=False,
        workers=2,
        executor=executor,
        address=address,
        weights=root.parent / "weights",
        methods=fake.METHODS,
        stages=fake.TABLE,
        console=Console(file=io.StringIO()),
    )


def test_a_run_by_ray_is_the_run_by_local_workers_to_the_byte(tmp_path: Path, cluster: str) -> None:
    local = run(tmp_path / "local", ROWS, "local")
    ray = run(tmp_path / "ray", ROWS, "ray", cluster)
    assert ray.failed == local.failed == 0
    assert ray.computed == local.computed
    written = [(tmp_path / name / "scores.parquet").read_bytes() for name in ("local", "ray")]
    assert written[0] == written[1]
    again = run(tmp_path / "ray", ROWS, "local")
    assert again.computed == 0


def test_a_process_that_dies_is_tried_again_then_given_up_and_the_others_go_on(
    tmp_path: Path, cluster: str
) -> None:
    found = run(tmp_path / "run", FAILING % "crash", "ray", cluster)
    assert found.failed == 3  # the head, its views, its features
    report = (tmp_path / "run" / "report.html").read_text()
    assert "given up after 3 tries: its process ended without a word" in report


def test_without_ray_and_with_another_name_it_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="Found executor 'slurm', expected local or ray"):
        run(tmp_path / "run", ROWS, "slurm")
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UserError, match=r"Found no Ray.*pip install idto3d-eval\[ray\]"):
        ray_pool.RayPool(1, fake.TABLE, None)


@pytest.mark.parametrize("name", ["local", "ray"])
def test_a_job_past_its_time_is_ended_and_the_others_go_on(tmp_path: Path, name: str, cluster: str) -> None:
    long = replace(
        idle_stages.idle_plan(1, 60.0).jobs[0], name="sleep/long", resources=Resources(limit_s=1.5)
    )
    plan = idle_stages.idle_plan(3, 0.0)
    plan = replace(plan, jobs=(long, *plan.jobs))
    executor: Executor = (
        RayPool(1, idle_stages.TABLE, cluster)
        if name == "ray"
        else Pool(1, 1, idle_stages.TABLE, tmp_path / "workers.log")
    )
    started = time.monotonic()
    settled = work_off(executor, tmp_path / "run", plan).settled
    assert time.monotonic() - started < 50.0
    assert settled["sleep/long"].reason == "it was still at work after 1.5 s and was ended"
    assert settled["sleep/long"].retry
    assert sum(record.done for record in settled.values()) == 3


def test_an_address_is_for_ray_and_has_to_answer(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Found --address with the executor local"):
        run(tmp_path / "run", ROWS, "local", "127.0.0.1:1")
