"""In which order a plan's jobs are handed out."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from idto3d_eval.plan import Job, Plan
from idto3d_eval.stage import Stage


class ReadyJobs:
    """Which jobs of a plan can run: all that they need is settled.

    Cheap ones come first, and of equally cheap ones those that most others wait for, then the plan's order:
    a head that was made is drawn and read before the next one is begun, so that a run that is stopped leaves
    whole heads, and what everything hangs on is not left for the end.
    """

    def __init__(self, plan: Plan, stages: Mapping[str, Stage]) -> None:
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
        self._heap: list[tuple[float, int, int, str]] = []

    def begin(self, settled: Iterable[str]) -> None:
        """Start over with what is settled; a job that a worker has comes up again, for the taker to skip."""
        known = set(settled)
        self._unmet = {
            job.name: sum(need not in known for need in job.needs)
            for job in self._jobs.values()
            if job.name not in known
        }
        self._heap = [(*self._rank[name], name) for name, unmet in self._unmet.items() if not unmet]
        heapq.heapify(self._heap)

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
        heapq.heappush(self._heap, (*self._rank[job.name], job.name))

    def take(self) -> Iterator[Job]:
        """The ready jobs, best first; each that is yielded is taken."""
        while self._heap:
            yield self._jobs[heapq.heappop(self._heap)[-1]]
