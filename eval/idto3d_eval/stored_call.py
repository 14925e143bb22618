"""A job of a plan done here and now from artefacts that are there: to check a run, and to time its parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from idto3d_eval.plan import Job, Plan
from idto3d_eval.stage import Stage, StageCall, protocol_part


def run_here(
    plan: Plan, job: Job, stage: Stage, inputs: Mapping[str, Path], failures: Mapping[str, str], out: Path
) -> None:
    """Runs a job in this process, outside any schedule; nothing is indexed.

    Args:
        plan: that the job is of.
        job: whose method is none from outside.
        stage: what it runs.
        inputs: upstream job -> its finished folder.
        failures: upstream job -> why it has none.
        out: an empty folder.
    """
    stage.run(
        StageCall(
            job=job.name,
            label=job.label,
            identity=job.key_inputs.identity,
            seed=job.key_inputs.seed,
            protocol=protocol_part(plan.protocol, stage.fields),
            method=job.key_inputs.method,
            parameters=job.key_inputs.parameters,
            inputs=inputs,
            failures=failures,
            weights=plan.weights,
            out=out,
            progress=lambda *_: None,
        )
    )
