"""Jobs on machines that see the shared store and not the run's folder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fake_stages as fake
import pytest
from rich.console import Console

from idto3d_eval import ray_by_store
from idto3d_eval.plan import plan_run
from idto3d_eval.ray_by_store import place_files
from idto3d_eval.run import RunResult, run_protocol
from idto3d_eval.schedule import Schedule
from idto3d_eval.shared_store import SharedStore

ROWS = "[{method: good, label: good}]"
HEAD = "heads/good/heldout-0000/seed-0"
VIEWS = "views/good/heldout-0000/seed-0"


class Shown:
    """Progress that nobody looks at."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def run(root: Path, executor: str, shared: str | None = None, address: str | None = None) -> RunResult:
    return run_protocol(
        fake.protocol(methods=ROWS),
        root,
        progress=False,
        workers=2,
        executor=executor,
        address=address,
        shared=shared,
        weights=root.parent / "weights",
        methods=fake.METHODS,
        stages=fake.TABLE,
        console=Console(file=io.StringIO()),
    )


def asked_of_views(tmp_path: Path) -> dict[str, Any]:
    """The request of a job of another machine's run, whose folders are not here."""
    run(tmp_path / "a", "local", str(tmp_path / "store"))
    plan = plan_run(fake.protocol(methods=ROWS), tmp_path / "weights", fake.METHODS, fake.STAGES)
    store = SharedStore(tmp_path / "b", str(tmp_path / "store"))
    with store.locked():
        schedule = Schedule(plan, store, fake.STAGES, Shown())  # type: ignore[arg-type]
        schedule.recall()
        job = next(job for job in plan.jobs if job.name == VIEWS)
        request = schedule._request(job, tmp_path / "out")
    assert set(request["store"]["inputs"]) == {HEAD}
    return {**request, "inputs": {HEAD: str(tmp_path / "nowhere")}, "log": str(tmp_path / "logs/views.log")}


def test_a_job_takes_its_inputs_from_the_store_and_its_files_go_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asked_of_views(tmp_path)
    monkeypatch.setattr(ray_by_store, "run_request", without_redirection)
    answer = ray_by_store.run_by_store(request, fake.STAGES, lambda *_: None)
    assert answer["status"] == "done"
    assert not (tmp_path / "out").exists()
    placed = place_files(answer, request)
    assert "files" not in placed
    made = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.png")}
    assert made == {
        path.relative_to(tmp_path / "a" / VIEWS) for path in (tmp_path / "a" / VIEWS).rglob("*.png")
    }
    for name in made:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "a" / VIEWS / name).read_bytes()


def test_an_input_that_does_not_come_is_a_failure_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asked_of_views(tmp_path)
    monkeypatch.setattr(ray_by_store, "PATIENCE", ray_by_store.PATIENCE.__class__(limit_s=0.5))
    (stored,) = (tmp_path / "store/artefacts" / HEAD).rglob("part.glb")
    stored.write_text("damaged")
    answer = ray_by_store.run_by_store(request, fake.STAGES, lambda *_: None)
    assert answer["status"] == "failed"
    assert answer["retry"]
    assert "Found no whole artefacts/heads" in answer["reason"]


@pytest.mark.slow
def test_by_ray_with_a_store_a_run_is_the_run_by_local_workers_to_the_byte(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from ray.cluster_utils import Cluster

    run(tmp_path / "local", "local")
    # A cluster that is there already may have machines that do not see the folder.
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    try:
        found = run(tmp_path / "ray", "ray", str(tmp_path / "store"), cluster.address)
    finally:
        cluster.shutdown()
    assert found.failed == 0
    assert (tmp_path / "ray/scores.parquet").read_bytes() == (tmp_path / "local/scores.parquet").read_bytes()
    assert (tmp_path / f"ray/logs/{HEAD}.log").is_file()
    assert run(tmp_path / "other", "local", str(tmp_path / "store")).computed == 0


def without_redirection(request: dict[str, Any], stages: Any, progress: Any) -> dict[str, Any]:
    """As `run_request`, with this process's output left alone."""
    from idto3d_eval import worker

    return worker._answer(request, stages, progress)
