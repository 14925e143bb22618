"""How long a protocol takes on two cores, from what heads took when methods were measured.

Seconds a head are the medians of version 5 of `unseen_ids` (five expressions, one thread of two CPU cores,
2026-11-27); what distils or samples grows with its steps or calls.
"""

from __future__ import annotations

from idto3d_protocols.schema import MethodRow, Protocol

CORES = 2
# id_to_3d took 10 s without steps and 53 s with 210; with 13 expressions 14 s and, with 700 steps, 148 s.
SDS_START, SDS_STEP = 10.0, 0.2
MEASURED_CALLS = 640
BY_CALLS = {
    "text_sds": 42.0,
    "fantasia3d": 42.0,
    "fantasia3d_token": 58.0,
    "dreamfusion": 51.0,
    "humannorm": 42.0,
    "tada": 34.0,
    "tada_token": 33.0,
    "magic123": 67.0,
    "dreamcraft3d": 62.0,
    "sample_and_fit": 70.0,
}
FIXED = {
    "morphable_fit": 6.0,
    "photo_projection": 2.0,
    "image_fit": 9.0,
    "feed_forward": 1.0,
    "template_mean": 1.0,
    "impostor": 1.0,
    "oracle": 1.0,
}
UNKNOWN = 60.0  # a method that was never measured here
# Drawing and reading a picture of a head, of an identity's photos, of the gallery; as stages assume.
PICTURE, PERSON, GALLERY = 0.17, 6.0, 60.0
REFERENCE_PICTURE = 0.04  # of the true heads that a reference draws


def heads_to_make(protocol: Protocol) -> int:
    """How many heads the rows have, each with all expressions."""
    return len(protocol.methods) * len(protocol.population.identities) * len(protocol.seeds)


def estimated_seconds(protocol: Protocol) -> float:
    """Seconds of a whole run on two cores, the first time."""
    people, seeds = len(protocol.population.identities), len(protocol.seeds)
    pictures = len(protocol.expressions) * len(protocol.views)
    made = sum(_head(protocol, row) for row in protocol.methods) * people * seeds
    drawn = PICTURE * pictures * heads_to_make(protocol)
    shared = PERSON * people
    if protocol.population.label == "synthetic":
        shared += REFERENCE_PICTURE * pictures * (protocol.statistics.impostors + 1) * people + GALLERY
    return (made + drawn + shared) / CORES


def _head(protocol: Protocol, row: MethodRow) -> float:
    budget = protocol.budget_of(row)
    if row.method in ("id_to_3d", "noise_sds"):
        return SDS_START + SDS_STEP * (budget.geometry_steps + budget.texture_steps)
    if row.method in BY_CALLS:
        calls = MEASURED_CALLS if budget.guidance_calls is None else budget.guidance_calls
        return BY_CALLS[row.method] * calls / MEASURED_CALLS
    return FIXED.get(row.method, UNKNOWN)
