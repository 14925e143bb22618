"""Plans of jobs that sleep, worked off by an executor."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from idto3d_eval.bench import idle_stages
from idto3d_eval.executor import Executor
from idto3d_eval.plan import Plan
from idto3d_eval.progress import RunProgress
from idto3d_eval.schedule import Schedule
from idto3d_eval.store import Store


def work_off(executor: Executor, root: Path, plan: Plan) -> Schedule:
    """Works off a plan of sleeping jobs by an executor that is entered here."""
    store = Store(root)
    with store.locked(), executor as entered:
        shown = RunProgress(Console(file=io.StringIO()), plan.jobs, idle_stages.STAGES, 1, shown=False)
        schedule = Schedule(plan, store, idle_stages.STAGES, shown)
        schedule.recall()
        schedule.work(entered)
    return schedule
