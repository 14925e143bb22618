"""Training of the two face readers: one for methods, one for scoring, of other people, seed and shape.

A reader takes a square crop, anything from a whole photo to a tight face, and gives the 68 landmarks,
whether a face is there, the 52 ARKit actions and the text attributes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.identity.accuracy import attribute_accuracy, expression_accuracy, landmark_error
from idto3d.train.augmentation import to_input
from idto3d.train.cards import write_card
from idto3d.train.command_line import run_training
from idto3d.train.loops import Budget, epoch_batch, fit, generator
from idto3d.train.networks import export_onnx
from idto3d.train.reader_data import (
    SIZE,
    ReaderArrays,
    Tensors,
    augment,
    joined,
    load_arrays,
    to_tensors,
)
from idto3d.train.reader_networks import (
    OUTPUTS,
    MethodsReader,
    Reader112,
    ScoringReader,
    attribute_slices,
    landmarks_of,
)

BATCH = 96
PEAK_RATE = 3e-3
WEIGHT_DECAY = 0.03
VALIDATION_SHARE = 0.04  # last rows (whole people where rows are in order) where no validation is given
# Chosen so that landmarks and actions weigh alike at first: with 20 for the actions every face was neutral.
LANDMARK_WEIGHT, ACTION_WEIGHT, PRESENCE_WEIGHT = 20.0, 100.0, 0.3
# How much more an action counts that is there: least squares alone shrinks what is hard to see toward
# neutral, and every kiss and smirk of the true heads was read as neutral.
MISSED = 4.0


@dataclass(frozen=True)
class ReaderRecipe:
    """What tells the scoring reader's training from the methods'."""

    network: Callable[[int], Reader112]  # of the number of attribute logits
    seed: int
    people: tuple[float, float]  # share of the people, sorted by number, that this reader is trained on
    attribute_weight: float


RECIPES = {
    "reader_methods": ReaderRecipe(MethodsReader, seed=33, people=(0.0, 0.5), attribute_weight=0.3),
    "reader_scoring": ReaderRecipe(ScoringReader, seed=44, people=(0.5, 1.0), attribute_weight=0.1),
}


def train_reader(
    name: str,
    data_folder: Path,
    out_folder: Path,
    *,
    minutes: float,
    seed: int | None = None,
    resume: bool = True,
    steps: int | None = None,
    validation_folder: Path | None = None,
    renders_folder: Path | None = None,
    threads: int = 2,
) -> Path:
    """Train one reader, export it to ONNX and write its card beside it.

    Args:
        name: "reader_methods" or "reader_scoring".
        data_folder: holds crops.npy, landmarks.npy, present.npy, actions.npy, attributes.npy (see
            `ReaderArrays`) and, where one folder serves both readers, person.npy (int [N]): each reader
            then takes its own half of the people.
        out_folder: gets NAME.onnx, NAME.card.json and NAME.checkpoint.
        minutes: training time, measuring not counted; ignored where `steps` is given.
        seed: of initialisation, batches and augmentation; the recipe's own where None.
        resume: go on from the checkpoint where there is one.
        steps: optimiser steps, for an exact repetition.
        validation_folder: crops of other people; else the last rows of the data are held out.
        renders_folder: crops of renders, every other row of each batch; heads are read on renders. All its
            people are this reader's.
        threads: of torch.

    Returns:
        Path of the ONNX file.

    Raises:
        UserError: unknown name, missing or malformed arrays, a checkpoint of other settings.
    """
    if name not in RECIPES:
        raise UserError(f"Found reader '{name}', expected one of {', '.join(RECIPES)}; choose one.")
    recipe = RECIPES[name]
    seed = recipe.seed if seed is None else seed
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    torch.manual_seed(seed)
    arrays = load_arrays(data_folder)
    mine = _own_rows(data_folder, recipe, len(arrays.present))
    if validation_folder is None:
        cut = len(mine) - max(1, int(len(mine) * VALIDATION_SHARE))
        mine, held = mine[:cut], arrays.rows(mine[cut:])
    else:
        held = load_arrays(validation_folder)
    network = recipe.network(Attributes.dimension)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch = min(BATCH, len(mine))

    renders, drawn = None, np.arange(0)
    if renders_folder is not None:
        renders = load_arrays(renders_folder)
        drawn = np.arange(len(renders.present))

    def batch_of(step: int) -> Tensors:
        rows = arrays.rows(mine[epoch_batch(seed, step, len(mine), batch)])
        if renders is not None:
            chosen = np.sort(generator(seed, 3, step).choice(drawn, batch // 2))
            rows = joined(rows.rows(np.arange(0, batch, 2)), renders.rows(chosen))
        return to_tensors(augment(rows, generator(seed, 2, step)))

    def step_loss(tensors: Tensors, progress: float) -> torch.Tensor:
        del progress
        return reading_loss(network(tensors[0]), tensors, recipe.attribute_weight)

    fitted = fit(
        name,
        network,
        batch_of,
        step_loss,
        budget=Budget(minutes, steps),
        peak_rate=PEAK_RATE,
        weight_decay=WEIGHT_DECAY,
        checkpoint=out_folder / f"{name}.checkpoint",
        resume=resume,
        validate=lambda: reading_accuracy(read_crops(network, held.crops), held),
        settings={"name": name, "seed": seed, "crops": len(mine), "batch": batch},
    )
    path = out_folder / f"{name}.onnx"
    export_onnx(network, path, OUTPUTS)
    write_card(
        path,
        task="reading",
        preprocessing={"mean": [127.5] * 3, "std": [127.5] * 3, "colour": "RGB", "mirrored_sum": False},
        training={
            "data": data_folder.name,
            "people_share": list(recipe.people),
            "crops": len(mine),
            "renders": len(drawn),
            "architecture": type(network).__name__,
            "parameters": sum(p.numel() for p in network.parameters()),
            "seed": seed,
            "batch": batch,
            "steps": fitted.steps,
            "epochs": round(fitted.steps * batch / len(mine), 2),
            "minutes": round(fitted.seconds / 60.0, 2),
        },
        measured={"validation": reading_accuracy(read_crops(network, held.crops), held)},
        log=fitted.log,
        extra={"outputs": OUTPUTS, "attribute_groups": {k: list(v) for k, v in Attributes.GROUPS.items()}},
    )
    return path


def reading_loss(outputs: tuple[torch.Tensor, ...], truth: Tensors, attribute_weight: float) -> torch.Tensor:
    """Weighted sum: landmarks L1 over the extent, actions weighted L2, presence and attributes entropy."""
    landmarks, presence, actions, attributes = (output.float() for output in outputs)
    _, true_landmarks, present, true_actions, true_attributes = truth
    count = present.sum().clamp(min=1.0)
    extent = (true_landmarks.amax(1) - true_landmarks.amin(1)).amax(1).clamp(min=0.1)
    error = (landmarks_of(landmarks) - true_landmarks).abs().mean((1, 2)) / extent
    loss = LANDMARK_WEIGHT * (error * present).sum() / count
    missed = (1.0 + MISSED * true_actions) * (actions - true_actions).square()
    loss = loss + ACTION_WEIGHT * (missed.mean(1) * present).sum() / count
    loss = loss + PRESENCE_WEIGHT * functional.binary_cross_entropy_with_logits(presence[:, 0], present)
    for group, where in enumerate(attribute_slices(Attributes.GROUPS)):
        target = torch.where(present > 0, true_attributes[:, group], -1)
        entropy = functional.cross_entropy(attributes[:, where], target, ignore_index=-1, reduction="sum")
        loss = loss + attribute_weight * entropy / count
    return loss


def read_crops(network: nn.Module, crops: np.ndarray, batch: int = 256) -> tuple[np.ndarray, ...]:
    """The four outputs of `Reader112` as arrays, for uint8 crops [N, S, S, 3]."""
    parts: list[tuple[np.ndarray, ...]] = []
    with torch.no_grad():
        for i in range(0, len(crops), batch):
            some = np.stack(
                [
                    cv2.resize(c, (SIZE, SIZE), interpolation=cv2.INTER_AREA) if len(c) != SIZE else c
                    for c in np.asarray(crops[i : i + batch])
                ]
            )
            parts.append(tuple(output.numpy() for output in network(to_input(some))))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def reading_accuracy(outputs: tuple[np.ndarray, ...], truth: ReaderArrays) -> dict[str, float]:
    """Median landmark error, presence, actions, presets and attributes, in one pass over given crops."""
    here = truth.present.astype(bool)
    error = landmark_error(outputs[0].reshape(-1, 68, 2)[here], truth.landmarks[here])
    found = {
        "landmark_error": float(np.median(error)),
        "presence_accuracy": float(((outputs[1][:, 0] > 0) == here).mean()),
        "action_error": float(np.abs(outputs[2][here] - truth.actions[here]).mean()),
        "preset_accuracy": expression_accuracy(outputs[2][here], truth.actions[here]),
    }
    words = attribute_accuracy(outputs[3][here], truth.attributes[here])
    found |= {f"{name}_accuracy": value for name, value in words.items()}
    return {name: round(value, 5) for name, value in found.items() if np.isfinite(value)}


def _own_rows(folder: Path, recipe: ReaderRecipe, count: int) -> np.ndarray:
    """Row numbers of this reader's own people, in order."""
    path = folder / "person.npy"
    if not path.exists():
        return np.arange(count)
    person = np.load(path, allow_pickle=False)
    names = np.unique(person)
    low, high = (round(share * len(names)) for share in recipe.people)
    return np.flatnonzero(np.isin(person, names[low:high]))


def main() -> None:
    """Command line: python -m idto3d.train.readers NAME --data FOLDER --out FOLDER --minutes 11."""
    run_training(train_reader, RECIPES, __doc__)


if __name__ == "__main__":
    main()
