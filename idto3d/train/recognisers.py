"""Training of the two face recognisers: A (ArcFace, Deng 2019, eq. 3) and B (CosFace, Wang 2018, eq. 4).

Two architectures, losses, seeds and sets of people, so that what conditions a method never scores it.
Both read aligned faces of 112 x 112 as (x - 127.5) / 127.5, RGB. B learns from names alone. A, which stands
for a recogniser of millions of people, whose features are known to carry the shape of the head (MICA,
Zielonka 2022, sec. 3.1), learns from few; its embedding must besides give away the likeness, linearly.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from idto3d.errors import UserError
from idto3d.identity.accuracy import recogniser_accuracy
from idto3d.train.augmentation import augment, to_input
from idto3d.train.cards import write_card
from idto3d.train.command_line import run_training
from idto3d.train.likeness import Likeness
from idto3d.train.loops import Budget, epoch_batch, fit, generator
from idto3d.train.networks import Recogniser112, ResidualRecogniser, SeparableRecogniser, export_onnx

WEIGHT_DECAY = 0.05
MARGIN_RISE = (0.05, 0.5)  # share of the run over which the margin grows from 0; a full one stalls at first
VALIDATION_PEOPLE = 100  # held out of the training set where no validation folder is given


@dataclass(frozen=True)
class RecogniserRecipe:
    """What tells one recogniser's training from the other's."""

    network: type[Recogniser112]
    loss: str  # "arcface": angle + margin; "cosface": cosine - margin
    scale: float
    margin: float
    batch: int
    peak_rate: float
    mirrored_sum: bool  # add the mirrored face; on A alone: TAR at FAR 1e-2 0.922 -> 0.931
    seed: int
    likeness_weight: float = 0.0  # of `Likeness`' loss, where the data hold likenesses


RECIPES = {
    "recogniser_a": RecogniserRecipe(ResidualRecogniser, "arcface", 32.0, 0.4, 128, 4e-3, False, 11, 32.0),
    "recogniser_b": RecogniserRecipe(SeparableRecogniser, "cosface", 32.0, 0.25, 64, 3e-3, True, 22),
}


class MarginClassifier(nn.Module):
    """A linear classifier on the unit sphere, whose right class is made harder by a margin."""

    def __init__(self, people: int, recipe: RecogniserRecipe) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(people, recipe.network.dimension) * 0.05)
        self.recipe = recipe

    def forward(self, embedding: torch.Tensor, person: torch.Tensor, margin: float) -> torch.Tensor:
        """Cross-entropy of `embedding` [N, D] for class indices `person` [N] at `margin`."""
        with torch.autocast("cpu", enabled=False):
            unit = functional.normalize(embedding.float())
            cosine = unit @ functional.normalize(self.weight).T  # [N, people]
        own = cosine.gather(1, person[:, None])
        hard = arcface(own, margin) if self.recipe.loss == "arcface" else own - margin
        logits = cosine.scatter(1, person[:, None], hard) * self.recipe.scale
        return functional.cross_entropy(logits, person)


def arcface(cosine: torch.Tensor, margin: float) -> torch.Tensor:
    """cos(theta + margin), continued linearly where theta + margin would pass pi (Deng 2019, eq. 3)."""
    sine = (1.0 - cosine.square()).clamp(min=1e-6).sqrt()
    turned = cosine * math.cos(margin) - sine * math.sin(margin)
    return torch.where(
        cosine > math.cos(math.pi - margin), turned, cosine - math.sin(math.pi - margin) * margin
    )


def train_recogniser(
    name: str,
    data_folder: Path,
    out_folder: Path,
    *,
    minutes: float,
    seed: int | None = None,
    resume: bool = True,
    steps: int | None = None,
    validation_folder: Path | None = None,
    likeness_folders: tuple[Path, Path] | None = None,
    start: Path | None = None,
    threads: int = 2,
) -> Path:
    """Train one recogniser, export it to ONNX and write its card beside it.

    Args:
        name: "recogniser_a" or "recogniser_b".
        data_folder: holds aligned.npy (uint8 [N, 112, 112, 3] RGB) and person.npy (int [N]), or faces.npz.
        out_folder: gets NAME.onnx, NAME.card.json and NAME.checkpoint.
        minutes: training time, measuring not counted; ignored where `steps` is given.
        seed: of initialisation, batches and augmentation; the recipe's own where None.
        resume: go on from the checkpoint where there is one.
        steps: optimiser steps, for an exact repetition.
        validation_folder: faces of people outside `data_folder`; else the last people of it are held out.
        likeness_folders: likenesses of the people trained on and of those of `validation_folder`.
        start: folder with another training's checkpoint, whose layers of the same shape are taken.
        threads: of torch.

    Returns:
        Path of the ONNX file.

    Raises:
        UserError: unknown name, missing or malformed arrays, a checkpoint of other settings.
    """
    recipe = _recipe(name)
    seed = recipe.seed if seed is None else seed
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    torch.manual_seed(seed)
    train, held = _load_split(data_folder, validation_folder)
    labels = np.unique(train.person, return_inverse=True)[1]
    people = int(labels.max()) + 1
    network = recipe.network()
    if start is not None:
        _take_over(network, start / f"{name}.checkpoint")
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    classifier = MarginClassifier(people, recipe)
    likeness = None
    if likeness_folders is not None and recipe.likeness_weight > 0.0:
        likeness = Likeness.learned(likeness_folders[0], np.unique(train.person), recipe.network.dimension)
    batch = min(recipe.batch, len(labels))

    def batch_of(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        index = epoch_batch(seed, step, len(labels), batch)
        faces = augment(
            np.asarray(train.aligned[index]), generator(seed, 2, step), whole=likeness is not None
        )
        return to_input(faces), torch.from_numpy(labels[index])

    def step_loss(batch: tuple[torch.Tensor, torch.Tensor], progress: float) -> torch.Tensor:
        faces, person = batch
        low, high = MARGIN_RISE
        margin = recipe.margin * min(1.0, max(0.0, (progress - low) / (high - low)))
        embedding = network(faces)
        loss = cast(torch.Tensor, classifier(embedding, person, margin))
        if likeness is not None:
            loss = loss + recipe.likeness_weight * likeness(embedding, person)
        return loss

    def validate() -> dict[str, float]:
        embedded = embed(network, held.aligned, recipe.mirrored_sum)
        found = verification_accuracy(embedded, held.person)
        if likeness is not None and likeness_folders is not None:
            found |= likeness.explained(embedded, held.person, likeness_folders[1])
        return found

    fitted = fit(
        name,
        nn.ModuleDict(
            {"network": network, "classifier": classifier, **({"likeness": likeness} if likeness else {})}
        ),
        batch_of,
        step_loss,
        budget=Budget(minutes, steps),
        peak_rate=recipe.peak_rate,
        weight_decay=WEIGHT_DECAY,
        checkpoint=out_folder / f"{name}.checkpoint",
        resume=resume,
        validate=validate,
        settings={"name": name, "seed": seed, "people": people, "photos": len(labels), "batch": batch},
    )
    path = out_folder / f"{name}.onnx"
    export_onnx(network, path, ["embedding"])
    write_card(
        path,
        task="recognition",
        preprocessing={
            "mean": [127.5] * 3,
            "std": [127.5] * 3,
            "colour": "RGB",
            "mirrored_sum": recipe.mirrored_sum,
        },
        training={
            "data": data_folder.name,
            "people": people,
            "photos": len(labels),
            "loss": recipe.loss,
            "scale": recipe.scale,
            "margin": recipe.margin,
            "architecture": recipe.network.__name__,
            "parameters": sum(p.numel() for p in network.parameters()),
            "embedding": recipe.network.dimension,
            "likeness_weight": recipe.likeness_weight if likeness else 0.0,
            "seed": seed,
            "batch": batch,
            "steps": fitted.steps,
            "epochs": round(fitted.steps * batch / len(labels), 2),
            "minutes": round(fitted.seconds / 60.0, 2),
        },
        measured={
            "validation": recogniser_accuracy(embed(network, held.aligned, recipe.mirrored_sum), held.person)
            | {key: value for key, value in validate().items() if key.startswith(("explained", "components"))}
        },
        log=fitted.log,
    )
    return path


def embed(network: nn.Module, faces: np.ndarray, mirrored_sum: bool = False, batch: int = 256) -> np.ndarray:
    """Unit embeddings float32 [N, D] of uint8 faces [N, 112, 112, 3], or of their sum with the mirrored."""
    was_training = network.training
    network.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(faces), batch):
            images = to_input(np.asarray(faces[start : start + batch]))
            raw = network(images) + (network(images.flip(3)) if mirrored_sum else 0.0)
            parts.append(functional.normalize(raw).numpy())
    network.train(was_training)
    return np.concatenate(parts)


def verification_accuracy(embeddings: np.ndarray, person: np.ndarray) -> dict[str, float]:
    """The figures of `recogniser_accuracy` that a training log follows."""
    found = recogniser_accuracy(embeddings, person)
    return {
        name: float(value)
        for name, value in found.items()
        if not isinstance(value, str) and name.startswith(("tar_at_far", "rank1"))
    }


@dataclass(frozen=True)
class _Faces:
    aligned: np.ndarray  # uint8 [N, 112, 112, 3]
    person: np.ndarray  # int64 [N]


def _load_faces(folder: Path) -> _Faces:
    if (folder / "aligned.npy").exists():
        aligned = np.load(folder / "aligned.npy", mmap_mode="r", allow_pickle=False)
        person = np.load(folder / "person.npy", allow_pickle=False)
    elif (folder / "faces.npz").exists():
        with np.load(folder / "faces.npz", allow_pickle=False) as arrays:
            aligned, person = arrays["aligned"], arrays["person"]
    else:
        raise UserError(
            f"Found neither aligned.npy nor faces.npz in {folder}, expected the faces of a population; "
            "make them with 'idto3d-eval data'."
        )
    if aligned.ndim != 4 or aligned.shape[1:] != (112, 112, 3) or aligned.dtype != np.uint8:
        raise UserError(
            f"Found {aligned.dtype} faces of shape {aligned.shape} in {folder}, "
            "expected uint8 [N, 112, 112, 3]; make the data again."
        )
    if len(person) != len(aligned):
        raise UserError(
            f"Found {len(person)} labels for {len(aligned)} faces in {folder}, expected one a face; "
            "make the data again."
        )
    return _Faces(aligned, person.astype(np.int64))


def _load_split(data_folder: Path, validation_folder: Path | None) -> tuple[_Faces, _Faces]:
    faces = _load_faces(data_folder)
    if validation_folder is not None:
        return faces, _load_faces(validation_folder)
    names = np.unique(faces.person)
    held = np.isin(faces.person, names[-min(VALIDATION_PEOPLE, max(2, len(names) // 10)) :])
    if len(names) < 4:
        raise UserError(
            f"Found {len(names)} people in {data_folder}, expected at least 4; make more people's data."
        )
    return (
        _Faces(_Rows(faces.aligned, np.flatnonzero(~held)), faces.person[~held]),  # type: ignore[arg-type]
        _Faces(np.asarray(faces.aligned[np.flatnonzero(held)]), faces.person[held]),
    )


@dataclass(frozen=True)
class _Rows:
    """A selection of a memory-mapped array's rows, read when indexed."""

    array: np.ndarray
    rows: np.ndarray

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        return cast(np.ndarray, self.array[self.rows[index]])


def _take_over(network: nn.Module, checkpoint: Path) -> None:
    """Start from the layers of a checkpoint of `loops.fit` that have the same shape."""
    if not checkpoint.is_file():
        raise UserError(
            f"Found no {checkpoint.name} in '{checkpoint.parent}', expected a training to start from."
        )
    theirs = torch.load(checkpoint, map_location="cpu", weights_only=True)["module"]
    own = network.state_dict()
    taken = {key: theirs.get(f"network.{key}") for key in own}
    alike = {k: v for k, v in taken.items() if v is not None and v.shape == own[k].shape}
    network.load_state_dict({**own, **alike})


def _recipe(name: str) -> RecogniserRecipe:
    if name not in RECIPES:
        raise UserError(f"Found recogniser '{name}', expected one of {', '.join(RECIPES)}; choose one.")
    return RECIPES[name]


def main() -> None:
    """Command line: python -m idto3d.train.recognisers NAME --data FOLDER --out FOLDER --minutes 11."""
    run_training(train_recogniser, RECIPES, __doc__)


if __name__ == "__main__":
    main()
