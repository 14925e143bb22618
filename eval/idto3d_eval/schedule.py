"""Works off a plan's jobs: what is finished stays, what is ready goes to a worker, failures are noted."""

from __future__ import annotations

import functools
import json
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from idto3d_eval.collection import collected_later
from idto3d_eval.disk import disk_full
from idto3d_eval.executor import Executor, Message
from idto3d_eval.keys import content_key
from idto3d_eval.plan import Job, Plan
from idto3d_eval.progress import RunProgress
from idto3d_eval.ready import ReadyJobs
from idto3d_eval.stage import Stage
from idto3d_eval.standing import Intact, damage_told, lacking_files
from idto3d_eval.store import Record, Store

# A job whose process or machine was lost is tried so often in one run; then it counts as failed, and the next
# run tries it again. A method's own failure is not: it would fail again.
ATTEMPTS = 3
DRAIN_S = 10.0


class Terminated(KeyboardInterrupt):
    """The run was told by SIGTERM to stop now."""


@dataclass
class _Running:
    """A job under way: its key, its partial folder, since when."""

    job: Job
    key: str
    partial: Path
    since: float
    given_up: bool = False


class Schedule:
    """The state of a run's jobs. A job is settled when its record, done or failed, is of today's key."""

    def __init__(self, plan: Plan, store: Store, stages: Mapping[str, Stage], shown: RunProgress) -> None:
        self._plan, self._store, self._stages, self._shown = plan, store, stages, shown
        self._protocol = plan.protocol.model_dump_json()
        self.settled: dict[str, Record] = {}
        self.recalled: frozenset[str] = frozenset()  # jobs that earlier runs finished
        self.computed = 0
        self._running: dict[str, _Running] = {}
        self._attempts: Counter[str] = Counter()
        self._waiting = {job.name for job in plan.jobs}
        self._intact = Intact(store)
        self._first: dict[str, str] = {}  # jobs to be done again for their files -> the digest they had

    @functools.cached_property
    def _ready(self) -> ReadyJobs:
        """The order of what is left; a finished run has no need of it."""
        return ReadyJobs(self._plan, self._stages)

    @collected_later
    def recall(self) -> bool:
        """Settles all that earlier runs finished; returns whether that was everything."""
        known: dict[str, Record] = {}
        for job in self._plan.jobs:
            if all(need in known for need in job.needs):
                key = job.key({need: known[need].digest for need in job.needs})
                record = self._store.current(job.name, key)
                if record is not None:
                    known[job.name] = record
        again = lacking_files(self._plan, known)
        if len(known) == len(self._plan.jobs) and not again:  # nothing is left to show or to put in order
            self.settled, self.recalled = known, frozenset(known)
            self._waiting.clear()
            return True
        for job in self._plan.jobs:
            if job.name in known and job.name not in again:
                self._note(job, known[job.name])
        self._ready.begin(self.settled)
        self.recalled = frozenset(self.settled)
        self._do_first({name: known[name].digest for name in again})
        return not self._waiting

    def work(self, executor: Executor) -> None:
        """Runs what is left.

        Raises:
            DiskFull: when no room is left.
            KeyboardInterrupt: when told to stop. After a Ctrl-C jobs under way are waited for, at most
                `DRAIN_S` seconds; after another one, or when terminated, they are not. The caller ends the
                executor.
        """
        self._ready.shaped_by(executor.shape)
        try:
            while self._waiting or self._running:
                for shape in self._ready.shapes():
                    self._hand_out(executor, shape)
                self._listen(executor)
        except Terminated:
            raise
        except KeyboardInterrupt:
            self._drain(executor)
            raise

    def _listen(self, executor: Executor) -> None:
        for message in executor.messages(seconds=0.2):
            self._hear(message)
        now = time.monotonic()
        for name, running in self._running.items():
            limit = running.job.resources.limit_s
            if limit and now - running.since > limit and not running.given_up:
                running.given_up = True
                executor.give_up(name, f"it was still at work after {limit:g} s and was ended")
        self._shown.show()

    def _drain(self, executor: Executor) -> None:
        """Waits for jobs under way, so that what they did is kept."""
        if self._running:
            self._shown.tell(
                f"Waiting up to {DRAIN_S:g} s for {len(self._running)} jobs; Ctrl-C again ends them at once."
            )
        deadline = time.monotonic() + DRAIN_S
        while self._running and time.monotonic() < deadline:
            self._listen(executor)

    def _hand_out(self, executor: Executor, shape: str) -> None:
        """Gives ready jobs of a shape to an executor as long as it has room, the best first."""
        later = []
        for job in self._ready.take(shape) if executor.room(shape) else ():
            if job.name in self._running or job.name in self.settled or not self._can_run(job):
                continue
            if self._first and job.name not in self._first:
                later.append(job)
                continue
            key = self._key(job)
            record = self._store.current(job.name, key)
            broken = [need for need in job.needs if not self.settled[need].done]
            if record is not None and not record.fileless:
                self._settle(job, record)
            elif broken and not self._stages[job.stage].tolerates_failures:
                reason = self.settled[broken[0]].reason
                self._settle(job, self._failure(job, key, reason, retry=self.settled[broken[0]].retry))
            elif damaged := self._intact.damaged(self.settled[need] for need in job.needs):
                self._redo(damaged)
                break  # what is ready has changed
            else:
                partial = self._store.partial()
                executor.submit(job, self._request(job, partial))
                self._running[job.name] = _Running(job, key, partial, time.monotonic())
                self._attempts[job.name] += 1
                self._shown.started(job.name)
            if not executor.room(shape):
                break
        for job in later:
            self._ready.put_back(job)

    def _hear(self, message: Message) -> None:
        if message.status == "progress":
            fields = message.fields
            self._shown.moved(message.job, fields["done"], fields["total"], fields["what"])
            return
        if message.job not in self._running:
            return
        running = self._running.pop(message.job)
        job, key, partial = running.job, running.key, running.partial
        if message.status == "full_disk":
            raise disk_full(self._store.root)
        if not self._can_run(job) or self._key(job) != key:
            self._attempts[job.name] -= 1  # no fault of its own: what it was made from did not stand
            self._drop(running)
            return
        if message.status == "done":
            self.computed += 1
            facts = dict(message.fields["facts"])
            calls = int(facts.pop("guidance_calls", 0) or 0)
            costs = _costs(job, message)
            # A foreign program's memory is not its worker's: it is told among the facts.
            told = float(facts.pop("peak_memory_mib", 0.0))
            costs["peak_memory_mib"] = max(costs["peak_memory_mib"], told)
            record = Record(job.name, key, "done", "", guidance_calls=calls, facts=facts, **costs)
            committed = self._store.commit(partial, record)
            self._intact.wrote(committed)
            self._settle(job, committed)
            return
        retry = message.status == "died" or bool(message.fields.get("retry"))
        reason = str(message.fields["reason"])
        attempts = self._attempts[job.name]
        given_up = running.given_up or message.fields.get("given_up")
        if message.status == "died" and attempts < ATTEMPTS and not given_up:
            self._drop(running)
            return
        self.computed += 1
        if message.status == "died" and attempts > 1:
            reason = f"given up after {attempts} tries: {reason}"
        self._settle(job, self._failure(job, key, reason, retry=retry, **_costs(job, message)))

    def _note(self, job: Job, record: Record) -> None:
        self.settled[job.name] = record
        self._waiting.discard(job.name)
        self._shown.settled(job.name, record)

    def _settle(self, job: Job, record: Record) -> None:
        self._note(job, record)
        self._ready.settle(job.name)
        digest = self._first.pop(job.name, record.digest)
        if digest != record.digest:
            self._forget(job.name)

    def _do_first(self, digests: Mapping[str, str]) -> None:
        """Before anything else comes what is made again only for its files: should it come out otherwise,
        what was made from it elsewhere does not stand."""
        relied_on = {need for job in self._plan.jobs if job.name in self.settled for need in job.needs}
        first = relied_on & set(digests)
        for job in reversed(self._plan.jobs):
            if job.name in first or job.name in self._first:
                first |= {need for need in job.needs if need not in self.settled}
        self._first |= {name: digests.get(name, self._first.get(name, "")) for name in first}

    def _forget(self, name: str) -> None:
        """Unsettles all that was settled on another outcome of a job; only `_first` jobs run meanwhile."""
        lost = {name}
        for job in self._plan.jobs:
            if job.name in self.settled and lost & set(job.needs):
                lost.add(job.name)
        self._unsettle(lost - {name}, {})

    def _redo(self, damaged: Sequence[str]) -> None:
        """Has damaged artefacts made again before anything else; what was made from them stands if they come
        out the same."""
        for name in damaged:
            self._shown.warn(damage_told(name))
            self._store.forget(name)
        self._unsettle(set(damaged), {name: self.settled[name].digest for name in damaged})

    def _unsettle(self, lost: set[str], first: Mapping[str, str]) -> None:
        """Takes jobs back, with all that must be made again for its files; {job: digest} go first."""
        kept = {name: record for name, record in self.settled.items() if name not in lost}
        again = lacking_files(self._plan, kept)
        for unsettled in lost | again:
            self._shown.unsettled(unsettled)
        self.settled = {name: record for name, record in kept.items() if name not in again}
        self._waiting = {job.name for job in self._plan.jobs if job.name not in self.settled}
        self._ready.begin(self.settled)
        self._do_first({**first, **{name: kept[name].digest for name in again}})

    def _drop(self, running: _Running) -> None:
        """Takes back a job that was under way; it comes up again once all that it needs is settled."""
        shutil.rmtree(running.partial, ignore_errors=True)
        self._shown.unsettled(running.job.name)
        if self._can_run(running.job):
            self._ready.put_back(running.job)

    def _failure(self, job: Job, key: str, reason: str, *, retry: bool, **costs: Any) -> Record:
        digest = content_key(["failed", reason])
        return self._store.note(Record(job.name, key, "failed", digest, reason, retry, **costs))

    def _can_run(self, job: Job) -> bool:
        return all(need in self.settled for need in job.needs)

    def _key(self, job: Job) -> str:
        return job.key({need: self.settled[need].digest for need in job.needs})

    def _request(self, job: Job, partial: Path) -> dict[str, Any]:
        """A job as a worker gets it: what its key covers, and the folders of what it needs."""
        done = [need for need in job.needs if self.settled[need].done]
        return {
            "job": job.name,
            "stage": job.stage,
            "label": job.label,
            "key_inputs": json.loads(json.dumps(asdict(job.key_inputs), default=list)),
            "protocol": self._protocol,
            "inputs": {need: str(self._store.artefact(need).absolute()) for need in done},
            "failures": {need: self.settled[need].reason for need in job.needs if need not in done},
            "weights": str(Path(job.weights or self._plan.weights).absolute()),
            "out": str(partial.absolute()),
            "log": str(self._store.log(job.name).absolute()),
            "origin": job.origin,
            "own_weights": job.weights,
            "store": self._store.carried([self.settled[need] for need in done]),
        }


def _costs(job: Job, message: Message) -> dict[str, Any]:
    """What a job cost, as a record keeps it; a worker that died could not tell."""
    return {
        "seconds": round(float(message.fields.get("seconds", 0.0)), 3),
        "peak_memory_mib": float(message.fields.get("peak_memory_mib", 0.0)),
        "threads": job.threads,
        "device": str(message.fields.get("device", "")),
        "device_memory_mib": float(message.fields.get("device_memory_mib", 0.0)),
        "energy_joules": message.fields.get("energy_joules"),
        "energy_note": str(message.fields.get("energy_note", "its process could not tell")),
    }
