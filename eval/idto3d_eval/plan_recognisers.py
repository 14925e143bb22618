"""The jobs in which other recognisers read: beside each of the scoring one's readings, theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from idto3d_eval.other_readings import RECOGNISER

if TYPE_CHECKING:
    from idto3d_eval.plan import Job
    from idto3d_eval.recognisers import Found

BY = "_by"  # behind a stage's or an artefact's name where another recogniser reads


def other_jobs(lay: Callable[..., Job], recogniser: Found, jobs: Sequence[Job]) -> list[Job]:
    """What one more recogniser reads.

    Args:
        lay: makes a job of a stage, as the plan does.
        recogniser: whose weights and card enter the keys of these jobs alone.
        jobs: the scoring recogniser's, and all others, which are passed over.

    Returns:
        For each reading of views, photos, gallery and references one job, its name `KIND_by/RECOGNISER/…`.
    """
    hashes = recogniser.hashes()
    found: list[Job] = []
    for job in jobs:
        kind, _, place = job.name.partition("/")
        if job.stage == "read":
            needs: tuple[str, ...] = (*job.needs, job.name)
        elif job.stage == "reference":
            needs = (f"photos{BY}/{recogniser.name}/{place}",)
        elif job.stage in {"photos", "gallery"}:
            needs = job.needs
        else:
            continue
        name = "/".join([f"{kind}{BY}", recogniser.name, *([place] if place else [])])
        laid = lay(
            job.stage + BY,
            name,
            needs,
            job.key_inputs.identity,
            job.label,
            job.key_inputs.seed,
            parameters={RECOGNISER: recogniser.name},
        )
        read_with = {**laid.key_inputs.weights, **hashes}
        found.append(replace(laid, key_inputs=replace(laid.key_inputs, weights=read_with)))
    return found
