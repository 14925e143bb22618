"""The jobs that score: one a method row, and before it, for many people, one a person for what takes long."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from idto3d_eval.family_stages import STAGES_OF_HEAD
from idto3d_eval.run_folder import AS_PHOTOS
from idto3d_eval.sessions import session_labels
from idto3d_eval.shape_stage import JOINED, SHAPES, splits
from idto3d_protocols.schema import MethodRow, Protocol

if TYPE_CHECKING:
    from idto3d_eval.plan import Job

SCORED = ("score", JOINED)  # stages whose jobs hold the rows of the result table


def scored_rows(protocol: Protocol) -> dict[str, MethodRow]:
    """The rows of the result table: the protocol's, and beside each that was given another person's photos
    the same heads scored as the person in those photos."""
    rows: dict[str, MethodRow] = {}
    for row in protocol.methods:
        rows[row.label] = row
        if row.photos_of != "own":
            rows[row.label + AS_PHOTOS] = row
    return rows


def score_jobs(
    lay: Callable[..., Job],
    protocol: Protocol,
    row: MethodRow,
    label: str,
    jobs: Mapping[str, Sequence[Job]],
    common: Sequence[Job],
) -> list[Job]:
    """Scores a row's heads, each as its own identity or as the one in the photos that it was given.

    Args:
        lay: makes a job of a stage, as the plan does.
        protocol: of the plan.
        row, label: of the result table; the label is another than the row's where its heads are scored as the
            people in the photos.
        jobs: of each row, by its label.
        common: jobs that all rows are measured against.
    """
    as_photos = label != row.label
    scored_as = {
        name: protocol.conditioning_identity(row, name) if as_photos else name
        for name in protocol.population.identities
    }
    scored = {"generate", "read", "read_by", *STAGES_OF_HEAD}
    heads = [job.name for job in jobs[row.label] if job.stage in scored]
    sessions = session_labels(protocol, row) if "stability" in protocol.metrics else ()
    others = set(sessions) - {row.label}
    heads += [
        job.name for other, own in jobs.items() if other in others for job in own if job.stage == "read"
    ]
    told = {"label": label, "heads": row.label}
    shapes = _shape_jobs(lay, told, scored_as, jobs[row.label], common) if splits(protocol) else []
    score = lay(
        JOINED if shapes else "score",
        f"scores/{label}",
        needs=(*heads, *(job.name for job in common), *(job.name for job in shapes)),
        label=label,
        parameters={
            **told,
            "scored_as": scored_as,
            "sessions": sessions,
            "recognisers": list(protocol.recognisers),
        },
    )
    return [*shapes, score]


def _shape_jobs(
    lay: Callable[..., Job],
    told: Mapping[str, str],
    scored_as: Mapping[str, str],
    jobs: Sequence[Job],
    common: Sequence[Job],
) -> list[Job]:
    """One a person that a head was made for."""
    made: dict[str, list[str]] = {}
    for job in jobs:
        if job.stage in {"generate", "read"}:
            made.setdefault(job.key_inputs.identity, []).append(job.name)
    measures = {
        (job.stage, job.key_inputs.identity): job.name
        for job in common
        if job.stage in {"photos", "reference"}
    }
    return [
        lay(
            SHAPES,
            f"{SHAPES}/{told['label']}/{made_for}",
            needs=(
                *made[made_for],
                *(
                    measures[stage, identity]
                    for stage in ("photos", "reference")
                    if (stage, identity) in measures
                ),
            ),
            identity=made_for,
            label=told["label"],
            parameters={**told, "scored_as": {made_for: identity}, "sessions": (), "recognisers": []},
        )
        for made_for, identity in scored_as.items()
    ]
