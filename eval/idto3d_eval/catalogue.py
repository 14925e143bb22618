"""What there is to choose from: protocols, methods, metrics, people, networks, data; as rows and in full."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from idto3d.errors import UserError

Row = Mapping[str, str]
LISTED_PEOPLE = 12
SHIPPED_LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Noun:
    """A kind of thing: how all of it is listed, and one of it shown."""

    summary: str
    ls: Callable[[], list[Row]]
    show: Callable[[str], Mapping[str, Any] | str]
    notes: Callable[[], list[str]] = lambda: []
    """Sentences below the list."""


def list_protocols() -> list[Row]:
    """Shipped protocols with how much each measures."""
    from idto3d_protocols.loader import load_protocol, protocol_names

    return [
        {
            "name": protocol.name,
            "version": str(protocol.version),
            "profile": protocol.profile,
            "population": protocol.population.label,
            "people": str(len(protocol.population.identities)),
            "rows": str(len(protocol.methods)),
            "expressions": str(len(protocol.expressions)),
            "views": str(len(protocol.views)),
        }
        for protocol in map(load_protocol, protocol_names())
    ]


def show_protocol(name: str) -> str:
    """A shipped protocol's YAML, or a checked file's."""
    from idto3d_protocols.loader import load_protocol, protocol_names, protocol_text

    if name in protocol_names():
        return protocol_text(name)
    load_protocol(name)
    return Path(name).read_text(encoding="utf-8")


def list_methods() -> list[Row]:
    """The table of methods, one row each: native ones, then those that were discovered."""
    from idto3d_baselines.discovery import known_methods

    return [
        {
            "name": spec.name,
            "kind": spec.kind,
            "conditioned on": ", ".join(spec.conditioned_on),
            "knows population": "yes" if spec.knows_population else "no",
            "reproduction": spec.reproduction,
            "summary": spec.summary,
        }
        for spec in known_methods().specs.values()
    ]


def broken_methods() -> list[str]:
    """A sentence for each spec of a method that is not in the table."""
    from idto3d_baselines.discovery import known_methods

    return [f"Not listed: {each.found_at}: {each.reason}" for each in known_methods().broken]


def show_method(name: str) -> Mapping[str, Any]:
    """All that is known of a method, without importing it."""
    from idto3d_baselines.discovery import known_methods
    from idto3d_baselines.specs import METHODS, method_spec

    fields = asdict(method_spec(name) if name in METHODS else known_methods().spec(name))
    settings = fields.pop("settings")
    kept = fields if settings else {key: value for key, value in fields.items() if key != "origin"}
    return {**kept, **{key: value for key, value in settings.items() if key not in fields}}


def list_metrics() -> list[Row]:
    """The metrics with their units and directions."""
    from idto3d_eval.metrics import METRICS

    return [
        {
            "name": card.name,
            "family": card.family,
            "unit": card.unit,
            "range": f"{card.low:g} to {card.high:g}",
            "better": card.better,
            "title": card.title,
        }
        for card in METRICS.values()
    ]


def show_metric(name: str) -> Mapping[str, Any]:
    """A metric's card: definition, source, unit, range, and how it misleads."""
    from idto3d_eval.metrics import METRICS, metrics_for

    known = metrics_for([name])
    if name not in known:
        raise UserError(f"Found no metric called {name!r}, expected one of {', '.join(METRICS)}.")
    return asdict(known[name])


def list_identities() -> list[Row]:
    """The first held-out people with what a photo shows of them."""
    from idto3d.population.people import draw_person

    people = (draw_person("heldout", index) for index in range(LISTED_PEOPLE))
    return [
        {"id": person.id, "split": person.split, "looks": person.attributes.prompt()} for person in people
    ]


def show_identity(name: str) -> Mapping[str, Any]:
    """A synthetic person by id, such as `heldout-0003`."""
    from idto3d.population.people import find_person

    person = find_person(name)
    return {
        "id": person.id,
        "split": person.split,
        "population": "synthetic",
        "population_seed": person.population_seed,
        "consent": "not needed: nobody is shown; shapes are drawn from Anny's axes (CC0)",
        "attributes": asdict(person.attributes),
        "looks": person.attributes.prompt(),
    }


def model_cards() -> dict[str, dict[str, Any]]:
    """The cards of the shipped networks, by name."""
    weights = Path(str(resources.files("idto3d"))) / "weights"
    cards = sorted(weights.rglob("*.card.json"))
    return {path.name.removesuffix(".card.json"): json.loads(path.read_text("utf-8")) for path in cards}


def card_file(folder: Path, name: str) -> Path:
    """The file in a folder of weights that a card is of: plain arrays, or else a network, there or not."""
    arrays = folder / f"{name}.npz"
    return arrays if arrays.is_file() else folder / f"{name}.onnx"


def list_models() -> list[Row]:
    """The shipped networks with how they were measured, and the public ones with where they are from."""
    from idto3d_eval.networks import NETWORKS

    shipped: list[Row] = [
        {
            "name": name,
            "task": str(card.get("task", "")),
            "trained on": _trained_on(card),
            "licence": SHIPPED_LICENCE,
            "from": f"shipped, {card.get('bytes', 0) / 2**20:.1f} MiB",
            "measured": _measured(card.get("measured", {})),
            "sha256": str(card.get("sha256", ""))[:12],
        }
        for name, card in model_cards().items()
    ]
    public: list[Row] = [
        {
            "name": network.name,
            "task": network.role,
            "trained on": network.trained_on,
            "licence": network.licence,
            "from": network.hub or "insightface's release",
            "measured": "",
            "sha256": ", ".join(sha[:12] for sha in network.sha256.values()) or "not pinned",
        }
        for network in NETWORKS.values()
    ]
    return shipped + public


def list_roles() -> list[Row]:
    """For each profile the recogniser that conditions and the one that scores: another training run each."""
    from idto3d_eval.networks import NETWORKS, ROLES

    cards = model_cards()
    losses = {"arcface": "ArcFace", "cosface": "CosFace"}
    rows: list[Row] = []
    for profile, named in ROLES.items():
        for role, name in named.items():
            card = cards.get(name)
            loss = NETWORKS[name].loss if card is None else losses[card["training"]["loss"]]
            rows.append(
                {
                    "profile": profile,
                    "role": role,
                    "network": name,
                    "trained on": NETWORKS[name].trained_on if card is None else _trained_on(card),
                    "loss": loss,
                    "licence": NETWORKS[name].licence if card is None else SHIPPED_LICENCE,
                }
            )
    return rows


def _trained_on(card: Mapping[str, Any]) -> str:
    """A shipped network's training data, in a few words."""
    training = card.get("training", {})
    count = f"{training['people']:,} people of " if "people" in training else ""
    return f"{count}{training.get('data', 'not told')}"


def _measured(measured: Mapping[str, Any]) -> str:
    """The figures of the last set that a network was measured on: held-out people, where there are any."""
    for name, figures in reversed(list(measured.items())):
        if isinstance(figures, Mapping):
            numbers = [f"{key} {value:.3g}" for key, value in figures.items() if isinstance(value, float)]
            return f"{name}: {', '.join(numbers)}"
    return ""


def show_model(name: str) -> Mapping[str, Any]:
    """A shipped network's card, or what is known of a public one."""
    from idto3d_eval.networks import NETWORKS

    cards = model_cards()
    if name in NETWORKS:
        return asdict(NETWORKS[name])
    if name not in cards:
        raise UserError(
            f"Found no network called {name!r}, expected one of {', '.join([*cards, *NETWORKS])}."
        )
    return cards[name]


def list_data() -> list[Row]:
    """The training pictures that lie in the cache."""
    return [
        {
            "name": folder.name,
            **{name: str(facts[name]) for name in ("kind", "split", "people", "photos")},
            "MiB": f"{sum(path.stat().st_size for path in folder.iterdir()) / 2**20:.0f}",
        }
        for folder, facts in _drawn().items()
    ]


def show_data(name: str) -> Mapping[str, Any]:
    """A set of training pictures: what it was drawn from, and its arrays."""
    import numpy as np

    drawn = {folder.name: folder for folder in _drawn()}
    if name not in drawn:
        known = ", ".join(drawn) or "none yet; training draws them"
        raise UserError(f"Found no training pictures called {name!r}, expected one of: {known}.")
    paths = sorted(drawn[name].glob("*.npy"))
    arrays = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in paths}
    return {
        "folder": str(drawn[name]),
        **_drawn()[drawn[name]],
        "arrays": {key: f"{array.dtype} {list(array.shape)}" for key, array in arrays.items()},
    }


def _drawn() -> dict[Path, dict[str, Any]]:
    """The finished sets in the cache, with what each was drawn from."""
    from idto3d.cache import cache_folder

    marks = sorted((cache_folder() / "data").glob("*/dataset.json"))
    return {mark.parent: json.loads(mark.read_text("utf-8")) for mark in marks}


NOUNS: dict[str, Noun] = {
    "protocols": Noun("What is measured, on whom, with which budget.", list_protocols, show_protocol),
    "methods": Noun("What makes heads.", list_methods, show_method, broken_methods),
    "metrics": Noun("What is computed, and how it misleads.", list_metrics, show_metric),
    "identities": Noun("Whose heads are made.", list_identities, show_identity),
    "models": Noun("The networks: shipped ones, and public ones to pull.", list_models, show_model),
    "data": Noun("Training pictures that have been drawn.", list_data, show_data),
}
