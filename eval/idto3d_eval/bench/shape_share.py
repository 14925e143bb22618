"""What a row's score takes in one job, and divided into people's shapes and the job that joins them.

A run divides its rows from `shape_stage.SPLIT_FROM` people on; here a smaller run's are, from its stored
artefacts and into a temporary folder. Processor seconds of one thread.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from threadpoolctl import threadpool_limits

from idto3d.errors import UserError
from idto3d_eval import shape_stage
from idto3d_eval.plan import Job, Plan, plan_run
from idto3d_eval.run import shipped_weights
from idto3d_eval.run_folder import protocol_of
from idto3d_eval.stages import STAGES
from idto3d_eval.store import Store
from idto3d_eval.stored_call import run_here


@dataclass(frozen=True)
class Share:
    """Seconds of one row's score: as a whole, of all people's shapes, and of joining them."""

    label: str
    whole: float
    shapes: float
    joined: float

    @property
    def share(self) -> float:
        """Of the divided score, what is measured by person."""
        return self.shapes / (self.shapes + self.joined)

    def row(self) -> dict[str, str]:
        """The row as a table shows it."""
        return {
            "row": self.label,
            "in one job, s": f"{self.whole:.2f}",
            "by person, s": f"{self.shapes:.2f}",
            "joined, s": f"{self.joined:.2f}",
            "share by person": f"{self.share:.3f}",
        }


def measure_shares(run: Path, labels: Sequence[str] | None = None) -> list[Share]:
    """Score rows of a run both ways.

    Args:
        run: a finished run with its heads.
        labels: of its rows; all whose heads are there by default.

    Raises:
        UserError: the folder holds no run, or a row without all that its score needs.
    """
    store = Store(run)
    protocol = protocol_of(store)
    with _divided_from(2):
        divided = plan_run(protocol, shipped_weights())
    with _divided_from(len(protocol.population.identities) + 1):
        undivided = plan_run(protocol, shipped_weights())
    there = {job.label: job for job in undivided.scores() if all(_made(store, need) for need in job.needs)}
    missing = [label for label in labels or () if label not in there]
    if missing or not there:
        raise UserError(
            f"Found no complete artefacts of {', '.join(missing) or 'any row'} in '{run}', expected a "
            "finished run's heads and readings; name other rows with --rows."
        )
    with threadpool_limits(1), tempfile.TemporaryDirectory(prefix="bench-shapes-") as folder:
        return [
            _share(store, undivided, divided, there[label], Path(folder)) for label in labels or list(there)
        ]


def median_share(shares: Sequence[Share]) -> float:
    """The middle row's."""
    return median(share.share for share in shares)


def _share(store: Store, undivided: Plan, divided: Plan, whole: Job, folder: Path) -> Share:
    made: dict[str, Path] = {}
    seconds = 0.0
    for job in divided.of_stage(shape_stage.SHAPES):
        if job.label == whole.label:
            made[job.name] = folder / job.name
            seconds += _seconds(store, divided, job, made[job.name])
    joining = next(job for job in divided.scores() if job.label == whole.label)
    joined = _seconds(store, divided, joining, folder / "joined" / whole.label, made)
    in_one = _seconds(store, undivided, whole, folder / "whole" / whole.label)
    return Share(whole.label, in_one, seconds, joined)


def _seconds(store: Store, plan: Plan, job: Job, out: Path, made: Mapping[str, Path] = {}) -> float:
    out.mkdir(parents=True)
    inputs = {need: made.get(need, store.artefact(need).absolute()) for need in job.needs}
    start = time.process_time()
    run_here(plan, job, STAGES[job.stage], inputs, {}, out)
    return time.process_time() - start


def _made(store: Store, need: str) -> bool:
    record = store.record(need)
    return record is not None and record.done and not record.fileless


@contextmanager
def _divided_from(people: int) -> Iterator[None]:
    """Plans made within divide rows from so many people on."""
    kept, shape_stage.SPLIT_FROM = shape_stage.SPLIT_FROM, people
    try:
        yield
    finally:
        shape_stage.SPLIT_FROM = kept
