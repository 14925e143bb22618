"""What stands in a run's `summary.json`, as far as every reader of it relies on it."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from idto3d.errors import UserError

MAX_BYTES = 256 * 2**20  # of 50 methods and 200 people it takes some megabytes
PROVENANCE = {
    **dict.fromkeys(("weights_sha256", "code", "methods_code", "libraries"), dict),
    **dict.fromkeys(("version", "python", "platform", "scores_sha256"), str),
}


def load_summary(path: Path) -> dict[str, Any]:
    """The summary of a finished run.

    Raises:
        UserError: it cannot be read, or is not what a run writes.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes")
        summary = json.loads(path.read_text(encoding="utf-8"))
        _check(summary)
    except (OSError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())[:160].rstrip(".")
        raise UserError(
            f"Found no summary that can be read at {path} ({told}); run its protocol again."
        ) from None
    found: dict[str, Any] = summary
    return found


def _check(summary: Any) -> None:
    """The parts that are read without asking whether they are there.

    Raises:
        ValueError: one of them is not.
    """
    if not isinstance(summary, dict):
        raise ValueError("no object")
    rows, provenance = summary.get("rows"), summary.get("provenance")
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get("label"), str) for row in rows
    ):
        raise ValueError("rows without labels")
    if not isinstance(provenance, dict):
        raise ValueError("no provenance")
    for name, kind in PROVENANCE.items():
        found = provenance.get(name)
        if not isinstance(found, kind) or (kind is dict and not _are_texts(found.values())):
            raise ValueError(f"no {name} in its provenance")
    protocol = summary.get("protocol")
    if not isinstance(protocol, dict):
        raise ValueError("no protocol")
    people = protocol.get("population")
    if not isinstance(people, dict) or not _are_texts(people.get("identities")):
        raise ValueError("no people in its protocol")
    if not _are_texts(protocol.get("expressions")):
        raise ValueError("no expressions in its protocol")


def _are_texts(values: Any) -> bool:
    return isinstance(values, Collection) and all(isinstance(value, str) for value in values)
