"""How like the people that networks were trained on somebody is: the nearest of them, in the eyes of the
recogniser that scores and conditions nothing, and whether it lies below that recogniser's FAR 1e-3 threshold.

Everybody is a template of as many photos as a protocol scores with. The threshold is measured on pairs of the
very training people that are compared, templates of different people. Among N training people, N / 1000 pass
it by chance: who is like somebody need not have been seen, and cannot be called verified.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from idto3d.whole_file import write_whole
from idto3d_eval.keys import content_key, file_sha256
from idto3d_eval.leaks import TrainingList, training_lists
from idto3d_eval.stages import scores_only
from idto3d_protocols.schema import Protocol

if TYPE_CHECKING:
    from idto3d_eval.features import ScoringModels

FAR = 1e-3
LEAST_PAIRS = 10 / FAR  # of different people, as for every TAR at a FAR
NEAREST_FILE = "leaks.json"
Templates = NDArray[np.float32]
Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Nearest:
    """The training person that somebody is most like.

    Attributes:
        person: their id; similarity: cosine of the two templates, NaN where no photo could be read.
        threshold: at FAR 1e-3, NaN where too few pairs were there.
        compared, of: how many training people were compared, of how many there are.
    """

    person: str
    similarity: float
    threshold: float
    compared: int
    of: int

    @property
    def below(self) -> bool:
        """Whether they are less like each other than a thousandth of strangers are."""
        return self.similarity < self.threshold


def measure_nearest(
    protocol: Protocol, weights: Path, people: int, told: Told | None = None
) -> dict[str, Nearest]:
    """The nearest training person of each of a protocol's people.

    Args:
        protocol: its population must be synthetic, or the people's photos must have been added.
        weights: folder of weights; lists of the networks in it that do not score count.
        people: how many of each split are compared, evenly spread over its numbers; 0 for all. Their
            templates are kept in the cache.
        told: called with (what, people done, people in all).
    """
    from idto3d_eval.features import load_scoring_models

    models = load_scoring_models(weights)
    sha, photos = file_sha256(weights / "recogniser_b.onnx"), protocol.population.scoring_photos
    ids: list[str] = []
    parts: list[Templates] = []
    total = 0
    for split, (first, count) in sorted(training_range(weights).items()):
        total += count
        step = 1.0 if people == 0 else max(1.0, count / people)
        numbers = [first + int(k * step) for k in range(math.ceil(count / step))]
        ids += [f"{split}-{number:04d}" for number in numbers]
        parts.append(_training_templates(split, numbers, photos, models, sha, told))
    trained = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    threshold = stranger_threshold(trained)
    own = {name: _own_template(protocol, name, models) for name in protocol.population.identities}
    return {name: _nearest(name, template, ids, trained, threshold, total) for name, template in own.items()}


def training_range(weights: Path) -> dict[str, tuple[int, int]]:
    """Split -> first number and count of the people that any network which does not score was trained on."""
    lists: Iterable[TrainingList] = (
        each for name, told in training_lists(weights).items() if not scores_only(name) for each in told or ()
    )
    found: dict[str, tuple[int, int]] = {}
    for each in lists:
        first, end = each.first, each.first + each.people
        if each.split in found:
            before = found[each.split]
            first, end = min(first, before[0]), max(end, sum(before))
        found[each.split] = (first, end - first)
    return found


def stranger_threshold(templates: Templates) -> float:
    """The cosine that a thousandth of pairs of different people pass; NaN below 10,000 pairs.

    Args:
        templates: [N, D] unit rows, one a person; rows of NaN are left out.
    """
    valid = templates[np.isfinite(templates).all(axis=1)].astype(np.float64)
    pairs = (valid @ valid.T)[np.triu_indices(len(valid), 1)]
    if pairs.size < LEAST_PAIRS:
        return math.nan
    return float(np.partition(pairs, -int(FAR * pairs.size) - 1)[-int(FAR * pairs.size) - 1])


def write_nearest(run: Path, nearest: Mapping[str, Nearest]) -> None:
    """Put the figures into a run's folder, where its next report finds them."""
    told = {name: {**asdict(found), **_plain(found)} for name, found in nearest.items()}
    write_whole(run / NEAREST_FILE, json.dumps(told, indent=1) + "\n")


def read_nearest(run: Path) -> dict[str, Nearest]:
    """What `write_nearest` wrote; nothing where it was not, or cannot be read."""
    try:
        told = json.loads((run / NEAREST_FILE).read_text(encoding="utf-8"))
        return {name: _read(found) for name, found in told.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return {}


def _read(told: Mapping[str, Any]) -> Nearest:
    similarity, threshold = (
        math.nan if told[name] is None else float(told[name]) for name in ("similarity", "threshold")
    )
    return Nearest(str(told["person"]), similarity, threshold, int(told["compared"]), int(told["of"]))


def _plain(found: Nearest) -> dict[str, float | None]:
    numbers = {"similarity": found.similarity, "threshold": found.threshold}
    return {name: None if math.isnan(number) else number for name, number in numbers.items()}


def _nearest(
    name: str, template: Templates, ids: list[str], trained: Templates, threshold: float, total: int
) -> Nearest:
    similarity = trained @ template if len(trained) else np.zeros(0)
    for number, other in enumerate(ids):
        if other == name:  # a seen person is not their own neighbour
            similarity[number] = np.nan
    if not np.isfinite(similarity).any():
        return Nearest("", math.nan, threshold, len(ids), total)
    best = int(np.nanargmax(similarity))
    return Nearest(ids[best], float(similarity[best]), threshold, len(ids), total)


def _own_template(protocol: Protocol, name: str, models: ScoringModels) -> Templates:
    """A person's template from the photos that score them."""
    from idto3d.identity.photo import read_photo
    from idto3d.population.people import find_person
    from idto3d.population.photos import draw_photo
    from idto3d_eval.added_identities import added_identity
    from idto3d_eval.features import read_images
    from idto3d_eval.metrics.retrieval import template
    from idto3d_eval.reading_stages import SCORING
    from idto3d_eval.stages import FIRST_SCORING_PHOTO

    population = protocol.population
    if population.label == "synthetic":
        person = find_person(name, population.population_seed)
        numbers = range(FIRST_SCORING_PHOTO, FIRST_SCORING_PHOTO + population.scoring_photos)
        images = [draw_photo(person, number).image for number in numbers]
    else:
        folder = added_identity(name).path / SCORING
        images = [read_photo(path) for path in sorted(folder.iterdir())[: population.scoring_photos]]
    return np.asarray(template(read_images(images, models).embeddings), np.float32)


def _training_templates(
    split: str, numbers: list[int], photos: int, models: ScoringModels, sha: str, told: Told | None
) -> Templates:
    """Templates [N, D] of training people, from the cache or drawn and read once."""
    from idto3d.cache import cache_folder
    from idto3d.population.people import draw_person
    from idto3d.population.photos import draw_photo
    from idto3d_eval.features import read_images
    from idto3d_eval.metrics.retrieval import template

    key = content_key([split, numbers, photos, sha])[:24]
    path = cache_folder() / "training-templates" / f"{split}-{key}.npy"
    if path.is_file():
        stored: Any = np.load(path, allow_pickle=False)
        if stored.shape[0] == len(numbers):
            return np.asarray(stored, np.float32)
    rows = []
    for done, number in enumerate(numbers):
        person = draw_person(split, number)
        images = [draw_photo(person, photo).image for photo in range(photos)]
        rows.append(template(read_images(images, models).embeddings))
        if told is not None:
            told(f"training people of {split}", done + 1, len(numbers))
    made = np.asarray(np.stack(rows), np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{content_key([key, id(rows)])[:8]}.npy")
    np.save(partial, made, allow_pickle=False)
    partial.replace(path)
    return made
