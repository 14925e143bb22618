"""Other recognisers by name: where each lies, what it is, and whether a method may know it.

A recogniser that a protocol lists is looked for in the folder of weights and then in the folders of
`IDTO3D_RECOGNISERS`, in each as `NAME.onnx` with its card `NAME.card.json`, as a card alone whose "file" is
the path of the weights, or as a pack `NAME/`. Outside the folder of weights a card is asked for, with the
sha256 of what it describes: a network's preprocessing is never guessed, and its bytes are pinned.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d.errors import UserError
from idto3d_eval.keys import CARD_SUFFIX, file_sha256, weights_sha256
from idto3d_eval.networks import ROLES

if TYPE_CHECKING:
    from idto3d.identity.recogniser import OnnxRecogniser

PLACES = "IDTO3D_RECOGNISERS"  # folders, separated as in PATH
SCORES = "recogniser_b.onnx"
CONDITIONS = "conditions methods"


@dataclass(frozen=True)
class Found:
    """One recogniser: its weights, and the card beside or before them; None where a pack has none."""

    name: str
    weights: Path
    card: Path | None

    def hashes(self) -> dict[str, str]:
        """sha256 of all that can change an embedding, by file name."""
        hashed = weights_sha256([path for path in (self.weights, self.card) if path is not None])
        return {f"recognisers/{self.name}/{file}": sha for file, sha in hashed.items()}


def find_recogniser(name: str, weights: Path) -> Found:
    """Where a recogniser lies.

    Args:
        name: as a protocol lists it; file names are compared without regard to case.
        weights: the run's folder of weights.

    Raises:
        UserError: there is none, it has no card where it needs one, or it is the one that scores.
    """
    outside = [Path(place) for place in os.environ.get(PLACES, "").split(os.pathsep) if place]
    for folder in (weights, *outside):
        found = _in_folder(name, folder, needs_card=folder != weights)
        if found is not None:
            scoring = weights / SCORES
            if scoring.is_file() and file_sha256(scoring) == file_sha256(found.weights):
                raise UserError(
                    f"Found the recogniser {name!r} to be the one that scores, expected others beside it; "
                    "take it out of the protocol's recognisers."
                )
            return found
    searched = ", ".join(str(folder) for folder in (weights, *outside))
    raise UserError(
        f"Found no recogniser called {name!r} in {searched}, expected {name}.onnx with its card "
        f"{name}{CARD_SUFFIX}; put it there, or name its folder in {PLACES}."
    )


def load(found: Found) -> OnnxRecogniser:
    """The recogniser itself.

    Raises:
        UserError: its card is of other weights, or it is no recogniser.
    """
    from idto3d.identity.recogniser import load_recogniser

    return load_recogniser(found.weights, found.card)


def conditions_methods(found: Found, weights: Path) -> bool:
    """Whether methods may have seen a recogniser: by its role, or by its bytes being those of one that they
    are conditioned on."""
    from idto3d.profile import load_profile

    if found.name in {roles["conditions"] for roles in ROLES.values()}:
        return True
    own = weights / load_profile(weights).recogniser
    return own.is_file() and file_sha256(own) == file_sha256(found.weights)


def described(names: Iterable[str], weights: Path) -> list[dict[str, Any]]:
    """What a report says of each: name, sha256, training, preprocessing, whether it conditions methods."""
    from idto3d.identity.card import read_card

    rows = []
    for found in (find_recogniser(name, weights) for name in names):
        card = read_card(found.weights, found.card)
        rows.append(
            {
                "name": found.name,
                "sha256": card.sha256,
                "preprocessing": card.preprocessing.model_dump(mode="json"),
                "training": card.training,
                "label": CONDITIONS if conditions_methods(found, weights) else "",
            }
        )
    return rows


def _in_folder(name: str, folder: Path, needs_card: bool) -> Found | None:
    if not folder.is_dir():
        return None
    entries = {path.name.lower(): path for path in sorted(folder.iterdir())}
    card, network, pack = (entries.get(f"{name}{end}".lower()) for end in (CARD_SUFFIX, ".onnx", ""))
    if card is not None:
        fields = _card_fields(card)
        network = folder / str(fields["file"]) if "file" in fields else network
        if needs_card and not fields.get("sha256"):
            raise UserError(
                f"Found no sha256 in the card '{card}', expected that of its weights, which lie outside the "
                "folder of weights; write it in."
            )
    elif pack is not None and pack.is_dir():
        network = _recogniser_of_pack(pack)
    if network is None:
        return None
    if needs_card and card is None:
        raise UserError(
            f"Found no card beside '{network}', expected {name}{CARD_SUFFIX} with its sha256 and "
            "preprocessing; write it, since a preprocessing cannot be guessed."
        )
    return Found(name, network, card)


def _card_fields(card: Path) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
        return dict(fields)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"Found no JSON object in the model card '{card}' ({error}), expected one; write it again."
        ) from error


def _recogniser_of_pack(folder: Path) -> Path | None:
    """The file of one of the table's recognisers, or the only ONNX file."""
    from idto3d_eval.networks import NETWORKS

    known = NETWORKS[folder.name].files[-1] if folder.name in NETWORKS else ""
    networks = sorted(folder.glob("*.onnx"))
    return next(
        (path for path in networks if path.name == known), networks[0] if len(networks) == 1 else None
    )
