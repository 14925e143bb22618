"""Stages that do next to nothing, for timing what runs them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

from idto3d_eval.keys import KeyInputs
from idto3d_eval.plan import Job, Plan
from idto3d_eval.stage import Stage, StageCall
from idto3d_protocols.loader import load_protocol

TABLE = "idto3d_eval.bench.idle_stages:STAGES"


def sleep(call: StageCall) -> None:
    """Sleeps and writes one small file."""
    time.sleep(float(call.parameters["seconds"]))
    (call.out / "slept.txt").write_text(call.job)


STAGES = {"sleep": Stage(sleep, fields=(), seconds=0.0)}


def idle_plan(count: int, seconds: float) -> Plan:
    """A plan of so many jobs that sleep so long and need nothing."""
    jobs = tuple(
        Job(f"sleep/{number}", "sleep", KeyInputs("sleep", {}, parameters={"seconds": seconds, "n": number}))
        for number in range(count)
    )
    return Plan(load_protocol("smoke"), jobs, {}, cast(Any, {}), Path())
