"""Runs a protocol: plan, jobs, tables, report. The same command again goes on where it was; a finished run is
a no-op that shows its table."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

import idto3d
from idto3d.errors import UserError
from idto3d.population.first_build import build_elsewhere
from idto3d_baselines.specs import METHODS, MethodSpec
from idto3d_eval.archive import take_archive
from idto3d_eval.environment import asked_for
from idto3d_eval.executor import Executor
from idto3d_eval.plan import Plan, plan_run
from idto3d_eval.pool import Pool
from idto3d_eval.progress import RunProgress
from idto3d_eval.results import finish
from idto3d_eval.run_folder import PROTOCOL_FILE
from idto3d_eval.schedule import Schedule, Terminated
from idto3d_eval.stage import stage_table
from idto3d_eval.standing import damage_told, forget_damaged
from idto3d_eval.store import Damaged, Record, Store
from idto3d_eval.terminal import ResultTable
from idto3d_protocols.schema import Protocol

STAGE_TABLE = "idto3d_eval.stages:STAGES"
LOCAL, RAY = "local", "ray"
MENDED_AT_MOST = 3  # times in a row that results find damaged scores


@dataclass(frozen=True)
class RunResult:
    """Where a run's results lie, and how its jobs ended."""

    root: Path
    done: int
    failed: int
    computed: int  # jobs that this call ran; 0 for a run that was finished
    without_heads: tuple[str, ...] = ()  # a sentence for each method from outside that made nothing


def run_protocol(
    protocol: Protocol,
    root: Path,
    *,
    progress: bool = True,
    workers: int | None = None,
    executor: str = LOCAL,
    address: str | None = None,
    weights: Path | None = None,
    methods: Mapping[str, MethodSpec] = METHODS,
    stages: str = STAGE_TABLE,
    console: Console | None = None,
    archive: Path | None = None,
    check: bool = False,
    shared: str | None = None,
) -> RunResult:
    """Makes, draws and scores every head of a protocol, and writes tables and report into the run's folder.

    A head that fails is NaN with its reason in the scores, and the others go on.

    Args:
        protocol: what to run.
        root: the run's folder, `runs/<name>`.
        progress: whether to show how far it is.
        workers: processes at once; by default as many as the cores allow with the protocol's threads. Their
            number changes no bit of the result.
        executor: `local`, processes here, or `ray`.
        address: of a Ray cluster; one is started here by default.
        weights: folder of weights; the shipped ones by default.
        methods: what the protocol's method names refer to.
        stages: `module:name` of the table of stages.
        console: where to print.
        archive: what `archive.write_archive` wrote of a run of this protocol; its rows that still hold are
            taken over instead of being made.
        check: whether to hash all artefacts that earlier runs left, and make damaged ones again. Without it
            only those are looked at that something is made from.
        shared: URL of a store in which finished work is kept besides, such as `s3://bucket/prefix`; what
            other machines finished there is not done again.

    Raises:
        UserError: the folder or the archive is of another protocol, the archive is damaged, another process
            is at work on the folder, a method does not fit the protocol, or every head of a method failed
            (tables and report are written all the same). Of a method from outside that is no error: its
            failures stand in the report, and the result tells.
        DiskFull: no room is left; finished jobs are kept.
        StoreAway: the shared store did not answer for minutes; finished jobs are kept here.
        LeaseLost: another process took the shared store over.
        KeyboardInterrupt: on Ctrl-C or SIGTERM; workers are ended, finished jobs are kept.
    """
    console = console or Console()
    table = stage_table(stages)
    plan = plan_run(protocol, weights or shipped_weights(), methods, table)
    store = _store(root, shared, console)
    with _terminate_as_interrupt(), store.locked():
        _claim(store, protocol)
        if archive is not None:
            take_archive(store, archive, protocol)
        if check:
            forget_damaged(plan, store, console)
        work = partial(
            settle,
            plan,
            store,
            stages,
            console=console,
            progress=progress,
            workers=workers,
            executor=executor,
            address=address,
        )
        schedule, summary, computed = _settle_and_finish(plan, store, work, console)
    console.print(ResultTable(summary))
    console.print(f"Report: {root / 'report.html'}", highlight=False, soft_wrap=True)
    failed = sum(not record.done for record in schedule.settled.values())
    lost = _methods_without_heads(plan, schedule.settled, root)
    for label, sentence in lost.items():
        if not plan.specs[label].outside and plan.rows[label].weights is None:
            raise UserError(sentence)
    return RunResult(root, len(schedule.settled) - failed, failed, computed, tuple(lost.values()))


def settle(
    plan: Plan,
    store: Store,
    stages: str,
    *,
    console: Console,
    progress: bool = True,
    workers: int | None = None,
    executor: str = LOCAL,
    address: str | None = None,
) -> Schedule:
    """Brings every job of a plan to its end, in other processes, unless earlier runs did.

    Args:
        plan: what to do.
        store: of the run, locked.
        stages: `module:name` of the table of stages.
        console, progress, workers, executor, address: as of `run_protocol`.

    Raises:
        UserError: an unknown executor, or one that is not there.
        DiskFull: no room is left; finished jobs are kept.
        KeyboardInterrupt: when told to stop; workers are ended, finished jobs are kept.
    """
    table, threads = stage_table(stages), plan.protocol.budget.threads
    size = workers or max(1, (os.cpu_count() or 1) // threads)
    with RunProgress(console, plan.jobs, table, size, progress) as shown:
        schedule = Schedule(plan, store, table, shown)
        if not schedule.recall():
            if stages == STAGE_TABLE and address is None:
                build_elsewhere(partial(console.print, highlight=False))
            asked = asked_for(plan.specs.values())
            with _executor(executor, address, workers, threads, stages, store, asked) as found:
                schedule.work(found)
    return schedule


def _settle_and_finish(
    plan: Plan, store: Store, work: Callable[[], Schedule], console: Console
) -> tuple[Schedule, dict[str, Any], int]:
    """Works off the plan and writes its results; scores that turn out damaged are made again before.

    Returns:
        The schedule, the summary, and how many jobs ran.
    """
    computed = 0
    for _ in range(MENDED_AT_MOST):
        schedule = work()
        computed += schedule.computed
        try:
            return schedule, finish(plan, store, schedule.settled), computed
        except Damaged as found:
            for job in found.jobs:
                console.print(damage_told(job), highlight=False, soft_wrap=True)
                store.forget(job)
    raise UserError(
        f"Found artefacts in {store.root} damaged again after they were made {MENDED_AT_MOST} times, "
        "expected a disk that gives back what was written; check it, or take another folder with --runs."
    )


def _executor(
    name: str,
    address: str | None,
    workers: int | None,
    threads: int,
    stages: str,
    store: Store,
    asked: Collection[str],
) -> Executor:
    if name == RAY:
        from idto3d_eval.ray_pool import RayPool

        return RayPool(threads, stages, address, workers, asked)
    if name != LOCAL:
        raise UserError(f"Found executor {name!r}, expected {LOCAL} or {RAY}.")
    if address is not None:
        raise UserError(f"Found --address with the executor {LOCAL}, expected it with {RAY} alone.")
    size = workers or max(1, (os.cpu_count() or 1) // threads)
    return Pool(size, threads, stages, store.root / "logs" / "workers.log", asked)


def _store(root: Path, shared: str | None, console: Console) -> Store:
    if shared is None:
        return Store(root)
    from idto3d_eval.shared_store import SharedStore

    return SharedStore(root, shared, partial(console.print, highlight=False, soft_wrap=True))


def shipped_weights() -> Path:
    """The folder of the weights that come with the package."""
    return Path(idto3d.__file__).parent / "weights"


def _claim(store: Store, protocol: Protocol) -> None:
    """Says whose run this folder is; a folder of another protocol, or another version of it, is refused."""
    path = store.root / PROTOCOL_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        other = (found["name"], found["version"])
    except FileNotFoundError:
        other = None
    except (ValueError, KeyError, TypeError):
        other = ("unreadable", 0)
    if other is not None and other != (protocol.name, protocol.version):
        raise UserError(
            f"Found a run of {other[0]} version {other[1]} in {store.root}, expected one of {protocol.name} "
            f"version {protocol.version}; name the run otherwise with --name, or remove the folder."
        )
    text = protocol.model_dump_json(indent=1) + "\n"
    if other is None or path.read_text(encoding="utf-8") != text:
        store.write(PROTOCOL_FILE, text)


def _methods_without_heads(plan: Plan, settled: Mapping[str, Record], root: Path) -> dict[str, str]:
    """A sentence for each label that made nothing; single failures are rows of the report."""
    lost = {}
    for label in (row.label for row in plan.protocol.methods):
        heads = [settled[job.name] for job in plan.of_stage("generate") if job.label == label]
        views = [settled[job.name] for job in plan.of_stage("render") if job.label == label]
        if heads and not any(record.done for record in views):
            reason = next(record.reason for record in (*heads, *views) if not record.done)
            lost[label] = (
                f"Found no head by {label} that could be drawn, expected {len(heads)}: {reason.rstrip('.')}; "
                f"see {root / 'report.html'} and {root / 'logs'}."
            )
    return lost


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Makes SIGTERM end a run tidily, as a second Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_: int, __: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
