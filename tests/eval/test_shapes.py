"""A row that is scored person by person has the same scores, to the byte, as one scored in one job."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from idto3d.errors import UserError
from idto3d_eval import shape_stage
from idto3d_eval.bench.shape_share import measure_shares
from idto3d_eval.job_names import row_jobs, shared_jobs
from idto3d_eval.plan import Job, Plan, plan_run
from idto3d_eval.run import run_protocol, shipped_weights
from idto3d_eval.stages import STAGES
from idto3d_eval.store import Store
from idto3d_eval.stored_call import run_here
from idto3d_eval.tables import ScoreRow, read_rows
from idto3d_protocols import load_protocol
from idto3d_protocols.schema import MethodRow, Protocol


def protocol() -> Protocol:
    """The smoke protocol with heads that take no time, of each other's photos besides."""
    smoke = load_protocol("smoke")
    rows = [row for row in smoke.methods if row.label != "id_to_3d"]
    swapped = MethodRow(method="template_mean", label="swapped", photos_of="next")
    metrics = ("identity", "expression", "geometry", "mesh", "light", "appearance", "cost")
    return smoke.model_copy(update={"methods": (*rows, swapped), "metrics": metrics})


def run(root: Path) -> Path:
    run_protocol(protocol(), root, progress=False, console=Console(file=io.StringIO()))
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose rows were scored in one job each."""
    return run(tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture
def divided(monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(shape_stage, "SPLIT_FROM", 2)
    return plan_run(protocol(), shipped_weights())


@pytest.mark.usefixtures("divided")
def test_a_run_of_many_people_has_the_same_scores(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "divided")
    run(tmp_path / "divided")
    assert (tmp_path / "divided/shapes/oracle/heldout-0001").is_dir()
    again = Store(tmp_path / "divided").record("scores/oracle")
    assert again is not None
    assert again.key != getattr(Store(whole).record("scores/oracle"), "key", "")
    assert (tmp_path / "divided/scores.parquet").read_bytes() == (whole / "scores.parquet").read_bytes()


@pytest.mark.parametrize("gone", ["heads", "features"])
def test_heads_that_failed_are_nan_with_the_same_reason(
    whole: Path, divided: Plan, tmp_path: Path, gone: str
) -> None:
    failures = {f"{gone}/swapped/heldout-0001/seed-0": "it fell apart"}
    undivided = next(job for job in plan_run_as_one().jobs if job.name == "scores/swapped_as_photos")
    expected = stage_rows(whole, undivided, failures, tmp_path / "one")
    extra: dict[str, Path] = {}
    for job in divided.of_stage(shape_stage.SHAPES):
        if job.label == "swapped_as_photos":
            extra[job.name] = tmp_path / job.key_inputs.identity
            stage_rows(whole, job, failures, extra[job.name])
    joined = next(job for job in divided.jobs if job.name == "scores/swapped_as_photos")
    found = stage_rows(whole, joined, failures, tmp_path / "joined", extra)
    assert repr(found) == repr(expected)
    assert any(row.reason == "it fell apart" and row.metric == "now_median" for row in found)


def test_a_person_whose_shapes_failed_has_no_shape_and_the_others_do(
    whole: Path, divided: Plan, tmp_path: Path
) -> None:
    job, other = (job for job in divided.of_stage(shape_stage.SHAPES) if job.label == "oracle")
    stage_rows(whole, job, {}, tmp_path / "kept")
    joined = next(found for found in divided.jobs if found.name == "scores/oracle")
    rows = stage_rows(
        whole, joined, {other.name: "out of memory"}, tmp_path / "joined", {job.name: tmp_path / "kept"}
    )
    of_metric = {row.identity: row for row in rows if row.metric == "now_median"}
    assert of_metric[job.key_inputs.identity].reason == ""
    assert of_metric[other.key_inputs.identity].reason == "out of memory"


def test_the_share_that_is_measured_by_person_is_that_of_the_same_rows(whole: Path) -> None:
    (found,) = measure_shares(whole, ["oracle"])
    assert found.label == "oracle"
    assert 0.0 < found.share < 1.0
    assert shape_stage.SPLIT_FROM > 2
    with pytest.raises(UserError, match="nobody"):
        measure_shares(whole, ["nobody"])


def test_few_people_are_scored_in_one_job_a_row() -> None:
    plan = plan_run_as_one()
    assert not plan.of_stage(shape_stage.SHAPES)
    assert {job.stage for job in plan.scores()} == {"score"}


def test_what_is_measured_of_one_person_stays_when_others_come(divided: Plan) -> None:
    people = divided.protocol.population
    more = people.model_copy(update={"identities": (*people.identities, "heldout-0002")})
    plan = plan_run(divided.protocol.model_copy(update={"population": more}), shipped_weights())
    fields = {job.name: job.key_inputs for job in plan.of_stage(shape_stage.SHAPES) if job.label == "oracle"}
    for job in divided.of_stage(shape_stage.SHAPES):
        if job.label == "oracle":
            assert fields[job.name] == job.key_inputs


def test_archives_and_takedowns_know_the_jobs(divided: Plan) -> None:
    from idto3d_eval.archive_file import _JOB

    rows = (job for label, row in divided.rows.items() for job in row_jobs(divided.protocol, label, row))
    assert {*shared_jobs(divided.protocol), *rows} == {job.name for job in divided.jobs}
    assert all(_JOB.fullmatch(job.name) for job in divided.jobs)


def plan_run_as_one() -> Plan:
    """The plan as few people have it, whatever the test has set."""
    kept, shape_stage.SPLIT_FROM = shape_stage.SPLIT_FROM, 1000
    try:
        return plan_run(protocol(), shipped_weights())
    finally:
        shape_stage.SPLIT_FROM = kept


def stage_rows(
    root: Path, job: Job, failures: Mapping[str, str], out: Path, extra: Mapping[str, Path] = {}
) -> list[ScoreRow]:
    """What a job writes from a run's artefacts, some of which are told to have failed."""
    out.mkdir(parents=True)
    there = {need: extra.get(need, root / need) for need in job.needs if need not in failures}
    told = {need: failures[need] for need in job.needs if need in failures}
    run_here(plan_run_as_one(), job, STAGES[job.stage], there, told, out)
    return read_rows(out)
