"""What a protocol's jobs are called, for whoever has a run's folder and no plan: archives and takedowns.

A test holds that these are the plan's jobs, so that nothing a run makes is forgotten here.
"""

from __future__ import annotations

from idto3d_eval.family_stages import head_stages, identity_stages
from idto3d_eval.plan_recognisers import BY
from idto3d_eval.shape_stage import SHAPES, splits
from idto3d_protocols.schema import MethodRow, Protocol


def shared_jobs(protocol: Protocol) -> list[str]:
    """What all rows are measured against, by the scoring recogniser and by each other one."""
    gallery = ["gallery", *(f"gallery{BY}/{recogniser}" for recogniser in protocol.recognisers)]
    people = (job for name in protocol.population.identities for job in person_jobs(protocol, name))
    return [*gallery, *people]


def person_jobs(protocol: Protocol, identity: str) -> list[str]:
    """What is made of one person beside heads."""
    kinds = ["identities", "photos", "references", *identity_stages(protocol)]
    for recogniser in protocol.recognisers:
        kinds += [f"photos{BY}/{recogniser}", f"references{BY}/{recogniser}"]
    return [f"{kind}/{identity}" for kind in kinds]


def row_jobs(protocol: Protocol, label: str, row: MethodRow) -> list[str]:
    """All jobs behind a row of the table; a row scored twice shares its heads."""
    people = protocol.population.identities
    heads = (job for name in people for job in head_jobs(protocol, row, name))
    shapes = (job for name in people for job in shape_jobs(protocol, label, name))
    return [*heads, *shapes, f"scores/{label}"]


def head_jobs(protocol: Protocol, row: MethodRow, identity: str) -> list[str]:
    """What is made of and from a row's heads of one person."""
    by_others = (f"features{BY}/{recogniser}" for recogniser in protocol.recognisers)
    kinds = ["heads", "views", "features", *by_others, *head_stages(protocol, row)]
    return [f"{kind}/{row.label}/{identity}/seed-{seed}" for seed in protocol.seeds for kind in kinds]


def shape_jobs(protocol: Protocol, label: str, identity: str) -> list[str]:
    """What is measured of the heads of one person before a row is scored; nothing where people are few."""
    return [f"{SHAPES}/{label}/{identity}"] if splits(protocol) else []
