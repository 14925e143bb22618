"""Heads that benchmarks make of validation people: each made once, under a key of all that can change it.

As a program it makes one head in a process of its own, with the thread count that the environment pins:

    python -m idto3d_eval.bench.made_heads ROOT WEIGHTS < order.json
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d.errors import UserError
from idto3d_eval.code_version import code_version, library_versions
from idto3d_eval.executor import THREAD_VARIABLES
from idto3d_eval.keys import content_key, file_sha256, weights_sha256
from idto3d_eval.stages import FIRST_SCORING_PHOTO, JPEG_QUALITY, makes_heads

if TYPE_CHECKING:
    from idto3d.population.people import Person

Progress = Callable[[int, int, str], None]
Told = Callable[[str, int, int], None]

SPLIT = "validation"  # benchmarks choose nothing on held-out people
PHOTOS = 4  # to condition on, and as many to score against, as the protocols have them
METHOD = "id_to_3d"


@dataclass(frozen=True)
class Order:
    """A head to make; everything that may differ between two heads of a benchmark.

    `repeat` tells apart heads that should come out the same.
    """

    person: int
    expressions: tuple[str, ...] = ("neutral",)
    prompt: str = ""
    loudness: float | None = None
    geometry_steps: int = 0
    texture_steps: int = 0
    seed: int = 0
    threads: int = 1
    repeat: int = 0


def parse_steps(text: str | None) -> tuple[int, int]:
    """Steps of both stages from "GEOMETRY,TEXTURE"; those of unseen_ids for None.

    Raises:
        UserError: not two whole numbers.
    """
    from idto3d_protocols.loader import load_protocol

    if text is None:
        budget = load_protocol("unseen_ids").budget
        return budget.geometry_steps, budget.texture_steps
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise UserError(f"Found steps {text!r}, expected two whole numbers such as 140,200.")
    return int(parts[0]), int(parts[1])


def sitter(index: int) -> Person:
    """The index-th person of the validation set."""
    from idto3d.population.people import draw_person

    return draw_person(SPLIT, index)


def conditioning_photos(person: Person, root: Path) -> tuple[Path, ...]:
    """Photos that a person's heads are made from, drawn into `root` where they are not there yet."""
    return _photos(person, root, range(PHOTOS))


def scoring_photos(person: Person, root: Path) -> tuple[Path, ...]:
    """Photos that a person's heads are scored against: none that a head is made from."""
    return _photos(person, root, range(FIRST_SCORING_PHOTO, FIRST_SCORING_PHOTO + PHOTOS))


def head_folder(order: Order, root: Path, weights: Path) -> Path:
    """Where an order's head lies, or will; another one for anything that can change it."""
    photos = {path.name: file_sha256(path) for path in conditioning_photos(sitter(order.person), root)}
    files = [path for path in sorted(weights.rglob("*")) if path.is_file() and makes_heads(path.name)]
    key = content_key(
        {
            "order": asdict(order),
            "photos": photos,
            "weights": weights_sha256(files),
            "code": code_version(f"idto3d_baselines.{METHOD}:generate"),
            "libraries": library_versions(),
        }
    )
    return root / "heads" / f"{sitter(order.person).id}-{key[:16]}"


def make_head(order: Order, root: Path, weights: Path, progress: Progress | None = None) -> Path:
    """The HeadAsset folder of an order, made in this process unless it is there.

    Args:
        order: which head.
        root: the benchmark's folder.
        weights: folder of weights.
        progress: called with steps done, steps in all, and the stage's name.
    """
    import torch

    from idto3d_baselines.specs import GenerateRequest, method_spec
    from idto3d_protocols.loader import load_protocol

    out = head_folder(order, root, weights)
    if (out / "asset.json").is_file():
        return out
    torch.set_num_threads(order.threads)
    budget = load_protocol("unseen_ids").budget.model_copy(
        update={
            "geometry_steps": order.geometry_steps,
            "texture_steps": order.texture_steps,
            "threads": order.threads,
        }
    )
    method_spec(METHOD).load()(
        GenerateRequest(
            identity=sitter(order.person).id,
            photos=conditioning_photos(sitter(order.person), root),
            expressions=order.expressions,
            seed=order.seed,
            budget=budget,
            weights=weights,
            out=out,
            parameters={} if order.loudness is None else {"prompt_loudness": order.loudness},
            progress=progress,
            prompt=order.prompt,
        )
    )
    return out


def make_head_apart(order: Order, root: Path, weights: Path) -> Path:
    """As `make_head`, in a new process that starts with the order's thread count.

    Raises:
        UserError: the process failed; the last line that it wrote is told.
    """
    out = head_folder(order, root, weights)
    if (out / "asset.json").is_file():
        return out
    command = [sys.executable, "-m", "idto3d_eval.bench.made_heads", str(root), str(weights)]
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(order.threads))}
    done = subprocess.run(
        command, input=json.dumps(asdict(order)), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise UserError(f"Found that making {out.name} failed ({last}), expected a head; mend that first.")
    return out


def staged(told: Told, what: str) -> Progress:
    """A progress callback that tells of each stage of `what` as a bar of its own."""
    return lambda done, total, stage: told(f"{what}: {stage}", done, total)


def _photos(person: Person, root: Path, numbers: range) -> tuple[Path, ...]:
    from PIL import Image

    from idto3d.population.photos import draw_photo

    folder = root / "photos" / person.id
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"{number:04d}.jpg" for number in numbers)
    for number, path in zip(numbers, paths, strict=True):
        if not path.is_file():
            partial = path.with_suffix(".partial")
            image = Image.fromarray(draw_photo(person, number).image)
            image.save(partial, "JPEG", quality=JPEG_QUALITY, subsampling=0)
            partial.replace(path)
    return paths


def _order(text: str) -> Order:
    fields: dict[str, Any] = json.loads(text)
    return Order(**{**fields, "expressions": tuple(fields["expressions"])})


if __name__ == "__main__":
    make_head(_order(sys.stdin.read()), Path(sys.argv[1]), Path(sys.argv[2]))
