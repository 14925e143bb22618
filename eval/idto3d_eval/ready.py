"""In which order a plan's jobs are handed out."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from idto3d_eval.plan import Job, Plan
from idto3d_eval.stage import Stage


class ReadyJobs:
    """Which jobs of a plan can run: all that they need is settled.

    Cheap ones come first, and of equally cheap ones those that most others wait for, then the plan's order:
    a head that was made is drawn and read before the next one is begun, so that a run that is stopped leaves
    whole heads, and what everything hangs on is not left for the end.
    """

    def __init__(self, plan: Plan, stages: Mapping[str, Stage]) -> None:
        """
        Args:
            plan: whose jobs they are.
            stages: which say what a job takes.
        """
        self._shape: Callable[[Job], str] = lambda _: ""
        self._jobs = {job.name: job for job in plan.jobs}
        self._dependents: dict[str, list[str]] = defaultdict(list)
        for job in plan.jobs:
            for need in job.needs:
                self._dependents[need].append(job.name)
        self._rank = {
            job.name: (stages[job.stage].seconds, -len(self._dependents.get(job.name, ())), place)
            for place, job in enumerate(plan.jobs)
        }
        self._unmet: dict[str, int] = {}
        self._heaps: dict[str, list[tuple[float, int, int, str]]] = {}

    def shaped_by(self, shape: Callable[[Job], str]) -> None:
        """Keep the jobs of every shape in an order of their own from now on."""
        self._shape = shape
        names = [entry[-1] for heap in self._heaps.values() for entry in heap]
        self._heaps = {}
        for name in names:
            self.put_back(self._jobs[name])

    def begin(self, settled: Iterable[str]) -> None:
        """Start over with what is settled; a job that a worker has comes up again, for the taker to skip."""
        known = set(settled)
        self._unmet = {
            job.name: sum(need not in known for need in job.needs)
            for job in self._jobs.values()
            if job.name not in known
        }
        self._heaps = {}
        for name, unmet in self._unmet.items():
            if not unmet:
                self.put_back(self._jobs[name])

    def settle(self, name: str) -> None:
        """A job is over: those for which it was the last one needed become ready."""
        self._unmet.pop(name, None)
        for dependent in self._dependents.get(name, ()):
            if dependent in self._unmet:
                self._unmet[dependent] -= 1
                if not self._unmet[dependent]:
                    self.put_back(self._jobs[dependent])

    def put_back(self, job: Job) -> None:
        """A job is ready (again)."""
        heap = self._heaps.setdefault(self._shape(job), [])
        heapq.heappush(heap, (*self._rank[job.name], job.name))

    def shapes(self) -> list[str]:
        """The shapes of which jobs are ready."""
        return [shape for shape, heap in self._heaps.items() if heap]

    def take(self, shape: str = "") -> Iterator[Job]:
        """The ready jobs of a shape, best first; each that is yielded is taken."""
        heap = self._heaps.get(shape, [])
        while heap:
            yield self._jobs[heapq.heappop(heap)[-1]]
