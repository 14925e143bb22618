"""The table of held-out denoising loss: does each adapter clean its own kind of picture better than the base.

Base, base with the geometry LoRA and base with the texture LoRA meet the same pictures of people that no
training drew, the same timesteps and the same noise, on photographs, normals and shaded colour. A kind comes
with its own control (`idto3d.train.guidance_data.MEAN_HEAD`), an adapter with its own condition encoder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from idto3d.errors import UserError
from idto3d.whole_file import write_whole
from idto3d_eval.statistics import LEVEL, RESAMPLES, paired_difference

if TYPE_CHECKING:
    from rich.table import Table

    from idto3d_eval.training import Told

KINDS = ("photograph", "normals", "shaded")
OWN = {"geometry": "normals", "texture": "shaded"}
"""The kind of picture that each adapter was trained on."""
ROWS = 225  # one of each held-out person of the shipped recipe: about a minute on one core
RESULT = "denoising.json"


def measure_guidance(
    folder: Path, data_folder: Path, *, rows: int = ROWS, told: Told | None = None
) -> dict[str, Any]:
    """Measure a model folder and write `denoising.json` into it.

    Args:
        folder: the base, with the adapters that are to be compared.
        data_folder: arrays of `idto3d.train.guidance_data`.
        rows: pictures of each kind, at most; the held-out people take turns.
        told: called with ("denoising", done, of).

    Returns:
        What was written: losses by model, kind and timestep, differences to the base with their intervals
        (bootstrap over people), and each adapter's trainable share.

    Raises:
        UserError: no adapter in the folder.
    """
    from idto3d.guidance.guidance import Guidance
    from idto3d.guidance.lora import lora_folder
    from idto3d.train.denoising import denoising_errors, spread_rows
    from idto3d.train.guidance_data import GuidanceData
    from idto3d.train.guidance_loop import REPORTED_T

    adapters = [prior for prior in OWN if lora_folder(folder, prior).is_dir()]
    if not adapters:
        raise UserError(f"Found no adapter in '{folder}', expected lora_geometry or lora_texture; train one.")
    kinds = {kind: GuidanceData.open(data_folder, kind) for kind in KINDS if _there(data_folder, kind)}
    models: list[str | None] = [None, *adapters]
    errors: dict[tuple[str, str], Any] = {}
    chosen = {kind: spread_rows(data, rows) for kind, data in kinds.items()}
    for model in models:
        guidance = Guidance.from_folder(folder, model)
        for kind, data in kinds.items():
            data.check_resolution(guidance.resolution)
            errors[model or "base", kind] = denoising_errors(guidance, data, chosen[kind])
            if told is not None:
                told("denoising", len(errors), len(models) * len(kinds))
    people = {kind: data.person[chosen[kind]] for kind, data in kinds.items()}
    found: dict[str, Any] = {
        "data": data_folder.name,
        "rows": {kind: len(index) for kind, index in chosen.items()},
        "people": {kind: len(np.unique(person)) for kind, person in people.items()},
        "timesteps": list(REPORTED_T),
        "loss": "mean square error of the clean latents, eyes, nose and mouth four times, backdrop a tenth",
        "trainable_share": {prior: _share(folder, prior) for prior in adapters},
        "models": {
            model or "base": {
                kind: _entry(errors[model or "base", kind], errors["base", kind], people[kind])
                for kind in kinds
            }
            for model in models
        },
    }
    found["each_wins_on_its_own"] = all(
        found["models"][prior][OWN[prior]]["difference"]["high"] < 0
        for prior in adapters
        if OWN[prior] in kinds
    )
    write_whole(folder / RESULT, json.dumps(found, indent=1) + "\n")
    return found


def loss_table(found: Mapping[str, Any]) -> Table:
    """What `measure_guidance` found, as a terminal shows it: one row a model and kind."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("pictures")
    table.add_column("model", no_wrap=True)
    for level in found["timesteps"]:
        table.add_column(f"t {level}", justify="right")
    table.add_column("mean", justify="right")
    table.add_column("less the base [95%]", justify="right")
    table.add_column("trains", justify="right")
    for kind in found["rows"]:
        for index, (model, kinds) in enumerate(found["models"].items()):
            entry, share = kinds[kind], found["trainable_share"].get(model)
            gap = entry["difference"]
            table.add_row(
                f"{kind} ({found['people'][kind]} people)" if index == 0 else "",
                Text(
                    "base" if model == "base" else f"base + {model} LoRA", "bold" * (OWN.get(model) == kind)
                ),
                *(f"{value:.4f}" for value in entry["by_timestep"]),
                Text(f"{entry['mean']:.4f}", "bold" * (OWN.get(model) == kind)),
                "" if model == "base" else f"{gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]",
                "" if share is None else f"{share:.2%}",
            )
    return table


def _entry(errors: Any, of_base: Any, people: Any) -> dict[str, Any]:
    """A cell: the loss by timestep, its mean, the head alone, and how much less it is than the base's."""
    own, base = (_by_person(array[..., 0].mean(1), people) for array in (errors, of_base))
    gap = paired_difference(own, base, RESAMPLES, LEVEL)
    return {
        "by_timestep": errors[..., 0].mean(0).tolist(),
        "mean": float(errors[..., 0].mean()),
        "on_the_head": float(errors[..., 1].mean()),
        "difference": {"value": gap.value, "low": gap.low, "high": gap.high},
    }


def _by_person(values: Any, people: Any) -> Any:
    return np.array([values[people == person].mean() for person in np.unique(people)])


def _there(folder: Path, kind: str) -> bool:
    """Photographs are always asked for, so that a folder without them is named; others where they lie."""
    return kind == KINDS[0] or (folder / f"{kind}.npy").is_file()


def _share(folder: Path, prior: str) -> float | None:
    path = folder / f"lora_{prior}" / "trainable_share.json"
    return float(json.loads(path.read_text())["trainable_share"]) if path.is_file() else None
