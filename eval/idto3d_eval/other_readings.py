"""Stages in which another recogniser reads what the scoring one has read, on the same aligned crops.

They are jobs of their own, so that listing one more recogniser reads with it alone and leaves the scoring
networks' readings, and all keys of theirs, as they are.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from idto3d_eval.reading_stages import (
    FEATURES_FILE,
    VIEWS,
    gallery_read_with,
    photos_read_with,
    reference_read_with,
)
from idto3d_eval.stage import Facts, Stage, StageCall

if TYPE_CHECKING:
    from idto3d.identity.recogniser import Recogniser
    from idto3d_eval.features import HeadFeatures, ScoringModels

RECOGNISER = "recogniser"  # the parameter that names it


def read_views_by(call: StageCall) -> Facts | None:
    """Embeds the faces in a head's views where the scoring reader found their landmarks."""
    from idto3d_eval.features import load_features

    views, features = _view_inputs(call)
    found = embed_views(views, load_features(features / FEATURES_FILE), _recogniser(call))
    with (call.out / FEATURES_FILE).open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            expressions=np.array(found.expressions),
            views=np.array(found.views),
            embeddings=found.embeddings,
            cards=np.array(json.dumps(found.cards, sort_keys=True)),
        )
    return None


def embed_views(views: Path, features: HeadFeatures, recogniser: Recogniser) -> HeadFeatures:
    """A head's readings with the embeddings of another recogniser.

    Args:
        views: what `idto3d_eval.views` wrote.
        features: readings of those views; its landmarks say where the faces are.
        recogniser: what embeds the aligned crops.

    Returns:
        The same readings with its embeddings, NaN where no face was read.
    """
    from idto3d.identity.align import align
    from idto3d_eval.features import CROP
    from idto3d_eval.views import read_views

    rendered = read_views(views)
    cells = np.argwhere(np.isfinite(features.landmarks).all(axis=(2, 3)))  # [K, 2] expression, view
    crops = [
        align(rendered.colour(features.expressions[e], features.views[v]), features.landmarks[e, v])
        for e, v in cells
    ]
    # Without any face, an empty crop still tells how long an embedding is.
    embedded = recogniser.embed(np.stack(crops or [np.zeros(CROP, dtype=np.uint8)]))
    embeddings = np.full((*features.landmarks.shape[:2], embedded.shape[1]), np.nan, dtype=np.float32)
    embeddings[cells[:, 0], cells[:, 1]] = embedded[: len(cells)]
    cards = {**features.cards, "recogniser": recogniser.card.model_dump(mode="json")}
    return replace(features, embeddings=embeddings, cards=cards)


def load_embeddings(path: Path, features: HeadFeatures) -> HeadFeatures:
    """What `read_views_by` wrote, laid into the readings that it was read with.

    Raises:
        UserError: the file is missing or damaged, or of other views.
    """
    from idto3d.errors import UserError

    try:
        with np.load(path, allow_pickle=False) as stored:
            names = tuple(str(name) for name in (*stored["expressions"], *stored["views"]))
            embeddings, cards = stored["embeddings"], json.loads(str(stored["cards"]))
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise UserError(f"Found no readable embeddings at {path} ({error}); read them again.") from error
    if names != (*features.expressions, *features.views):
        raise UserError(f"Found embeddings of other views at {path}, expected the head's; read them again.")
    return replace(features, embeddings=embeddings, cards=cards)


def read_photos_by(call: StageCall) -> Facts | None:
    """Reads the embeddings of an identity's scoring photos."""
    photos_read_with(call, _models(call))
    return None


def read_gallery_by(call: StageCall) -> Facts | None:
    """Reads one template each of people that no network was trained on."""
    gallery_read_with(call, _models(call))
    return None


def read_reference_by(call: StageCall) -> Facts | None:
    """Reads an identity's own true head and matched impostors' in the protocol's views."""
    reference_read_with(call, _models(call))
    return None


def _view_inputs(call: StageCall) -> tuple[Path, Path]:
    """The folders of views and of readings."""
    by_kind = {job.partition("/")[0]: folder for job, folder in call.inputs.items()}
    return by_kind["views"], by_kind["features"]


def _models(call: StageCall) -> ScoringModels:
    """The scoring reader, with the other recogniser in place of the scoring one."""
    from idto3d_eval.features import load_scoring_models

    return load_scoring_models(call.weights, _recogniser(call))


def _recogniser(call: StageCall) -> Recogniser:
    from idto3d_eval.recognisers import find_recogniser, load

    name = call.parameters[RECOGNISER]
    if (call.weights, name) not in _LOADED:
        _LOADED[call.weights, name] = load(find_recogniser(name, call.weights))
    return _LOADED[call.weights, name]


_LOADED: dict[tuple[Path, str], Recogniser] = {}


def _reader_only(file: str) -> bool:
    """Whether a weight file is the scoring reader's; the scoring recogniser reads nothing here."""
    return Path(file).name.startswith("reader_scoring")


STAGES: dict[str, Stage] = {
    "read_by": Stage(read_views_by, fields=(), seconds=2.0),
    "photos_by": Stage(read_photos_by, fields=(), reads_weights=_reader_only, seconds=1.0),
    "gallery_by": Stage(
        read_gallery_by,
        fields=("population.population_seed", "population.scoring_photos", "statistics.gallery"),
        reads_weights=_reader_only,
        seconds=60.0,
    ),
    "reference_by": Stage(
        read_reference_by,
        fields=("population.population_seed", "statistics.impostors", *VIEWS),
        reads_weights=_reader_only,
        seconds=30.0,
    ),
}
