"""Whether a protocol can be run and believed: what can be told of it before anything is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from idto3d.errors import UserError
from idto3d_protocols.loader import load_protocol
from idto3d_protocols.schema import Protocol

FAMILIES = ("identity", "expression", "geometry", "mesh", "appearance", "light", "cost", "stability")


@dataclass(frozen=True)
class Checked:
    """One file: the protocol in it, or what is wrong, a sentence each."""

    source: str
    protocol: Protocol | None
    wrong: tuple[str, ...]


def check_protocol(source: str, weights: Path) -> Checked:
    """Read a protocol and look for all that would stop a run of it, or make it worthless.

    Args:
        source: a shipped protocol's name, or a YAML file.
        weights: folder of the weights that it would run with.
    """
    try:
        protocol = load_protocol(source)
    except UserError as error:
        return Checked(source, None, (str(error),))
    return Checked(source, protocol, tuple(_wrong(protocol, weights)))


def _wrong(protocol: Protocol, weights: Path) -> Iterator[str]:
    yield from _unknown_metrics(protocol)
    yield from _unknown_expressions(protocol)
    yield from _unknown_people(protocol)
    yield from _unplannable(protocol, weights)


def _unknown_metrics(protocol: Protocol) -> Iterator[str]:
    for name in protocol.metrics:
        if name not in FAMILIES:
            yield (
                f"Protocol {protocol.name} asks for the metrics {name!r}, expected families among "
                f"{', '.join(FAMILIES)}; correct metrics."
            )


def _unknown_expressions(protocol: Protocol) -> Iterator[str]:
    from idto3d.expressions import EXPRESSIONS

    for name in protocol.expressions:
        if name not in EXPRESSIONS:
            yield (
                f"Protocol {protocol.name} asks for the expression {name!r}, expected one of "
                f"{', '.join(EXPRESSIONS)}; correct expressions."
            )


def _unknown_people(protocol: Protocol) -> Iterator[str]:
    from idto3d.population.people import SPLITS

    population = protocol.population
    if population.label != "synthetic":
        return
    splits = {}
    for name in population.identities:
        split, _, index = name.rpartition("-")
        if split not in SPLITS or not index.isdigit():
            yield (
                f"Protocol {protocol.name} names {name!r}, expected SPLIT-NNNN with a split of "
                f"{', '.join(SPLITS)}; correct population.identities."
            )
            continue
        splits[split] = name
    expected = "mixed" if len(splits) > 1 else next(iter(splits), population.split)
    if population.split != expected:
        yield (
            f"Protocol {protocol.name} says the split {population.split!r} of people such as "
            f"{next(iter(splits.values()))}, expected {expected!r}; correct population.split."
        )
    for split in population.seen:
        if split not in splits:
            yield (
                f"Protocol {protocol.name} says that {split!r} was seen and names nobody of it, expected a "
                "split of its people; correct population.seen."
            )


def _unplannable(protocol: Protocol, weights: Path) -> Iterator[str]:
    """What planning refuses: row by row where rows are wrong, else as a whole."""
    from idto3d_baselines.discovery import known_methods
    from idto3d_eval.named_weights import check_named_weights
    from idto3d_eval.plan import plan_run
    from idto3d_eval.plan_fields import spec_of

    known, refused = known_methods(), []
    for row in protocol.methods:
        try:
            spec_of(row, protocol, known.named([row.method]))
        except UserError as error:
            refused.append(str(error))
    yield from dict.fromkeys(refused)
    if refused:
        return
    try:
        check_named_weights(protocol, weights)
        plan_run(protocol, weights, known.specs)
    except UserError as error:
        yield str(error)
