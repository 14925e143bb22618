"""Metrics computed anew from what a run has stored, after a metric's code changed: old beside new.

Heads and views are taken as they lie there, whatever made them; nothing is generated or drawn. Readings, and
whatever else a score needs, are made again only where they are not those of today's code and weights.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from idto3d.errors import UserError
from idto3d_baselines.specs import METHODS, MethodSpec
from idto3d_eval.compare import Pair, largest_change, pair_rows
from idto3d_eval.disk import write_atomically
from idto3d_eval.identity_table import measure
from idto3d_eval.metrics import METRICS
from idto3d_eval.plan import Plan, plan_run
from idto3d_eval.results import EARLIER_SCORES, finish
from idto3d_eval.run import STAGE_TABLE, settle, shipped_weights
from idto3d_eval.run_folder import SCORES, protocol_of
from idto3d_eval.stage import stage_table
from idto3d_eval.store import Damaged, Record, Store

KEPT = frozenset({"identity", "generate", "render"})  # stages that a rescore never runs


@dataclass(frozen=True)
class Rescored:
    """What became of a run's figures.

    Attributes:
        root: the folder with the new scores.
        before: the file with the old ones.
        pairs: old minus new, for each row and metric.
        changes: (row, metric) -> how many of its score rows changed, of how many, and by how much at most.
        computed: jobs that were run, by stage.
        as_they_were: rows whose scores stand, since what they need was not kept, as of an archive.
    """

    root: Path
    before: Path
    pairs: tuple[Pair, ...]
    changes: Mapping[tuple[str, str], tuple[int, int, float | None]]
    computed: Mapping[str, int]
    as_they_were: tuple[str, ...]


def rescore(
    run: Path,
    out: Path | None = None,
    *,
    progress: bool = True,
    weights: Path | None = None,
    methods: Mapping[str, MethodSpec] = METHODS,
    stages: str = STAGE_TABLE,
    console: Console | None = None,
) -> Rescored:
    """Computes a finished run's metrics anew and keeps the old scores beside.

    Args:
        run: the run's folder.
        out: a new folder for the result, which leaves the run as it is; the run's own by default. Files are
            shared with the run where the disk can (hard links).
        progress: whether to show bars.
        weights: folder of weights; the shipped ones by default.
        methods: what the protocol's method names refer to.
        stages: `module:name` of the table of stages.
        console: where to show progress.

    Raises:
        UserError: the folder holds no finished run, or `out` holds something.
        DiskFull: no room is left; the old scores are untouched.
    """
    import polars

    if not (run / SCORES).is_file():
        raise UserError(f"Found no finished run at {run}, expected its {SCORES}; run its protocol first.")
    protocol = protocol_of(Store(run))
    table = stage_table(stages)
    plan = plan_run(protocol, weights or shipped_weights(), methods, table)
    root = run if out is None else _copy(run, out)
    store = _Stored(root, plan)
    old = (root / SCORES).read_bytes()
    with store.locked():
        before = _keep(store, old)
        shown = console or Console(stderr=True)
        schedule = settle(plan, store, stages, console=shown, progress=progress)
        finish(plan, store, schedule.settled)
    first, second = (polars.read_parquet(path) for path in (before, root / SCORES))
    computed: dict[str, int] = {}
    for job in plan.jobs:
        if job.name not in schedule.recalled:
            computed[job.stage] = computed.get(job.stage, 0) + 1
    cards = [card for card in METRICS.values() if card.family in protocol.metrics]
    changed = {
        (method, metric): (changed, rows, gap)
        for method, metric, rows, changed, gap in largest_change(first, second).iter_rows()
    }
    pairs = pair_rows(measure(first), measure(second), list(plan.rows), cards, protocol)
    return Rescored(root, before, pairs, changed, computed, store.as_they_were)


class _Stored(Store):
    """A run's folder in which heads and views stand, whatever made them; so do scores without heads."""

    def __init__(self, root: Path, plan: Plan) -> None:
        super().__init__(root)
        kept = {job.name for job in plan.jobs if job.stage in KEPT}
        missing = [name for name in sorted(kept) if self.record(name) is None]
        if missing:
            raise UserError(
                f"Found {len(missing)} of {len(kept)} heads, views and people of {root} not made yet, the "
                f"first {missing[0]}, expected a finished run; run its protocol first."
            )
        gone = {name for name in kept if (found := self.record(name)) is not None and found.fileless}
        self.as_they_were = tuple(job.label for job in plan.scores() if _reaches(plan, job.needs, gone))
        whole = {plan.rows[label].label for label in self.as_they_were}
        read = {job.name for job in plan.of_stage("read") if job.label in whole}
        self._stands = kept | read | {f"scores/{label}" for label in self.as_they_were}

    def current(self, job: str, key: str) -> Record | None:
        """The record of a job that stands as it is, else as in any run."""
        return self.record(job) if job in self._stands else super().current(job, key)

    def forget(self, job: str) -> None:
        """As in any run, but what a rescore never makes.

        Raises:
            Damaged: it would have to be made again.
        """
        if job in self._stands:
            raise Damaged([job])
        super().forget(job)


def _reaches(plan: Plan, needs: tuple[str, ...], gone: set[str]) -> bool:
    """Whether a job needs files of heads or views that were not kept."""
    by_name = {job.name: job for job in plan.jobs}
    return any(need in gone for name in needs for need in (name, *by_name[name].needs))


def _keep(store: Store, scores: bytes) -> Path:
    """The old scores under a name of their own, by their content, so that no later rescore replaces them."""
    import hashlib

    path = store.root / EARLIER_SCORES.replace("*", hashlib.sha256(scores).hexdigest()[:8])
    if not path.is_file():
        write_atomically(path, scores)
    return path


def _copy(run: Path, out: Path) -> Path:
    """The run in another folder; files are shared by hard links where the disk can, copied where not."""
    if out.exists() and any(out.iterdir()):
        raise UserError(f"Found {out} there already, expected a new folder; name another with --out.")
    passed_over = shutil.ignore_patterns(".lock", ".partial", "logs")
    shutil.copytree(run, out, copy_function=_linked, ignore=passed_over, dirs_exist_ok=True)
    return out


def _linked(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
