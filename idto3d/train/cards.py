"""Model cards: the JSON beside each weight file that says what it was trained on and how well it reads."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from idto3d.whole_file import write_whole

CARD_SCHEMA = 1


def card_path(weights: Path) -> Path:
    """`name.onnx` -> `name.card.json`."""
    return weights.with_name(weights.stem + ".card.json")


def write_card(
    weights: Path,
    *,
    task: str,
    preprocessing: Mapping[str, Any],
    training: Mapping[str, Any],
    measured: Mapping[str, Any],
    log: Sequence[Mapping[str, float]] = (),
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write the card of a weight file, with its sha256, atomically.

    Args:
        weights: the ONNX file, already written.
        task: "recognition" or "reading".
        preprocessing: mean, std (of 0..255 values, per channel), colour order, mirrored_sum.
        training: data, people, photos, loss, parameters, seed, steps, …
        measured: accuracy, by the set it was measured on.
        log: what was measured during training.
        extra: further entries, such as the names of outputs.

    Returns:
        Path of the card.
    """
    card: dict[str, Any] = {
        "schema": CARD_SCHEMA,
        "name": weights.stem,
        "task": task,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "bytes": weights.stat().st_size,
        "population": "synthetic",
        "preprocessing": dict(preprocessing),
        "training": dict(training),
        "measured": dict(measured),
        **dict(extra or {}),
        "log": [dict(row) for row in log],
    }
    return _write(card_path(weights), card)


def add_measurements(weights: Path, measured: Mapping[str, Any]) -> Path:
    """Add accuracy measured later, on held-out people, to a card that is there."""
    card = json.loads(card_path(weights).read_text())
    card["measured"] |= dict(measured)
    return _write(card_path(weights), card)


def _write(path: Path, card: Mapping[str, Any]) -> Path:
    write_whole(path, json.dumps(card, indent=1) + "\n")
    return path
