"""A prior of one's own: an adapter trained on one's data, kept at its best, with a card that says how.

The base is the tiny one (every layer turns, and the condition encoder learns with the adapter, as
`idto3d.train.guidance` trains the shipped ones) or a Stable Diffusion folder (attention alone turns, the text
encoder stays). The base folder is only read.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from idto3d.errors import UserError
from idto3d.guidance.condition_encoder import ConditionEncoder
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.lora import (
    ALL_LAYERS,
    ATTENTION_LAYERS,
    add_lora,
    layers_of_share,
    lora_folder,
    save_lora,
    trainable_share,
)
from idto3d.guidance.sd15 import PAPER_RANK
from idto3d.train.denoising import heldout_loss, spread_rows
from idto3d.train.guidance import (
    ADAPTER_OPTIONS,
    EXPECTATION_SHARE,
    PICTURES,
    RANK,
    SHEET_EXPRESSIONS,
    adapter_encoder,
    fit_expectation,
    write_samples,
)
from idto3d.train.guidance_data import GuidanceData
from idto3d.train.guidance_loop import LoopOptions, LoopState, fit, half_type, halves
from idto3d.whole_file import write_whole

CARD = "card.json"
HELD_OUT_ROWS = 64  # pictures that the held-out loss is read on
# Stable Diffusion: uniform timesteps, and the weighting of a network that predicts noise. Rate and batch are
# ours, chosen to be gentle, not tuned.
ATTENTION_OPTIONS: dict[str, Any] = {
    "learning_rate": 1e-4,
    "batch": 4,
    "warm_up": 100,
    "ema_decay": 0.99,
    "quiet_share": 0.3,
    "quiet": 0.3,
    "floor": 0.0,
}
SHEET_PIXELS = 128  # smaller samples are enlarged to it
STATED_ELSEWHERE = "not stated; see the model's own licence"
OWN_BASE = "this project's own, trained from scratch; Apache-2.0 where it is the shipped one"


@dataclass(frozen=True)
class PriorOptions:
    """What a user chooses; None is the base's usual value."""

    minutes: float = 60.0
    patience: int = 5
    """Reports without a better held-out loss after which training ends."""
    report_minutes: float = 3.0
    seed: int = 0
    rank: int | None = None
    share: float | None = None
    """Of the base denoiser's parameters, at most so many are tuned, and the encoder stays the base's; chooses
    rank and layers."""
    batch: int | None = None
    learning_rate: float | None = None
    half: bool = True
    device: str = "auto"
    base_licence: str = ""
    steps: int | None = None
    """An upper bound of steps."""


Watch = Callable[[int, int], None]
"""Called after each step with seconds spent and seconds in all."""


def train_prior(
    base_folder: Path,
    data_folder: Path,
    prior: str,
    out_folder: Path,
    options: PriorOptions | None = None,
    *,
    fresh: bool = False,
    say: Callable[[str], None] = print,
    watch: Watch = lambda *_: None,
) -> dict[str, Any]:
    """Train the adapter `prior` of a base and write it, its samples and its card; the same call goes on.

    Every report writes a checkpoint, a sheet of held-out people and, where the held-out loss is the best so
    far, the adapter itself; training ends after the minutes or after `patience` reports without a better one.

    Args:
        base_folder: a model folder in diffusers' format; it is only read.
        data_folder: arrays of `idto3d.train.guidance_data`, from `idto3d-eval data prepare` or our own.
        prior: geometry (learns from normal maps) or texture (from shaded colour).
        out_folder: becomes a model folder that `Guidance.from_folder(out_folder, prior)` reads, with links to
            the base's parts; the base folder itself may be named.
        options: see `PriorOptions`.
        fresh: start over, whatever lies there.
        say: where lines of the log go.
        watch: see `Watch`.

    Returns:
        The card, as it lies in `lora_<prior>/card.json`.

    Raises:
        UserError: no base, no pictures of that kind, sizes that do not fit, a checkpoint or an adapter of
            another training in `out_folder`, or a loss that is no number.
    """
    options = options or PriorOptions()
    adapter = lora_folder(out_folder, prior)
    data = _open_data(data_folder, prior)
    guidance = Guidance.from_folder(base_folder, device=_device(options.device))
    data.check_resolution(guidance.resolution)
    told = _settings(base_folder, data_folder, data, guidance, options)
    done = _what_lies_there(adapter, _checkpoint(out_folder, prior), told, options, fresh)
    if done is not None:
        say(f"Finished already: {adapter / CARD}; ask for more --minutes or --patience to go on.")
        return done
    if fresh:
        shutil.rmtree(adapter, ignore_errors=True)
    link_base(base_folder, out_folder)
    torch.manual_seed(options.seed)
    parameters, encoders = _adapt(guidance, told)
    share = trainable_share(guidance.unet, *encoders)
    say(f"{prior}: trainable share {share:.2%} of the base denoiser, {len(data.train):,} pictures")
    loop = _loop_options(isinstance(guidance.encoder, ConditionEncoder), told, options)
    total = round(60 * options.minutes)
    checkpoint = _checkpoint(out_folder, prior)
    begun = checkpoint.with_suffix(".json")
    spent = 0.0
    if encoders:
        # Longer minutes on resume go to the adapter: its checkpoint holds the encoder already.
        before = json.loads(begun.read_text()) if begun.is_file() and not fresh else {}
        spent = before.get("expectation_minutes", EXPECTATION_SHARE * options.minutes)
    _write_json(begun, {**told, "expectation_minutes": spent})
    if encoders:
        few = {"batch": loop.batch, "half": loop.half, **({"steps": loop.steps} if loop.steps else {})}
        expected = checkpoint.with_name(f"prior_{prior}_expected.pt")
        fit_expectation(
            guidance, data, expected, spent / EXPECTATION_SHARE, options.seed, not fresh, few,
            say=say, watch=lambda state: watch(int(state.seconds), total),
        )  # fmt: skip
        for encoder in encoders:
            encoder.hold_face()
        parameters = [parameter for parameter in parameters if parameter.requires_grad]
    rows = spread_rows(data, HELD_OUT_ROWS)

    def report(state: LoopState) -> dict[str, Any]:
        loss = heldout_loss(guidance, data, rows, loop.floor)
        if math.isfinite(loss) and loss < _best(state)[1]:
            save_lora(guidance.unet, out_folder, prior)
            for encoder in encoders:
                encoder.save_pretrained(adapter / "condition_encoder")
        _draw(guidance, data, checkpoint.with_name(f"prior_{prior}_{state.step:06d}.png"))
        return {"heldout": round(loss, 7)}

    state = fit(
        guidance,
        parameters,
        data,
        checkpoint,
        replace(loop, minutes=options.minutes - spent),
        resume=not fresh,
        report=report,
        say=say,
        stop=lambda state: _since_best(state) >= options.patience,
        watch=lambda state: watch(int(60 * spent + state.seconds), total),
    )
    if not math.isfinite(_best(state)[1]):
        raise UserError(
            f"Found no finite held-out loss in {len(state.log)} reports, expected numbers; give --fresh and "
            "a lower --learning-rate."
        )
    card = {
        "schema": 1,
        "prior": prior,
        "pictures": PICTURES[prior],
        **told,
        **_people(data_folder, data),
        "trainable_share": share,
        "precision": _precision(guidance, options.half),
        "device": str(guidance.device),
        "licences": _licences(base_folder, data_folder, options.base_licence),
        **_ended(state, spent, options),
    }
    _write_json(adapter / "trainable_share.json", {"trainable_share": share})
    _write_json(adapter / CARD, card)
    return card


def link_base(base_folder: Path, out_folder: Path, leave: Collection[str] = ()) -> None:
    """Make `out_folder` a model folder by links to the base's parts (copies where links are refused), but
    those to leave out."""
    out_folder.mkdir(parents=True, exist_ok=True)
    if base_folder.resolve() == out_folder.resolve():
        return
    for part in sorted(base_folder.iterdir()):
        target = out_folder / part.name
        if part.name.startswith("lora_") or part.name in {"training", *leave} or target.exists():
            continue
        try:
            target.symlink_to(part.resolve())
        except OSError:
            (shutil.copytree if part.is_dir() else shutil.copy)(part, target)


def base_sha256(folder: Path) -> str:
    """Hash over the denoiser's weight files, in the order of their names."""
    found = hashlib.sha256()
    for path in sorted((folder / "unet").glob("*.safetensors")):
        found.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    return found.hexdigest()


def _adapt(guidance: Guidance, told: dict[str, Any]) -> tuple[list[nn.Parameter], list[ConditionEncoder]]:
    """Add the adapter; returns all that learns, and the condition encoder where it learns with it."""
    rank = told["rank"]
    if "share" in told:
        return add_lora(guidance.unet, rank=rank, targets=tuple(told["layers"])), []
    if not isinstance(guidance.encoder, ConditionEncoder):
        return add_lora(guidance.unet, rank=rank, targets=ATTENTION_LAYERS), []
    parameters = add_lora(guidance.unet, rank=rank, targets=ALL_LAYERS)
    encoder = adapter_encoder(guidance, guidance.encoder.config.identity_dimension)
    guidance.encoder = encoder
    encoder.train().requires_grad_(True)
    return [*parameters, *encoder.parameters()], [encoder]


def _loop_options(own_words: bool, told: dict[str, Any], options: PriorOptions) -> LoopOptions:
    usual = ADAPTER_OPTIONS if own_words else ATTENTION_OPTIONS
    asked = {
        "batch": told["batch"],
        "learning_rate": told["learning_rate"],
        "report_every": 60 * options.report_minutes,
        "half": options.half,
        "steps": options.steps,
    }
    return LoopOptions(minutes=options.minutes, seed=options.seed, **{**usual, **asked})


def _open_data(folder: Path, prior: str) -> GuidanceData:
    kind = PICTURES[prior]
    if (folder / "data.json").is_file() and not (folder / f"{kind}.npy").is_file():
        what = "normal maps" if kind == "normals" else f"{kind} pictures"
        raise UserError(
            f"Found no {what} in '{folder}', expected them for the {prior} prior; prepare the data again "
            "with --normals-model, or with normal maps beside the pictures."
        )
    data = GuidanceData.open(folder, kind)
    for name, rows in (("train", data.train), ("held-out", data.heldout)):
        if not len(rows):
            raise UserError(
                f"Found no {name} pictures of kind '{kind}' in '{folder}', expected some; add people."
            )
    return data


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("Found no CUDA device, expected one for --device cuda; use --device cpu or auto.")
    return name


def _settings(
    base_folder: Path, data_folder: Path, data: GuidanceData, guidance: Guidance, options: PriorOptions
) -> dict[str, Any]:
    """What must be the same for a checkpoint to go on.

    Raises:
        UserError: a rank and a share, or a share that holds nothing.
    """
    own_words = isinstance(guidance.encoder, ConditionEncoder)
    usual = ADAPTER_OPTIONS if own_words else ATTENTION_OPTIONS
    adapter: dict[str, Any] = {
        "rank": options.rank or (RANK if own_words else PAPER_RANK),
        "layers": "all, and the condition encoder" if own_words else "attention",
    }
    if options.share is not None:
        if options.rank is not None:
            raise UserError("Found --rank beside --share, expected one of them: a share chooses its rank.")
        rank, layers = layers_of_share(guidance.unet, options.share)
        adapter = {"rank": rank, "layers": list(layers), "share": options.share}
    return {
        "base": base_folder.name,
        "base_sha256": base_sha256(base_folder),
        "data": data_folder.name,
        "rows": {"train": len(data.train), "heldout": len(data.heldout)},
        **adapter,
        "batch": options.batch or usual["batch"],
        "learning_rate": options.learning_rate or usual["learning_rate"],
        "seed": options.seed,
    }


def _what_lies_there(
    adapter: Path, checkpoint: Path, told: dict[str, Any], options: PriorOptions, fresh: bool
) -> dict[str, Any] | None:
    """The card of this very training where it has ended; None where there is something to do."""
    if fresh:
        return None
    begun = checkpoint.with_suffix(".json")
    if not begun.is_file():
        if adapter.is_dir():
            raise UserError(
                f"Found an adapter of another training in '{adapter}', expected an empty place; name another "
                "--out, or give --fresh to replace it."
            )
        return None
    before = json.loads(begun.read_text())
    changed = [name for name, value in told.items() if before.get(name) != value]
    if changed:
        name = changed[0]
        raise UserError(
            f"Found a training with {name} {before.get(name)} in '{checkpoint.parent}', expected "
            f"{told[name]}; name another --out, or give --fresh to start over."
        )
    if not (adapter / CARD).is_file():
        return None
    card: dict[str, Any] = json.loads((adapter / CARD).read_text())
    exhausted = card["stopped_early"] and options.patience <= card["patience"]
    return card if exhausted or options.minutes <= card["asked_minutes"] else None


def _best(state: LoopState) -> tuple[int, float]:
    """Step and held-out loss of the best report so far; infinite where there is none."""
    reports = [(entry["heldout"], entry["step"]) for entry in state.log if math.isfinite(entry["heldout"])]
    loss, step = min(reports, default=(math.inf, 0))
    return step, loss


def _since_best(state: LoopState) -> int:
    """How many reports came after the best one."""
    losses = [entry["heldout"] if math.isfinite(entry["heldout"]) else math.inf for entry in state.log]
    return len(losses) - 1 - int(np.argmin(losses)) if losses else 0


def _draw(guidance: Guidance, data: GuidanceData, path: Path) -> None:
    small = guidance.resolution <= SHEET_PIXELS
    write_samples(
        guidance,
        data,
        path,
        people=4 if small else 2,
        steps=8 if small else 20,
        zoom=max(1, SHEET_PIXELS // guidance.resolution),
        expressions=SHEET_EXPRESSIONS if small else SHEET_EXPRESSIONS[:2],
    )


def _checkpoint(out_folder: Path, prior: str) -> Path:
    return out_folder / "training" / f"prior_{prior}.pt"


def _ended(state: LoopState, spent: float, options: PriorOptions) -> dict[str, Any]:
    """How the training went: steps, minutes (`spent` of them before the loop), and its best report."""
    step, best = _best(state)
    return {
        "steps": state.step,
        "minutes": round(state.seconds / 60 + spent, 2),
        "asked_minutes": options.minutes,
        "patience": options.patience,
        "stopped_early": _since_best(state) >= options.patience,
        "best_step": step,
        "best_heldout_loss": best,
        "log": state.log,
    }


def _precision(guidance: Guidance, half: bool) -> str:
    kind = str(half_type(guidance.device)).removeprefix("torch.")
    return f"mixed, {kind}" if halves(guidance.device, half) else "float32"


def _people(data_folder: Path, data: GuidanceData) -> dict[str, Any]:
    described = data_folder / "data.json"
    facts = json.loads(described.read_text()) if described.is_file() else {"population": "synthetic"}
    return {
        "people": {
            "train": len(np.unique(data.person[data.train])),
            "heldout": len(np.unique(data.person[data.heldout])),
        },
        "population": facts["population"],
        "recogniser": facts.get("recogniser"),
    }


def _licences(base_folder: Path, data_folder: Path, base_licence: str) -> list[str]:
    index = json.loads((base_folder / "model_index.json").read_text())
    own = index.get("_class_name") == "IdentityDiffusion"
    base_licence = base_licence or (OWN_BASE if own else STATED_ELSEWHERE)
    described = data_folder / "data.json"
    of_data = (
        json.loads(described.read_text())["licences"]
        if described.is_file()
        else ["synthetic people drawn from Anny's axes (CC0); nobody is shown"]
    )
    return [f"base: {base_licence}", *(f"data: {line}" for line in of_data)]


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=1) + "\n")
