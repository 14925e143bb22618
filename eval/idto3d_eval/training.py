"""How each shipped network is made: which synthetic people's pictures, how many, and how long on two cores.

The pictures are drawn once into the cache folder and used by every later training of the same recipe.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from idto3d.errors import UserError
from idto3d.whole_file import write_whole
from idto3d_eval.keys import file_sha256
from idto3d_eval.share_training import SHARES, train_share
from idto3d_eval.single import shipped_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Told = Callable[[str, int, int], None]
"""Called with (what is being drawn, people done, people in all)."""


@dataclass(frozen=True)
class DataRecipe:
    """One set of pictures: `photos` of each of `people` people of a split, from number `start` on.

    What is of the kind "heads" is used as it is drawn and leaves nothing in the cache.
    """

    kind: Literal["faces", "readers", "renders", "portraits", "views", "likenesses", "heads"]
    split: str
    people: int
    photos: int
    start: int = 0

    @property
    def folder(self) -> str:
        """The name of its folder in the cache; another recipe has another."""
        return f"{self.kind}-{self.split}-{self.start}-{self.people}x{self.photos}"


@dataclass(frozen=True)
class TrainingRecipe:
    """What one run of `idto3d-eval train` does."""

    summary: str
    module: Literal["recognisers", "readers", "guidance", "shares", "head_basis", "head_regression"]
    data: DataRecipe
    minutes: float
    """Training time on two cores, the drawing of pictures not counted."""
    seed: int | None = None
    """None is the module's own."""


FACES_A = DataRecipe("faces", "recogniser_a", people=11_000, photos=4)
LIKENESSES = DataRecipe("likenesses", "recogniser_a", people=11_000, photos=1)
FACES_B = DataRecipe("faces", "recogniser_b", people=1400, photos=10)
CROPS = DataRecipe("readers", "readers", people=2000, photos=8)
RENDERS = DataRecipe("renders", "readers", people=3000, photos=13, start=2000)  # of further people
VIEWS = DataRecipe("views", "guidance", people=4500, photos=6)
GUIDANCE_FACES = DataRecipe("faces", "guidance", people=4500, photos=4)
FEW_VIEWS = replace(VIEWS, people=600)  # that shares are compared on
# A linear basis knows few people, as those that are handed around do.
BASIS_HEADS = DataRecipe("heads", "guidance", people=200, photos=0)
BASIS_PHOTOS = DataRecipe("heads", "guidance", people=200, photos=4)
VALIDATION_LIKENESSES = DataRecipe("likenesses", "validation", people=100, photos=1)
VALIDATION = {
    "recognisers": DataRecipe("faces", "validation", people=100, photos=10),
    "readers": DataRecipe("readers", "validation", people=100, photos=10),
}

# Held-out people beyond those of the protocols: what the cards say is measured on them.
HELD_OUT = {
    "recognisers": DataRecipe("faces", "heldout", people=200, photos=10, start=1000),
    "readers": DataRecipe("portraits", "heldout", people=100, photos=13, start=1000),
}

TRAININGS: dict[str, TrainingRecipe] = {
    "recogniser_a": TrainingRecipe("ArcFace, conditions the methods", "recognisers", FACES_A, 74),
    "recogniser_b": TrainingRecipe("CosFace, scores", "recognisers", FACES_B, 16),
    "reader_methods": TrainingRecipe("landmarks, expression, attributes for methods", "readers", CROPS, 14),
    "reader_scoring": TrainingRecipe("the same for scoring, on other people", "readers", CROPS, 60),
    "base": TrainingRecipe("the diffusion base, on photographs", "guidance", VIEWS, 60, 0),
    "words": TrainingRecipe("which way a prompt's words move an identity", "guidance", VIEWS, 0),
    "geometry": TrainingRecipe("its LoRA on normals", "guidance", VIEWS, 40, 0),
    "texture": TrainingRecipe("its LoRA on shaded colour", "guidance", VIEWS, 40, 0),
    **{
        name: TrainingRecipe(f"both LoRAs, {share:g} % tuned, for efficiency", "shares", FEW_VIEWS, 60)
        for name, share in SHARES.items()
    },
    "head_basis": TrainingRecipe("a linear basis of heads, for baselines", "head_basis", BASIS_HEADS, 0),
    "feed_forward": TrainingRecipe(
        "from an embedding to heads of that basis", "head_regression", BASIS_PHOTOS, 0
    ),
}


def train_network(
    name: str,
    out: Path,
    *,
    minutes: float | None = None,
    fresh: bool = False,
    start: Path | None = None,
    threads: int = 2,
    told: Told | None = None,
) -> Path:
    """Draws what the recipe needs and trains the network; the same call again goes on from its checkpoint.

    Args:
        name: a name in `TRAININGS`.
        out: folder of weights that the network is written to.
        minutes: training time; the recipe's by default.
        fresh: start over, whatever checkpoint is there.
        start: folder of weights whose guidance, or recogniser's checkpoint, a new one starts from, instead of
            from nothing.
        threads: processor threads of the training, and processes of the drawing.
        told: called while pictures are drawn.

    Returns:
        The weight file or, for guidance, the model folder.

    Raises:
        UserError: an unknown name, or a LoRA whose base has not been trained into `out`.
    """
    if name not in TRAININGS:
        raise UserError(f"Found no training called {name!r}, expected one of {', '.join(TRAININGS)}.")
    recipe = TRAININGS[name]
    spent = recipe.minutes if minutes is None else minutes
    if recipe.module == "guidance":
        return _train_guidance(name, recipe, out / "guidance", spent, fresh, start, threads, told)
    if recipe.module == "shares":
        views = draw_data(recipe.data, threads, told)
        _embed_people(
            views, shipped_weights(), threads, told, replace(GUIDANCE_FACES, people=recipe.data.people)
        )
        return train_share(name, views, out / name, minutes=spent, fresh=fresh, threads=threads)
    if recipe.data.kind == "heads":
        return _learn_heads(recipe, out, told)
    data = draw_data(recipe.data, threads, told)
    validation = draw_data(VALIDATION[recipe.module], threads, told)
    out.mkdir(parents=True, exist_ok=True)
    asked: dict[str, Any] = {
        "minutes": spent,
        "seed": recipe.seed,
        "resume": not fresh,
        "validation_folder": validation,
        "threads": threads,
    }
    if recipe.module == "recognisers":
        from idto3d.train.recognisers import train_recogniser

        if name == "recogniser_a":
            folders = (draw_data(LIKENESSES, threads, told), draw_data(VALIDATION_LIKENESSES, threads, told))
            asked["likeness_folders"] = folders
        asked["start"] = start
        return train_recogniser(name, data, out, **asked)
    from idto3d.train.readers import train_reader

    # Methods read photographs; heads are read on renders.
    renders = draw_data(RENDERS, threads, told) if name == "reader_scoring" else None
    return train_reader(name, data, out, renders_folder=renders, **asked)


def measure_network(name: str, weights: Path, told: Told | None = None) -> dict[str, object]:
    """Measures a recogniser or a reader on held-out people and writes the figures into its card.

    Raises:
        UserError: an unknown name, or no such weights.
    """
    from idto3d.train.measure import measure_reader, measure_recogniser

    known = [key for key, recipe in TRAININGS.items() if recipe.module in HELD_OUT]
    if name not in known:
        raise UserError(f"Found no recogniser or reader called {name!r}, expected one of {', '.join(known)}.")
    path = weights / f"{name}.onnx"
    if not path.is_file():
        raise UserError(f"Found no {path.name} in '{weights}', expected a trained network; train it first.")
    module = TRAININGS[name].module
    data = draw_data(HELD_OUT[module], 2, told)
    return (measure_recogniser if module == "recognisers" else measure_reader)(path, data)


def draw_data(recipe: DataRecipe, workers: int, told: Told | None = None) -> Path:
    """The folder of a recipe's arrays in the cache, drawn first if they are not there."""
    from idto3d.cache import cache_folder
    from idto3d.population.dataset import make_dataset

    def advance(done: int, total: int) -> None:
        if told is not None:
            told(recipe.folder, done, total)

    return make_dataset(
        recipe.kind,
        recipe.split,
        recipe.people,
        recipe.photos,
        cache_folder() / "data" / recipe.folder,
        start=recipe.start,
        workers=workers,
        progress=advance,
    )


def draw_guidance_data(weights: Path, workers: int, told: Told | None = None) -> Path:
    """The folder of guidance's own pictures; embeds their people by recogniser A where that is to be done."""
    data = draw_data(VIEWS, workers, told)
    _embed_people(data, weights, workers, told)
    return data


def _learn_heads(recipe: TrainingRecipe, out: Path, told: Told | None) -> Path:
    """The linear basis of heads, or the map from embeddings to it: solved, whatever time is given."""

    def advance(done: int, total: int) -> None:
        if told is not None:
            told(recipe.module.replace("_", " "), done, total)

    if recipe.module == "head_basis":
        from idto3d.train.head_basis import train_head_basis

        return train_head_basis(out, recipe.data.people, advance)
    from idto3d.train.head_regression import train_head_regression

    return train_head_regression(out, shipped_weights(), recipe.data.people, advance)


def _train_guidance(
    name: str,
    recipe: TrainingRecipe,
    out: Path,
    minutes: float,
    fresh: bool,
    start: Path | None,
    threads: int,
    told: Told | None,
) -> Path:
    """The base, or one of its adapters, in `out`; recogniser A embeds its people first."""
    import torch

    from idto3d.train.guidance import fit_words, train_base, train_lora

    if name != "base" and not (out / "model_index.json").is_file():
        raise UserError(f"Found no base model in {out}, expected one to adapt; train it first: train base.")
    data = draw_data(recipe.data, threads, told)
    _embed_people(data, out.parent, threads, told)
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    seed = recipe.seed or 0
    begun = None if start is None else start / "guidance"
    if name == "words":
        fit_words(data, out)
        return out
    asked: dict[str, Any] = {"minutes": minutes, "seed": seed, "resume": not fresh, "start": begun}
    if start is not None and file_sha256(_recogniser_a(start)) != file_sha256(_recogniser_a(out.parent)):
        faces = draw_data(GUIDANCE_FACES, threads, told)
        asked["translation"] = _translation(data, faces, start)
    if name == "base":
        train_base(data, out, **asked)
    else:
        train_lora(name, data, out, **asked)
    return out


def _embed_people(
    views: Path, weights: Path, workers: int, told: Told | None, photographs: DataRecipe = GUIDANCE_FACES
) -> None:
    """Writes `embeddings.npy` [people, photos, D] beside the views: their people's photos, read by A; where
    this very recogniser wrote them before, they stay."""
    import numpy as np

    by, recogniser = views / "embedded_by", file_sha256(_recogniser_a(weights))
    if by.is_file() and by.read_text() == recogniser and (views / "embeddings.npy").is_file():
        return
    faces = draw_data(photographs, workers, told)
    embedded = _embedded(faces, weights)
    people = len(np.unique(np.load(faces / "person.npy", allow_pickle=False)))  # in runs of one person
    content = io.BytesIO()
    np.save(content, embedded.reshape(people, -1, embedded.shape[1]).astype(np.float32))
    by.unlink(missing_ok=True)
    write_whole(views / "embeddings.npy", content.getvalue())
    write_whole(by, recogniser)


def _recogniser_a(weights: Path) -> Path:
    """The recogniser A among `weights`, or else the shipped one."""
    own = weights / "recogniser_a.onnx"
    return own if own.is_file() else shipped_weights() / "recogniser_a.onnx"


def _translation(views: Path, faces: Path, start: Path) -> Tensor:
    """What turns the embeddings beside the views into those of the recogniser among `start`'s weights."""
    import numpy as np

    from idto3d.train.guidance import translation_between

    own = np.load(views / "embeddings.npy", allow_pickle=False)  # [people, photos, D]
    return translation_between(own.reshape(-1, own.shape[2]), _embedded(faces, start))


def _embedded(faces: Path, weights: Path) -> NDArray[np.float32]:
    """Embeddings [N, D] of photos by the recogniser A among `weights`, or else by the shipped one."""
    import numpy as np

    from idto3d.identity.recogniser import load_recogniser

    recogniser = load_recogniser(_recogniser_a(weights))
    aligned = np.load(faces / "aligned.npy", mmap_mode="r", allow_pickle=False)  # [N, 112, 112, 3] uint8
    return np.concatenate([recogniser.embed(np.asarray(rows)) for rows in np.array_split(aligned, 64)])
