"""How far a run is: a bar with an estimate on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from idto3d_eval.plan import Job
from idto3d_eval.stage import Stage
from idto3d_eval.store import Record

_FORETELLS = 0.05  # the share of a job from which on its pace tells how long it takes
_PLAIN_EVERY = 20.0  # seconds between two lines where there is no terminal


class RunProgress:
    """Shows a run's jobs. Estimates come from what jobs of a kind took so far, in this run or before."""

    def __init__(
        self, console: Console, jobs: tuple[Job, ...], stages: Mapping[str, Stage], workers: int, shown: bool
    ) -> None:
        self._console, self._workers = console, workers
        self._shown = shown
        self._live = shown and console.is_terminal
        self._kinds = {job.name: f"{job.stage} {job.label}".rstrip() for job in jobs}
        self._seconds = {self._kinds[job.name]: stages[job.stage].seconds for job in jobs}
        self._measured: dict[str, tuple[float, int]] = {}  # kind -> seconds in all, and of how many
        self._waiting = {job.name for job in jobs}
        self._left = Counter(self._kinds[name] for name in self._waiting)
        self._total = len(jobs)
        self._fractions: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self._last_line = time.monotonic()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._width = max((len(job.name) for job in jobs), default=0) + 2
        self._overall = self._bars.add_task("[bold]" + "run".ljust(self._width), total=self._total, note="")
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> RunProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._bars.stop()

    def settled(self, job: str, record: Record) -> None:
        """A job is over, now or in an earlier run."""
        if job in self._waiting:
            self._waiting.discard(job)
            self._left[self._kinds[job]] -= 1
        self._fractions.pop(job, None)
        self._started.pop(job, None)
        if record.seconds > 0:
            seconds, count = self._measured.get(self._kinds[job], (0.0, 0))
            self._measured[self._kinds[job]] = seconds + record.seconds, count + 1
        if job in self._tasks:
            self._bars.remove_task(self._tasks.pop(job))

    def unsettled(self, job: str) -> None:
        """A job that was over, or under way, has to be done again."""
        self._fractions.pop(job, None)
        self._started.pop(job, None)
        if job in self._tasks:
            self._bars.remove_task(self._tasks.pop(job))
        if job not in self._waiting:
            self._waiting.add(job)
            self._left[self._kinds[job]] += 1

    def started(self, job: str) -> None:
        """A worker took a job."""
        self._fractions[job], self._started[job] = 0.0, time.monotonic()
        if self._live:
            self._tasks[job] = self._bars.add_task(f"  {job}".ljust(self._width), total=None, note="")

    def moved(self, job: str, done: int, total: int, what: str) -> None:
        """A job told how far it is."""
        if job in self._fractions and total > 0:
            self._fractions[job] = min(1.0, done / total)
            if job in self._tasks:
                note = f"{done}/{total} {what}"
                self._bars.update(self._tasks[job], completed=done, total=total, note=note)

    def tell(self, sentence: str) -> None:
        """Print a sentence above the bars."""
        if self._shown:
            self._console.print(sentence, highlight=False)

    def warn(self, sentence: str) -> None:
        """Print a sentence that is told with and without progress."""
        self._console.print(sentence, highlight=False, soft_wrap=True)

    def show(self) -> None:
        """Brings the overall line up to date."""
        if not self._shown:
            return
        done = self._total - len(self._waiting)
        note = f"{done}/{self._total} jobs, {spoken(self.remaining())} left"
        if self._live:
            self._bars.update(self._overall, completed=done + sum(self._fractions.values()), note=note)
        elif time.monotonic() - self._last_line >= _PLAIN_EVERY:
            self._last_line = time.monotonic()
            self._console.print(note, highlight=False)

    def remaining(self) -> float:
        """Estimated seconds to the end, all workers busy."""
        work = sum(count * self._expected(kind) for kind, count in self._left.items() if count)
        work -= sum(self._expected(self._kinds[job]) * part for job, part in self._fractions.items())
        return max(work, 0.0) / self._workers

    def _expected(self, kind: str) -> float:
        """Seconds of one job of a kind: measured, or foretold by one that is under way, or assumed."""
        if kind in self._measured:
            seconds, count = self._measured[kind]
            return seconds / count
        now = time.monotonic()
        times = [
            (now - self._started[job]) / fraction
            for job, fraction in self._fractions.items()
            if self._kinds[job] == kind and fraction >= _FORETELLS
        ]
        return sum(times) / len(times) if times else self._seconds[kind]


def spoken(seconds: float) -> str:
    """A duration as one would say it."""
    if seconds < 60:
        return f"about {max(1, round(seconds))} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"
