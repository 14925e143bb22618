"""Sessions of one method: rows that differ in nothing but which session makes them and on how many threads;
and how far a head of a later one lies from that of the first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idto3d.errors import UserError
from idto3d_protocols.schema import MethodRow, Protocol

FILE = "session.json"


@dataclass(frozen=True)
class SessionGap:
    """How far a head is from the first session's.

    Attributes:
        same_bytes: whether every GLB is equal.
        distance: mm between the meshes, averaged over expressions.
        pixels: mean absolute difference of the views, grey levels.
    """

    same_bytes: bool
    distance: float
    pixels: float


def session_labels(protocol: Protocol, row: MethodRow) -> tuple[str, ...]:
    """Labels of all rows that are sessions of the same thing, in the protocol's order; the row's alone where
    there is one."""

    def kept(other: MethodRow) -> tuple[object, ...]:
        budget = other.budget.model_copy(update={"threads": None})
        return other.method, dict(other.parameters), budget, other.photos_of

    return tuple(other.label for other in protocol.methods if kept(other) == kept(row))


def compare_sessions(
    assets: tuple[Path, Path], views: tuple[Path, Path], expressions: Sequence[str], out: Path
) -> None:
    """Compare a head with the first session's and write what was found.

    Args:
        assets: the first session's HeadAsset and this one's.
        views: the folders of their renders.
        expressions: the protocol's; those that both heads have are compared.
        out: JSON, written whole.

    Raises:
        UserError: a head or picture cannot be read, or the two have no expression in common.
    """
    from idto3d.asset import read_expression, read_manifest
    from idto3d_eval.keys import file_sha256
    from idto3d_eval.metrics.stability import head_distance, pixel_difference
    from idto3d_eval.views import read_views

    made = [set(read_manifest(asset).expressions) for asset in assets]
    both = [name for name in expressions if name in made[0] & made[1]]
    if not both:
        raise UserError(
            "Found no expression that two sessions both made, expected neutral; make the heads again."
        )
    same = {name: len({file_sha256(asset / f"{name}.glb") for asset in assets}) == 1 for name in both}
    distances = []
    for name in both:
        meshes = [read_expression(asset, name) for asset in assets] if not same[name] else []
        distances.append(head_distance(*meshes) if meshes else 0.0)
    drawn = [read_views(folder) for folder in views]
    pixels = [
        pixel_difference(drawn[0].colour(name, spec.name), drawn[1].colour(name, spec.name))
        for name in both
        for spec in drawn[0].views
    ]
    found = {
        "same_bytes": all(same.values()) and made[0] == made[1],
        "distance_mm": float(np.mean(distances)),
        "pixels": float(np.mean(pixels)),
        "expressions": both,
    }
    out.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_session(path: Path) -> SessionGap:
    """Load what `compare_sessions` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return SessionGap(bool(found["same_bytes"]), float(found["distance_mm"]), float(found["pixels"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"Found no readable comparison of sessions at {path} ({error}); compare again."
        ) from error
