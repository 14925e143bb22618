"""The figures of `bench runner`. Rates are of the time from one job's record to the last one's, so that
starting processes, which is done once, is in none of them; large plans are measured in processes of their
own, for their memory."""

from __future__ import annotations

import io
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from idto3d.errors import UserError
from idto3d_eval.bench.bars import Bar
from idto3d_eval.bench.idle_stages import TABLE, idle_plan
from idto3d_eval.plan import Plan, plan_run
from idto3d_eval.run import LOCAL, RAY, STAGE_TABLE, settle, shipped_weights
from idto3d_eval.run_folder import SUMMARY
from idto3d_eval.store import Record, Store
from idto3d_eval.summary_file import PROVENANCE
from idto3d_protocols.loader import load_protocol
from idto3d_protocols.schema import Protocol

Told = Callable[[str, int, int], None]

PEOPLE = 500
JOBS_A_HEAD = 4  # generate, render, read, shapes
IDLE, IDLE_BEFORE = 350, 50  # jobs that do nothing, and how many of them before the clock starts
SLEEP_S, SLEEPING, SLEEPING_BEFORE = 0.25, 48, 8  # jobs that sleep
HEADS = 6
LOCAL_MS, RAY_MS = 20.0, 50.0  # the bars
PLAN_S, PLAN_MIB, AGAIN_S = 10.0, 1024.0, 10.0
SLEEP_RATIO, HEAD_RATIO = 1.8, 1.3


def measure(chosen: Sequence[str], jobs: int, told: Told) -> list[Bar]:
    """The bars of the measures chosen, in the order of `MEASURES`.

    Raises:
        UserError: an unknown measure, or Ray is not installed.
    """
    unknown = [name for name in chosen if name not in MEASURES]
    if unknown:
        raise UserError(f"Found the measure {unknown[0]!r}, expected some of {', '.join(MEASURES)}.")
    figures = []
    for number, name in enumerate(name for name in MEASURES if name in chosen):
        figures += MEASURES[name](jobs)
        told("measures", number + 1, len(chosen))
    return figures


def large_protocol(jobs: int) -> Protocol:
    """As `smoke`, for `PEOPLE` people and as many rows of the generator as make so many jobs."""
    protocol = load_protocol("smoke")
    row = next(row for row in protocol.methods if row.method == "id_to_3d")
    rows = max(1, round(jobs / (PEOPLE * JOBS_A_HEAD)))
    people = tuple(f"heldout-{number:04d}" for number in range(PEOPLE))
    return protocol.model_copy(
        update={
            "population": protocol.population.model_copy(update={"identities": people}),
            "methods": tuple(row.model_copy(update={"label": f"row_{number}"}) for number in range(rows)),
        }
    )


def _plan(jobs: int) -> list[Bar]:
    found = _in_own_process(_planned, jobs)
    with tempfile.TemporaryDirectory(prefix="bench-runner-") as folder:
        run = Path(folder)
        _in_own_process(partial(_finish_without_work, run), jobs)
        again = _in_own_process(partial(_recalled, run), jobs)
    note = f"{found['jobs']:,} jobs"
    return [
        Bar("plan, s", found["seconds"], PLAN_S, note=note),
        Bar("plan, MiB of the whole process", found["mib"], PLAN_MIB, note=note),
        Bar("a finished run again, s", again["seconds"], AGAIN_S, note=f"{note}; {again['mib']:.0f} MiB"),
    ]


def _planned(jobs: int) -> dict[str, float]:
    start = time.perf_counter()
    plan = plan_run(large_protocol(jobs), shipped_weights())
    return {"jobs": len(plan.jobs), "seconds": time.perf_counter() - start, "mib": _peak_mib()}


def _finish_without_work(run: Path, jobs: int) -> dict[str, float]:
    """A run of so many jobs as it lies when it is finished, without any work: records and empty artefacts,
    written without waiting for the disk, and the key of its results."""
    from idto3d_eval.results import FILES, results_key

    plan, store = plan_run(large_protocol(jobs), shipped_weights()), Store(run)
    settled: dict[str, Record] = {}
    for job in plan.jobs:
        key = job.key({need: settled[need].digest for need in job.needs})
        settled[job.name] = Record(job.name, key, "done", key, seconds=1.0)
        store.artefact(job.name).mkdir(parents=True, exist_ok=True)
        record = store.root / "index" / f"{job.name}.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(asdict(settled[job.name]), indent=1))
    for name in FILES:
        (store.root / name).write_text("{}")
    nothing = {
        "rows": [],
        "provenance": {name: kind() for name, kind in PROVENANCE.items()},
        "protocol": {"population": {"identities": []}, "expressions": []},
    }
    (store.root / SUMMARY).write_text(json.dumps(nothing))
    store.note(Record(SUMMARY, results_key(plan, settled), "done", ""))
    return {"jobs": len(plan.jobs)}


def _recalled(run: Path, jobs: int) -> dict[str, float]:
    """Plan, records and results of a finished run: what the command does before it shows the table."""
    from idto3d_eval.results import finish

    protocol, store = large_protocol(jobs), Store(run)
    start = time.perf_counter()
    plan = plan_run(protocol, shipped_weights())
    with store.locked():
        schedule = settle(plan, store, STAGE_TABLE, console=Console(file=io.StringIO()))
        if schedule.computed:
            raise RuntimeError(f"found {schedule.computed} jobs run, expected a finished run")
        finish(plan, store, schedule.settled)
    return {"seconds": time.perf_counter() - start, "mib": _peak_mib()}


def _overhead(_: int) -> list[Bar]:
    figures = []
    for executor, bound in ((LOCAL, LOCAL_MS), (RAY, RAY_MS)):
        rate = _rate(_ends(idle_plan(IDLE, 0.0), executor, 1, TABLE), IDLE_BEFORE)
        note = f"{IDLE - IDLE_BEFORE} jobs by one worker that write one small file"
        figures.append(Bar(f"overhead of a job, {executor}, ms", 1000.0 / rate, bound, note=note))
    return figures


def _sleeping(_: int) -> list[Bar]:
    one, two = (
        _rate(_ends(idle_plan(SLEEPING, SLEEP_S), RAY, workers, TABLE), SLEEPING_BEFORE) for workers in (1, 2)
    )
    note = f"{one:.2f} and {two:.2f} jobs a second that sleep {SLEEP_S:g} s"
    return [Bar("two Ray workers against one, asleep", two / one, SLEEP_RATIO, least=True, note=note)]


def _generating(_: int) -> list[Bar]:
    plan = plan_run(load_protocol("smoke"), shipped_weights())
    first = next(
        job for job in plan.jobs if job.stage == "generate" and job.key_inputs.method.get("needs_sds")
    )
    need = next(job for job in plan.jobs if job.name in first.needs)
    heads = tuple(
        replace(first, name=f"{first.name}-{number}", key_inputs=replace(first.key_inputs, seed=number))
        for number in range(HEADS)
    )
    # The photos and every worker's first head, which loads the networks, come before the clock starts.
    one, two = (
        _rate(_ends(replace(plan, jobs=(need, *heads)), RAY, workers, STAGE_TABLE), 1 + workers)
        for workers in (1, 2)
    )
    note = f"{60 * one:.2f} and {60 * two:.2f} heads a minute of {plan.protocol.name}'s budget"
    return [Bar("two Ray workers against one, making heads", two / one, HEAD_RATIO, least=True, note=note)]


def _rate(ends: Sequence[float], before: int) -> float:
    """Jobs a second after the first `before` of them."""
    return (len(ends) - before) / (ends[-1] - ends[before - 1])


def _ends(plan: Plan, executor: str, workers: int, stages: str) -> list[float]:
    """When each job's record was written, in order, by the clock of the disk."""
    with tempfile.TemporaryDirectory(prefix="bench-runner-") as folder:
        store = Store(Path(folder) / "run")
        with store.locked():
            schedule = settle(
                plan,
                store,
                stages,
                console=Console(file=io.StringIO()),
                workers=workers,
                executor=executor,
            )
        failed = [record.reason for record in schedule.settled.values() if not record.done]
        if failed:
            raise RuntimeError(f"found {len(failed)} failed jobs ({failed[0]}), expected none")
        records = (store.root / "index").rglob("*.json")
        return sorted(path.stat().st_mtime_ns / 1e9 for path in records)


def _in_own_process(call: Callable[[int], dict[str, float]], jobs: int) -> dict[str, Any]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(call, (jobs,))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


MEASURES: dict[str, Callable[[int], list[Bar]]] = {
    "plan": _plan,
    "overhead": _overhead,
    "sleep": _sleeping,
    "generate": _generating,
}
