"""The executor `ray`: a run's jobs as Ray tasks, on this machine or on a cluster's.

The plan, the keys and the artefacts are those of the executor `local`: the process that holds the run's
folder places artefacts and writes the index, tasks write into partial folders of it. So every node sees the
folder under one path, or the run has a shared store, and has this package installed.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Collection, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from idto3d.errors import UserError
from idto3d_eval.environment import drop_others, without_others
from idto3d_eval.executor import Message, session_of, worker_variables
from idto3d_eval.plan import Job
from idto3d_eval.ray_by_store import place_files

CPU, GPU = "cpu", "gpu"
# Tasks of a shape that wait at Ray beyond those that run: enough that no worker is idle while a message is on
# its way, and few enough that what became ready since, and is better, is not behind many.
BACKLOG = 2
LOOKED_AT_S = 2.0  # between two looks at how large the cluster is, and at the progress of jobs
HEARTBEAT_S = 1.0  # between two words of a task about its progress


class RayPool:
    """Tasks on a Ray cluster, each with the threads, the share of a GPU and the memory that its job takes."""

    def __init__(
        self,
        threads: int,
        stages: str,
        address: str | None,
        size: int | None = None,
        asked: Collection[str] = (),
    ) -> None:
        """
        Args:
            threads: of a job that says nothing else.
            stages: `module:name` of the table of stages.
            address: of a running cluster, as Ray takes it; None starts one here that ends with the run.
            size: workers of the one that is started here; by default as many as the cores allow.
            asked: environment variables that methods' files ask for.

        Raises:
            UserError: Ray is not installed, or the cluster cannot be reached.
        """
        self._threads, self._stages, self._address, self._size = threads, stages, address, size
        self._asked = tuple(sorted(asked))
        self._ray = _import_ray()
        self._tasks: dict[Any, Job] = {}  # reference -> whose task it is
        self._references: dict[str, Any] = {}  # job -> reference
        self._requests: dict[str, Mapping[str, Any]] = {}  # job -> what it was asked
        self._given_up: dict[str, str] = {}
        self._totals: tuple[float, float] = (0.0, 0.0)  # processors, GPUs
        self._looked = -math.inf

    def __enter__(self) -> Self:
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        if self._address is None:
            size = self._size or max(1, (os.cpu_count() or 1) // self._threads)
            given |= {"num_cpus": size * self._threads, "include_dashboard": False}
        # Nothing is sent to Ray's makers, and jobs that need no GPU find those that CUDA shows them.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # A cluster that is started here inherits what there is; one that runs may ask for a token of it.
        inherited = without_others(self._asked) if self._address is None else contextlib.nullcontext()
        try:
            with inherited:
                # "local": one of its own, even where this machine belongs to a cluster already.
                self._ray.init(address=self._address or "local", **given)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"Found no Ray cluster at {self._address or 'this machine'} ({str(error).splitlines()[0]}), "
                "expected one; start it with `ray start --head`, or leave --address out."
            ) from None
        self._progress = self._keeper_of_progress()
        self._run = self._ray.remote(max_retries=0)(_run_job)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        for reference in self._tasks:
            self._ray.cancel(reference, force=True)
        self._ray.shutdown()

    def shape(self, job: Job) -> str:
        """Jobs that need a GPU and jobs that need none do not wait for each other."""
        return GPU if job.resources.gpus else CPU

    def room(self, shape: str) -> bool:
        """Whether the cluster has what another job of a shape takes, but for a short queue."""
        processors, gpus = self._cluster()
        asked = [job for job in self._tasks.values() if self.shape(job) == shape]
        if shape == GPU:
            return sum(job.resources.gpus for job in asked) < gpus + BACKLOG
        return sum(job.threads for job in asked) < processors + BACKLOG * self._threads

    def submit(self, job: Job, request: Mapping[str, Any]) -> None:
        """Hands a job to Ray; a process of Ray's serves jobs of one session and one number of threads.

        Jobs that make no head go with the first session: Ray ends idle processes of one environment when it
        needs one of another, and starting one takes seconds.
        """
        repeat, _ = session_of(request) or (0, job.threads)
        variables = {**worker_variables(job.threads), "IDTO3D_SESSION": str(repeat)}
        options: dict[str, Any] = {"num_cpus": job.threads, "runtime_env": {"env_vars": variables}}
        if job.resources.gpus:
            options["num_gpus"] = job.resources.gpus
        if job.resources.memory_mib:
            options["memory"] = int(job.resources.memory_mib * 2**20)
        # On a cluster of this machine's own, tasks see the folder, and need no credentials of the store.
        asked = dict(request) if self._address else {**request, "store": {}}
        reference = self._run.options(**options).remote(asked, self._stages, self._progress, self._asked)
        self._requests[job.name] = request
        self._tasks[reference] = job
        self._references[job.name] = reference

    def messages(self, seconds: float) -> Iterator[Message]:
        """Waits up to `seconds` for the end of a job, then yields all ends, and now and then progress."""
        if not self._tasks:
            time.sleep(seconds)
            return
        ready, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=seconds)
        if ready:
            ready, _ = self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)
        for reference in ready:
            job = self._tasks.pop(reference).name
            self._references.pop(job, None)
            yield self._ended(job, reference, self._requests.pop(job))
        if time.monotonic() - self._looked >= LOOKED_AT_S:
            self._cluster(anew=True)
            for job, fields in self._told().items():
                if job in self._references:
                    yield Message(job, "progress", fields)

    def give_up(self, job: str, reason: str) -> None:
        """Kills the process that does a job."""
        if job in self._references:
            self._given_up[job] = reason
            self._ray.cancel(self._references[job], force=True)

    def _told(self) -> dict[str, dict[str, Any]]:
        """What tasks said of their progress; where who kept it is lost, another one begins."""
        try:
            told: dict[str, dict[str, Any]] = self._ray.get(self._progress.take.remote(), timeout=LOOKED_AT_S)
        except self._ray.exceptions.RayError:
            self._progress = self._keeper_of_progress()
            return {}
        return told

    def _keeper_of_progress(self) -> Any:
        """The actor, on the node that the run itself is on, if that can be."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=True)
        return self._ray.remote(num_cpus=0, scheduling_strategy=here)(_Progress).remote()

    def _ended(self, job: str, reference: Any, request: Mapping[str, Any]) -> Message:
        errors = self._ray.exceptions
        try:
            fields = place_files(self._ray.get(reference), request)
        except errors.OutOfMemoryError:
            reason = "memory ran out on its machine, and its process was ended"
        except errors.RayError as error:
            known = next((words for name, words in _ENDINGS.items() if name in type(error).__name__), "")
            reason = known or f"Ray lost it: {str(error).splitlines()[0]}"
        else:
            self._given_up.pop(job, "")
            return Message(job, fields["status"], fields)
        return Message(job, "died", {"reason": self._given_up.pop(job, "") or reason})

    def _cluster(self, *, anew: bool = False) -> tuple[float, float]:
        """Processors and GPUs of all nodes that are alive."""
        if anew or self._looked == -math.inf:
            found = self._ray.cluster_resources()
            self._totals = float(found.get("CPU", 0.0)), float(found.get("GPU", 0.0))
            self._looked = time.monotonic()
        return self._totals


_ENDINGS = {
    "WorkerCrashedError": "its process ended without a word",
    "NodeDiedError": "the machine that it ran on was lost",
    "TaskCancelledError": "it was cancelled",
}


class _Progress:
    """An actor that keeps the last word of every job until the run asks."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, Any]] = {}

    def tell(self, job: str, fields: dict[str, Any]) -> None:
        """A task tells how far its job is."""
        self._last[job] = fields

    def take(self) -> dict[str, dict[str, Any]]:
        """All that was told since it was taken last."""
        taken, self._last = self._last, {}
        return taken


def _run_job(
    request: dict[str, Any], stages: str, progress: Any, asked: Collection[str] = ()
) -> dict[str, Any]:
    """A task: does a job as a local worker does, in this process of Ray's."""
    from idto3d_eval.ray_by_store import run_by_store
    from idto3d_eval.stage import stage_table
    from idto3d_eval.worker import run_request

    drop_others(asked)  # whoever started the cluster gave it theirs
    last = 0.0

    def tell(done: int, total: int, what: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= HEARTBEAT_S:
            last = now
            progress.tell.remote(request["job"], {"done": int(done), "total": int(total), "what": str(what)})

    do = run_by_store if request.get("store") else run_request
    return do(request, stage_table(stages), tell)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UserError(
            "Found no Ray, expected it for --executor ray; install it with `pip install idto3d-eval[ray]`."
        ) from None
    return ray
