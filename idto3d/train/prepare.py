"""Pictures of real people as guidance's training arrays: posed, cropped, masked, embedded, split by person.

What cannot be had is not made up: a picture whose face cannot be read, nor its camera be known otherwise, is
left out with its reason; normal maps that are neither supplied nor estimated are missing.

Each moment's arrays are a file of their own, so that a broken picture never ends the work and the same
command goes on where it was.
"""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS
from idto3d.train.frames import Frame, Layout
from idto3d.train.moment_rows import GROWN, Arrays, PrepareOptions, Tools, moment_rows
from idto3d.whole_file import write_whole

SCHEMA = 2  # of the parts; another one recomputes them
PHOTOS = 16  # embeddings kept of each person, the best ones
CARD = "data.json"

Told = Callable[[str, int, int], None]
"""Called with (what, done, of)."""


def prepare(
    layout: Layout,
    out: Path,
    tools: Tools,
    options: PrepareOptions | None = None,
    *,
    told: Told = lambda *_: None,
) -> dict[str, Any]:
    """Write the arrays that `GuidanceData.open` reads, `frames.csv`, `refused.csv` and `data.json`.

    Args:
        layout: what there is.
        out: the folder; what lies in its `parts` from the same pictures and tools is not made again.
        tools: what reads them.
        options: see `PrepareOptions`.
        told: called as moments are done.

    Returns:
        The card, as it lies in `data.json`.

    Raises:
        UserError: nothing that could be used, or only one person.
    """
    options = options or PrepareOptions()
    parts = out / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    settings = _settings(tools, options)
    paths = [parts / f"{_key(moment, settings)}.npz" for moment in layout.moments]
    for done, (moment, path) in enumerate(zip(layout.moments, paths, strict=True)):
        if not _readable(path):
            _save_part(path, moment_rows(moment, tools, options))
        told("preparing pictures", done + 1, len(paths))
    return _assemble(layout, out, paths, tools, options)


def _assemble(
    layout: Layout, out: Path, paths: Sequence[Path], tools: Tools, options: PrepareOptions
) -> dict[str, Any]:
    """The parts as one array a name, people numbered by name, and the card."""
    refused, counted = list(layout.refused), []
    subjects: list[str] = []
    for path in paths:
        with np.load(path, allow_pickle=False) as part:
            refused += [(str(what), str(why)) for what, why in part["refused"]]
            counted.append(len(part["subject"]) if "subject" in part else 0)
            if counted[-1]:
                subjects += part["subject"].tolist()
    embeddings = _people(paths, subjects)
    faceless = sorted(set(subjects) - set(embeddings))
    refused += [(name, "no face of this person could be read from the front") for name in faceless]
    people = sorted(embeddings)
    if len(people) < 2:
        reason = f"; the first of {len(refused)} reasons: {refused[0][0]}: {refused[0][1]}" if refused else ""
        raise UserError(
            f"Found {len(people)} people with usable pictures, expected at least 2 (one to hold out){reason}."
        )
    held_out = _held_out(people, options.held_out)
    number = {name: index for index, name in enumerate(people)}
    total = sum(subject in number for subject in subjects)
    columns = _write_rows(out, paths, number, total)
    np.save(out / "embeddings.npy", np.stack([embeddings[name] for name in people]))
    np.save(out / "heldout.npy", np.array([name in held_out for name in people]))
    _write_csv(out / "refused.csv", ("what", "why"), refused)
    card = _card(layout, tools, options, columns, people, held_out, refused)
    write_whole(out / CARD, json.dumps(card, indent=1) + "\n")
    return card


def _people(paths: Sequence[Path], subjects: Iterable[str]) -> dict[str, NDArray[np.float32]]:
    """The embeddings [M, D] of each person: of the best frames, repeated in turn where they are fewer."""
    found: dict[str, list[tuple[float, NDArray[np.float32]]]] = {name: [] for name in subjects}
    for path in paths:
        with np.load(path, allow_pickle=False) as part:
            if "subject" not in part:
                continue
            for name, weight, vector in zip(part["subject"], part["weight"], part["embedding"], strict=True):
                if weight > 0:
                    found[str(name)].append((float(weight), vector))
    found = {name: sorted(rows, key=lambda row: -row[0])[:PHOTOS] for name, rows in found.items() if rows}
    most = max(map(len, found.values()), default=0)
    return {
        name: np.stack([rows[i % len(rows)][1] for i in range(most)]).astype(np.float32)
        for name, rows in found.items()
    }


def _held_out(people: Sequence[str], share: float) -> set[str]:
    """Who is held out, by a hash of the name: the same whoever else is there, as far as numbers allow."""
    count = min(len(people) - 1, max(1, round(share * len(people))))
    return set(sorted(people, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:count])


def _write_rows(out: Path, paths: Sequence[Path], number: Mapping[str, int], total: int) -> dict[str, Any]:
    """All rows of people with a number, array by array; returns the small columns that the card counts."""
    large = ("photograph", "shaded", "normals", "place", "mean_coloured", "mean_normals", "embedding")
    opened: dict[str, NDArray[Any]] = {}
    small: dict[str, list[NDArray[Any]]] = {}
    row = 0
    for path in paths:
        with np.load(path, allow_pickle=False) as part:
            if "subject" not in part:
                continue
            keep = np.array([str(name) in number for name in part["subject"]])
            end = row + int(keep.sum())
            for name in part.files:
                if name in large:
                    values = part[name][keep]
                    if name not in opened:
                        target = out / f"{'frame_embeddings' if name == 'embedding' else name}.npy"
                        opened[name] = np.lib.format.open_memmap(
                            target, "w+", values.dtype, (total, *values.shape[1:])
                        )
                    opened[name][row:end] = values
                elif name != "refused":
                    small.setdefault(name, []).append(part[name][keep])
            row = end
    columns = {name: np.concatenate(values) for name, values in small.items()}
    columns["person"] = np.array([number[str(name)] for name in columns["subject"]], np.int32)
    for name in ("person", "expression", "camera", "attributes", "has_normals"):
        np.save(out / f"{name}.npy", columns[name])
    opened.clear()
    if not columns["has_normals"].any():
        (out / "normals.npy").unlink()
    shown = [EXPRESSIONS[i] if i >= 0 else "" for i in columns["expression"]]
    features = columns["camera"]
    _write_csv(
        out / "frames.csv",
        ("row", "subject", "frame", "expression", "yaw_degrees", "misfit"),
        [
            (
                i,
                columns["subject"][i],
                columns["name"][i],
                shown[i],
                round(float(yaw), 1),
                round(float(misfit), 4),
            )
            for i, (yaw, misfit) in enumerate(
                zip(np.degrees(np.arctan2(features[:, 0], features[:, 1])), columns["misfit"], strict=True)
            )
        ],
    )
    return columns


def _card(
    layout: Layout,
    tools: Tools,
    options: PrepareOptions,
    columns: Mapping[str, Any],
    people: Sequence[str],
    held_out: set[str],
    refused: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    count = len(columns["person"])
    normals, masks = int(columns["has_normals"].sum()), int(columns["has_mask"].sum())
    shown = {name: int((columns["expression"] == i).sum()) for i, name in enumerate(EXPRESSIONS)}
    recogniser, reader = tools.recogniser.card, tools.reader.card
    return {
        "schema": SCHEMA,
        "layout": layout.name,
        "population": "real people",
        "licences": list(layout.licences),
        "rows": count,
        "resolution": options.resolution,
        "people": {"train": [n for n in people if n not in held_out], "heldout": sorted(held_out)},
        "expressions": {
            **{name: rows for name, rows in shown.items() if rows},
            "not told": count - sum(shown.values()),
        },
        "expressions_missing": [name for name, rows in shown.items() if not rows],
        "unmapped": list(layout.unmapped),
        **dict(layout.facts),
        "normals": f"{normals} of {count} crops"
        + (
            ""
            if normals
            else "; the geometry prior cannot be trained: supply normal maps or a --normals-model"
        ),
        "masks": f"{masks} of {count} supplied; else the mean head's outline, {GROWN:.0%} of the crop larger",
        "control": "the mean head from each crop's camera, fitted to landmarks if not given; even light",
        "recogniser": {
            "name": recogniser.name,
            "sha256": recogniser.sha256,
            "trained_on": recogniser.population,
            **({"note": SYNTHETIC_NOTE} if recogniser.population == "synthetic" else {}),
        },
        "reader": {"name": reader.name, "sha256": reader.sha256, "trained_on": reader.population},
        "detector": tools.detector_name,
        "refused": len(refused),
        "refused_first": [f"{what}: {why}" for what, why in refused[:10]],
    }


NO_NORMALS = "; without any, the geometry prior cannot be trained: supply normal maps or a --normals-model"
SYNTHETIC_NOTE = (
    "it never saw a real face: its embeddings of real photographs tell people apart poorly; name an ArcFace "
    "recogniser with --recogniser"
)


def _settings(tools: Tools, options: PrepareOptions) -> str:
    told = {
        "schema": SCHEMA,
        "recogniser": tools.recogniser.card.sha256,
        "reader": tools.reader.card.sha256,
        "detector": tools.detector_name,
        "normals": tools.normals.card.sha256 if tools.normals else None,
        "resolution": options.resolution,
        "crops": options.crops,
        "seed": options.seed,
    }
    return json.dumps(told, sort_keys=True)


def _key(moment: Sequence[Frame], settings: str) -> str:
    text = "\n".join([settings, *(frame.stamp() for frame in moment)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _readable(path: Path) -> bool:
    return path.is_file() and zipfile.is_zipfile(path)


def _save_part(path: Path, arrays: Arrays) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
