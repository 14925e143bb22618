"""Training of the guidance models: a base on photographs, then one adapter each for geometry and texture.

    python -m idto3d.train.guidance base     --data DATA --out MODEL --minutes 35
    python -m idto3d.train.guidance geometry --data DATA --out MODEL --minutes 12
    python -m idto3d.train.guidance texture  --data DATA --out MODEL --minutes 12
    python -m idto3d.train.guidance sheets   --data DATA --out MODEL

The model folder is in diffusers' format (`idto3d.guidance.Guidance.from_folder` reads it). The same command
with `--resume` goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS
from idto3d.guidance import base
from idto3d.guidance.condition import Condition
from idto3d.guidance.condition_encoder import ConditionEncoder
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.lora import add_lora, copy_lora, lora_folder, save_lora, trainable_share
from idto3d.guidance.sample import Scales, sample_ddim, to_uint8, write_contact_sheet
from idto3d.guidance.word_directions import WordDirections
from idto3d.train.guidance_data import GuidanceData
from idto3d.train.guidance_loop import LoopOptions, LoopState, fit, identity_gain

PICTURES = {"base": "photograph", "geometry": "normals", "texture": "shaded"}
RANK = 32
MAPS = 64  # of appearance, that an adapter's condition mixes
# An adapter serves distillation, which looks at high noise alone: below half of the schedule the noisy
# picture tells nearly everything and the condition learns nothing. Its run is short, and so is its memory.
ADAPTER_OPTIONS: dict[str, Any] = {
    "learning_rate": 2e-3,
    "batch": 16,
    "weight_decay": 0.0,
    "warm_up": 50,
    "ema_decay": 0.99,
    "quiet_share": 0.05,
    "quiet": 0.55,
    "gamma": 2.0,
}
# What the condition alone expects is fitted first: a tenth of the denoiser's cost a picture.
EXPECTATION_SHARE = 0.5  # of a training's minutes
EXPECTATION_OPTIONS: dict[str, Any] = {"learning_rate": 2e-3, "batch": 32, "warm_up": 50, "ema_decay": 0.99}
SHEET_EXPRESSIONS = ("neutral", "smile", "surprise", "anger", "kiss")
SHEET_SCALES = Scales(1.25, 1.25)
RIDGE = 1e-3  # of a regression, as a share of the mean square of what it reads
FRONTAL = 0.85  # the least cosine of the yaw in a sheet


def train_base(
    data_folder: Path,
    out_folder: Path,
    *,
    minutes: float,
    seed: int = 0,
    resume: bool = False,
    start: Path | None = None,
    translation: Tensor | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Train the base model on `photograph.npy` and write it to `out_folder`; returns the last report.

    From another base, `start`, the denoiser is taken as it is, and only the condition encoder learns: what a
    new recogniser asks for, whose embeddings `translation` turns into those that the other base was told.
    """
    torch.manual_seed(seed)
    data = GuidanceData.open(data_folder, PICTURES["base"])
    encoder = base.make_encoder(data.embeddings.shape[2])
    unet, codec = base.make_unet(encoder.config), base.make_codec()
    guidance = Guidance(unet, base.make_scheduler(), codec, encoder)
    parameters = [*unet.parameters(), *encoder.parameters()]
    if start is not None:
        other = Guidance.from_folder(start)
        unet.load_state_dict(other.unet.state_dict())
        _take_over(encoder, other, translation)
        parameters = list(encoder.parameters())
    print(f"base: {sum(p.numel() for p in unet.parameters()):,} parameters, {len(data.train):,} pictures")
    sheets = out_folder / "training"
    spent = fit_expectation(guidance, data, sheets / "base_expected.pt", minutes, seed, resume, options)
    state = fit(
        guidance,
        parameters,
        data,
        sheets / "base.pt",
        LoopOptions(minutes=minutes - spent, seed=seed, **{"learning_rate": 8e-4, **options}),
        resume=resume,
        report=lambda state: _look(guidance, data, sheets / f"base_{state.step:06d}.png"),
    )
    base.write(out_folder, unet, guidance.scheduler, codec, encoder)
    return _finish(state, sheets / "base.json")


def train_lora(
    kind: str,
    data_folder: Path,
    out_folder: Path,
    *,
    minutes: float,
    seed: int = 0,
    resume: bool = False,
    start: Path | None = None,
    translation: Tensor | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Train the adapter `kind` (geometry on normals, texture on shaded colour) of the base in
    `out_folder`: a LoRA of the denoiser, and the condition encoder, as IP-Adapter (Ye et al. 2023) trains its
    projection; what a photograph hears of a face is mostly colour. It goes on from the same adapter of
    another model folder, `start`, where one is given, and `translation` as in `train_base`."""
    folder = lora_folder(out_folder, kind)
    torch.manual_seed(seed)
    data = GuidanceData.open(data_folder, PICTURES[kind])
    guidance = Guidance.from_folder(out_folder)
    encoder = adapter_encoder(guidance, data.embeddings.shape[2])
    guidance.encoder = encoder
    parameters = add_lora(guidance.unet, rank=int(options.pop("rank", RANK)))
    if start is not None:
        copy_lora(guidance.unet, start, kind)
        _take_over(encoder, Guidance.from_folder(start, kind), translation)
    encoder.train().requires_grad_(True)
    share = trainable_share(guidance.unet, encoder)
    print(f"{kind}: trainable share {share:.2%} of the base denoiser, {len(data.train):,} pictures")
    sheets = out_folder / "training"
    expected = sheets / f"{kind}_expected.pt"
    spent = fit_expectation(guidance, data, expected, minutes, seed, resume, options)
    encoder.hold_face()
    parameters += [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    state = fit(
        guidance,
        parameters,
        data,
        sheets / f"{kind}.pt",
        LoopOptions(minutes=minutes - spent, seed=seed, **{**ADAPTER_OPTIONS, **options}),
        resume=resume,
        report=lambda state: _look(guidance, data, sheets / f"{kind}_{state.step:06d}.png"),
    )
    save_lora(guidance.unet, out_folder, kind)
    encoder.save_pretrained(folder / "condition_encoder")
    summary = {**_finish(state, sheets / f"{kind}.json"), "trainable_share": share}
    (folder / "trainable_share.json").write_text(json.dumps({"trainable_share": share}) + "\n")
    return summary


def fit_words(data_folder: Path, out_folder: Path) -> WordDirections:
    """Write which way a word moves an identity beside a model's parts, from the training people's photos.

    Raises `UserError` where the data are not there.
    """
    data = GuidanceData.open(data_folder, PICTURES["base"])
    people, row = np.unique(data.person[data.train], return_index=True)
    words = WordDirections.fit(data.identities(people, None), data.attributes[data.train[row]])
    words.save(out_folder)
    return words


def adapter_encoder(guidance: Guidance, identity_dimension: int) -> ConditionEncoder:
    """The base's condition encoder, with face maps for an adapter to learn."""
    encoder = base.make_encoder(identity_dimension, MAPS)
    _take_over(encoder, guidance)
    return encoder.to(guidance.device)


def translation_between(own: NDArray[np.float32], theirs: NDArray[np.float32]) -> Tensor:
    """The matrix [D, E] that turns one recogniser's embeddings, `own` [N, E], into another's of the same
    photos, `theirs` [N, D], by ridge regression."""
    mine = own.astype(np.float64)
    gram = mine.T @ mine
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    return torch.from_numpy(np.linalg.solve(gram, mine.T @ theirs).T.astype(np.float32))


def _take_over(encoder: ConditionEncoder, other: Guidance, translation: Tensor | None = None) -> None:
    if not isinstance(other.encoder, ConditionEncoder):
        raise UserError("Found a model with a text encoder, expected a tiny base to start from.")
    known = other.encoder
    encoder.take_over(known if translation is None else known.translated(translation))


def fit_expectation(
    guidance: Guidance,
    data: GuidanceData,
    checkpoint: Path,
    minutes: float,
    seed: int,
    resume: bool,
    options: Mapping[str, Any],
    say: Callable[[str], None] = print,
    watch: Callable[[LoopState], None] = lambda _: None,
) -> float:
    """Fit what the condition alone expects (`Encoded.expected`); returns the minutes set aside for it."""
    assert isinstance(guidance.encoder, ConditionEncoder)
    share = EXPECTATION_SHARE * minutes
    chosen = {key: options[key] for key in ("batch", "steps", "half") if key in options}
    fit(
        guidance,
        list(guidance.encoder.parameters()),
        data,
        checkpoint,
        LoopOptions(minutes=share, seed=seed, expectation=True, **{**EXPECTATION_OPTIONS, **chosen}),
        resume=resume,
        report=lambda _: {n: round(v, 5) for n, v in identity_gain(guidance, data, levels=()).items()},
        say=say,
        watch=watch,
    )
    return share


def draw_sheets(data_folder: Path, model_folder: Path, *, people: int = 6) -> list[Path]:
    """The documentation's contact sheets: samples of the base and of both priors for held-out people.

    Each row: the person's true picture, then a sample for each of `SHEET_EXPRESSIONS` from the same camera.
    """
    paths = []
    for kind, pictures in PICTURES.items():
        guidance = Guidance.from_folder(model_folder, None if kind == "base" else kind)
        paths.append(model_folder / f"samples_{kind}.png")
        write_samples(guidance, GuidanceData.open(data_folder, pictures), paths[-1], people, steps=25, zoom=3)
    return paths


def _look(guidance: Guidance, data: GuidanceData, path: Path) -> dict[str, Any]:
    """Held-out errors and a small sheet, for the log."""
    write_samples(guidance, data, path, people=4, steps=8, zoom=2)
    return {name: round(value, 5) for name, value in identity_gain(guidance, data).items()}


def write_samples(
    guidance: Guidance,
    data: GuidanceData,
    path: Path,
    people: int,
    *,
    steps: int,
    zoom: int,
    expressions: Sequence[str] = SHEET_EXPRESSIONS,
) -> None:
    """A sheet of held-out people seen from the front: the true picture, then a sample of each expression."""
    frontal = data.heldout[data.camera[data.heldout, 1] > FRONTAL]
    frontal = frontal if len(frontal) else data.heldout
    _, first = np.unique(data.person[frontal], return_index=True)
    rows = frontal[first][:people]
    images, condition = data.batch(rows, None)
    # Nothing but the embedding says who it is.
    untold = torch.full_like(condition.attributes, -1)
    asked = Condition.concatenate(
        Condition(
            condition.identity,
            torch.full_like(condition.expression, EXPRESSIONS.index(name)),
            condition.camera,
            untold,
            condition.control,
        )
        for name in expressions
    ).to(guidance.device)
    generator = torch.Generator().manual_seed(0)
    drawn = to_uint8(sample_ddim(guidance, asked, generator=generator, steps=steps, scales=SHEET_SCALES))
    grid = drawn.reshape(len(expressions), len(rows), *drawn.shape[1:])
    true = to_uint8(images)
    write_contact_sheet(path, [[true[i], *grid[:, i]] for i in range(len(rows))], zoom)


def _finish(state: LoopState, path: Path) -> dict[str, Any]:
    path.write_text(json.dumps(state.log, indent=1) + "\n")
    return dict(state.log[-1])


def main(arguments: list[str] | None = None) -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description="Train the guidance models.")
    parser.add_argument("what", choices=[*PICTURES, "sheets"])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of arrays (see idto3d.train.guidance_data)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="model folder to write, or to add an adapter to"
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--threads", type=int, default=1, help="more pay only on idle cores")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    chosen = {"batch": given.batch, "learning_rate": given.learning_rate}
    options: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    try:
        if given.what == "sheets":
            print(*draw_sheets(given.data, given.out), sep="\n")
        elif given.what == "base":
            train_base(
                given.data, given.out, minutes=given.minutes, seed=given.seed, resume=given.resume, **options
            )
        else:
            train_lora(
                given.what,
                given.data,
                given.out,
                minutes=given.minutes,
                seed=given.seed,
                resume=given.resume,
                **options,
            )
    except UserError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
