"""Unseen has three states, of each row and person: verified, unverifiable, overlap; some are seen on purpose.

Verified takes both: a training list, or the code that draws it, for every network that the row's method may
read, without the person in it; and no training person whom a recogniser that conditions nothing finds as
like them as a thousandth of strangers are. An overlap is refused before a run (`leaks.refuse_conflicts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idto3d_baselines.specs import MethodSpec
from idto3d_eval.leaks import TrainingList, declaration_of, split_and_index, training_lists
from idto3d_eval.nearest_people import Nearest
from idto3d_eval.stages import scores_only
from idto3d_protocols.schema import MethodRow, Protocol

VERIFIED, UNVERIFIABLE, OVERLAP, SEEN, KNOWS = "verified", "unverifiable", "overlap", "seen", "knows"


@dataclass(frozen=True)
class LeakState:
    """What is known of one row and one person: a state of this module, and why."""

    state: str
    why: str


def leak_state(
    protocol: Protocol,
    identity: str,
    lists: Mapping[str, tuple[TrainingList, ...] | None],
    nearest: Nearest | None,
) -> LeakState:
    """The state of one person for a method that reads these networks.

    Args:
        protocol: says which splits are seen on purpose.
        identity: the person.
        lists: network -> who it was trained on; None where nothing tells.
        nearest: the training person that they are most like; None where that was not measured.
    """
    person = split_and_index(protocol, identity)
    if person is not None:
        own = [name for name, told in lists.items() if any(each.holds(*person) for each in told or ())]
        if own and person[0] in protocol.population.seen:
            return LeakState(SEEN, f"{', '.join(own)} trained on them, as the protocol says")
        if own:
            return LeakState(OVERLAP, f"{', '.join(own)} trained on them")
    unknown = [name for name, told in lists.items() if told is None]
    if unknown:
        return LeakState(UNVERIFIABLE, f"nothing tells whom {', '.join(unknown)} saw")
    if nearest is None:
        return LeakState(
            UNVERIFIABLE,
            "in no training list, but likeness to training people was not measured (protocols leaks)",
        )
    among = f"of {nearest.compared:,} of {nearest.of:,} training people"
    if nearest.below:
        return LeakState(
            VERIFIED,
            f"in no training list; {among} the nearest, {nearest.person}, has cosine "
            f"{nearest.similarity:.2f}, below {nearest.threshold:.2f}",
        )
    if nearest.similarity != nearest.similarity or nearest.threshold != nearest.threshold:
        return LeakState(UNVERIFIABLE, f"in no training list, but likeness {among} could not be measured")
    return LeakState(
        UNVERIFIABLE,
        f"in no training list, but {among} {nearest.person} has cosine {nearest.similarity:.2f}, "
        f"not below {nearest.threshold:.2f}; {nearest.compared / 1000:.1f} pass by chance",
    )


def row_states(
    protocol: Protocol,
    row: MethodRow,
    spec: MethodSpec,
    weights: Path,
    nearest: Mapping[str, Nearest],
) -> dict[str, LeakState]:
    """Identity -> state, of one row: by the person whose photos condition it."""
    if spec.needs_truth:
        told = LeakState(KNOWS, "it is given the person's own parameters, as a reference")
        return dict.fromkeys(protocol.population.identities, told)
    lists = lists_of(row, spec, weights)
    return {
        name: leak_state(protocol, given, lists, nearest.get(given))
        for name in protocol.population.identities
        for given in [protocol.conditioning_identity(row, name)]
    }


def lists_of(row: MethodRow, spec: MethodSpec, weights: Path) -> dict[str, tuple[TrainingList, ...] | None]:
    """The networks that a row's method may read, and whom each was trained on."""
    if row.weights is not None and not Path(row.weights).is_dir():
        return {f"what lies in {row.weights} (nothing does)": None}
    if not spec.outside:
        told = training_lists(weights if row.weights is None else Path(row.weights))
        return {name: lists for name, lists in told.items() if not scores_only(name)}
    declared = declaration_of(spec)
    if declared is None:
        return {f"{spec.name} (it declares no networks)": None}
    found: dict[str, tuple[TrainingList, ...] | None] = {}
    for network in declared.networks:
        on = network.trained_on
        lists = (
            () if on is None else (TrainingList(network.name, on.split, on.first, on.people, "its author"),)
        )
        found[network.name] = lists if network.knows_training else (lists or None)
    return found


def leak_rows(
    protocol: Protocol,
    specs: Mapping[str, MethodSpec],
    weights: Path,
    nearest: Mapping[str, Nearest],
) -> list[dict[str, str]]:
    """A line for each row and person.

    Args:
        protocol: whose rows.
        specs: the table of methods, by method name.
        weights: folder of the run's weights.
        nearest: identity -> the training person most like them; {} where not measured.
    """
    return [
        {"row": row.label, "person": name, "unseen": state.state, "why": state.why}
        for row in protocol.methods
        for name, state in row_states(protocol, row, specs[row.method], weights, nearest).items()
    ]


def leak_section(
    protocol: Protocol,
    specs: Mapping[str, MethodSpec],
    weights: Path,
    nearest: Mapping[str, Nearest],
) -> dict[str, Any]:
    """The table of states: a line for each row and state, with how many people and one reason."""
    grouped: dict[tuple[str, str], list[dict[str, str]]] = {}
    for line in leak_rows(protocol, specs, weights, nearest):
        grouped.setdefault((line["row"], line["unseen"]), []).append(line)
    return {
        "title": "Were these people unseen?",
        "note": (
            "Verified: in no training list of any network that the row's method may read, and no compared "
            "training person is as like them as one in a thousand strangers are, for the recogniser that "
            "scores. Unverifiable: one of the two is not known or not so. Seen: trained on, as the protocol "
            "says. No network that scores was trained on any of them."
        ),
        "columns": ["row", "state", "people", "who", "for instance"],
        "rows": [
            [row, state, len(lines), _who(lines), lines[0]["why"]] for (row, state), lines in grouped.items()
        ],
    }


def _who(lines: list[dict[str, str]]) -> str:
    names = [line["person"] for line in lines]
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} … {names[-1]}"
