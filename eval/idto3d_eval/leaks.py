"""Who was trained on: the people behind each network, and what a protocol may not do with them.

A network's card names its training pictures, such as `faces-recogniser_a-0-11000x4`: kind, split, first
person, people x photos; where a shipped network has no card, the code that trains it says who. Two things
are refused before anything is made: a network that scores among those that methods read, and a person whom a
network was trained on, unless the protocol says that their split is seen and the network does not score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from idto3d.errors import UserError
from idto3d_baselines.specs import MethodSpec
from idto3d_eval.keys import CARD_SUFFIX, weights_sha256
from idto3d_eval.stages import scores_only
from idto3d_protocols.bounded_yaml import read_text, sentence
from idto3d_protocols.schema import Model, Name, Protocol

TRAINING_SEED = 0  # of the population that the recipes draw
NETWORK_SUFFIXES = (".onnx", ".safetensors", ".npz", ".bin", ".pt")
DATA_NAME = re.compile(r"^[a-z]+-(?P<split>[a-z_]+)-(?P<first>\d+)-(?P<people>\d+)x\d+$")
PERSON = re.compile(r"^(?P<split>[a-z_]+)-(?P<index>\d+)$")
DECLARED = ".networks.json"


@dataclass(frozen=True)
class TrainingList:
    """People of one split, by consecutive numbers, whose pictures a network was trained on."""

    network: str
    split: str
    first: int
    people: int
    told_by: str

    def holds(self, split: str, index: int) -> bool:
        """Whether that person is in it."""
        return split == self.split and self.first <= index < self.first + self.people


# Said by the code that trains what has no card: `idto3d.train.mean_head` paints these, and guidance and words
# are trained on `idto3d_eval.training.VIEWS`; the scoring reader's renders are `RENDERS` there.
_BY_CODE = {
    "mean_head": (TrainingList("mean_head", "guidance", 0, 48, "idto3d.train.mean_head"),),
    "guidance": (TrainingList("guidance", "guidance", 0, 4500, "idto3d_eval.training"),),
    "reader_scoring": (TrainingList("reader_scoring", "readers", 2000, 3000, "idto3d_eval.training"),),
}


class TrainedOn(Model):
    """People of this population that a declared network was trained on."""

    split: Name
    first: Annotated[int, Field(ge=0)]
    people: Annotated[int, Field(ge=0)]


class DeclaredNetwork(Model):
    """A network that a method from outside uses."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    trained_on: TrainedOn | None = None
    """None where it was trained on other people than this population's, or nobody knows on whom."""
    knows_training: bool = False
    """Whether all the people that it was trained on are told here."""


class Declaration(Model):
    """`methods/NAME.networks.json`: the networks that a method from outside reads and draws with."""

    networks: Annotated[tuple[DeclaredNetwork, ...], Field(max_length=100)]


def training_lists(weights: Path) -> dict[str, tuple[TrainingList, ...] | None]:
    """Network -> the people it was trained on; None where nothing tells.

    Args:
        weights: folder of weights; parts of a model folder count as one network.
    """
    found: dict[str, tuple[TrainingList, ...] | None] = {}
    for path in sorted(path for path in weights.rglob("*") if path.suffix in NETWORK_SUFFIXES):
        inside = path.relative_to(weights)
        name = inside.parts[0] if len(inside.parts) > 1 else path.stem
        if name not in found:
            found[name] = _lists_of(name, path, weights)
    return found


def refuse_conflicts(
    protocol: Protocol, specs: Mapping[str, MethodSpec], weights: Path, hashes: Mapping[str, str]
) -> None:
    """Refuse a protocol whose scores could not be believed.

    Args:
        protocol: what would be run.
        specs: its rows' methods, by label.
        weights: the folder of weights.
        hashes: sha256 of every file in it, as `weights_sha256` names them.

    Raises:
        UserError: a network that scores is one that methods read too, or a network was trained on one of the
            people; one sentence.
    """
    scoring = _scoring_networks(hashes)
    _refuse_shared("methods", hashes, scoring)
    for row in protocol.methods:
        if row.weights is not None and Path(row.weights).is_dir():
            _refuse_shared(f"row {row.label}", weights_sha256([Path(row.weights)]), scoring)
        if specs[row.label].outside:
            _refuse_outside(protocol, specs[row.label], scoring)
    lists = training_lists(weights)
    for identity in protocol.population.identities:
        _refuse_trained_on(protocol, identity, lists)


def split_and_index(protocol: Protocol, identity: str) -> tuple[str, int] | None:
    """Which person of the population that training draws from an id names; None where it names no such
    person: photographed, or drawn from another seed."""
    population = protocol.population
    told = PERSON.match(identity)
    if population.label != "synthetic" or population.population_seed != TRAINING_SEED or told is None:
        return None
    return told["split"], int(told["index"])


def declaration_of(spec: MethodSpec) -> Declaration | None:
    """What a method from outside declares of its networks; None where it declares nothing.

    Raises:
        UserError: a declaration that is none.
    """
    path = Path(spec.origin) / f"{spec.name}{DECLARED}"
    if not path.is_file():
        return None
    named = f"Networks of {spec.name}"
    try:
        return Declaration.model_validate_json(read_text(path, "declaration", "write it again"), strict=True)
    except ValidationError as error:
        raise UserError(sentence(error, named, Declaration)) from None
    except ValueError as error:
        raise UserError(str(error)) from None


def _scoring_networks(hashes: Mapping[str, str]) -> dict[str, str]:
    """sha256 -> name of the networks that score. Recognisers that are shown beside decide nothing; one that
    conditions methods may be among them, and is labelled as such."""
    return {sha: Path(file).name for file, sha in hashes.items() if _network(file) and scores_only(file)}


def _network(file: str) -> bool:
    return file.endswith(NETWORK_SUFFIXES) and not file.endswith(CARD_SUFFIX)


def _refuse_shared(who: str, hashes: Mapping[str, str], scoring: Mapping[str, str]) -> None:
    for file, sha in hashes.items():
        if _network(file) and not scores_only(file) and sha in scoring:
            raise UserError(
                f"Found {scoring[sha]}, which scores, among the networks that {who} may read (as "
                f"{Path(file).name}), expected no network to do both; give the methods one of their own."
            )


def _refuse_outside(protocol: Protocol, spec: MethodSpec, scoring: Mapping[str, str]) -> None:
    from idto3d_baselines.external_files import content_hashes

    declared = declaration_of(spec)
    files: dict[str, str] = {}
    for identity in protocol.population.identities[:1]:
        files = content_hashes(spec, identity, protocol.seeds[0], protocol.expressions)
    for network in declared.networks if declared is not None else ():
        files[network.name] = network.sha256 or ""
        stem = Path(network.name).stem
        if any(stem == Path(name).stem for name in scoring.values()):
            files[network.name] = next(s for s, name in scoring.items() if Path(name).stem == stem)
        for identity in protocol.population.identities:
            person, told = split_and_index(protocol, identity), network.trained_on
            if person is None or told is None or person[0] in protocol.population.seen:
                continue
            if TrainingList(network.name, told.split, told.first, told.people, "").holds(*person):
                raise _overlap(identity, f"{network.name} of {spec.name}")
    for name, sha in files.items():
        if sha in scoring:
            raise UserError(
                f"Found that {spec.name} uses {scoring[sha]}, which scores (as {Path(name).name}), expected "
                "no network to do both; take the row out, or let the method use another."
            )


def _refuse_trained_on(
    protocol: Protocol, identity: str, lists: Mapping[str, tuple[TrainingList, ...] | None]
) -> None:
    person = split_and_index(protocol, identity)
    if person is None:
        return
    for network, told in lists.items():
        seen = person[0] in protocol.population.seen and not scores_only(network)
        if not seen and any(each.holds(*person) for each in told or ()):
            raise _overlap(identity, network)


def _overlap(identity: str, network: str) -> UserError:
    return UserError(
        f"Found {identity} among the people that {network} was trained on, expected people whom no network "
        "saw; take other people, or name their split in population.seen where seen people are the question "
        "and the network does not score."
    )


def _lists_of(name: str, path: Path, weights: Path) -> tuple[TrainingList, ...] | None:
    told = [*_in_card(name, path.with_name(f"{name}{CARD_SUFFIX}"))]
    if (weights / "profile.json").is_file() and not told:
        return None  # public networks: nobody has their lists
    return (*told, *_BY_CODE.get(name, ())) or None


def _in_card(name: str, card: Path) -> Iterator[TrainingList]:
    try:
        training: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))["training"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    data = DATA_NAME.match(str(training.get("data", "")))
    if data is not None:
        yield TrainingList(name, data["split"], int(data["first"]), int(data["people"]), card.name)
    elif {"split", "first", "people"} <= set(training):
        yield TrainingList(
            name, str(training["split"]), int(training["first"]), int(training["people"]), card.name
        )
