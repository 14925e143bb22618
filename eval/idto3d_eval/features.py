"""What the scoring networks read in images: recogniser B's embeddings, and the scoring reader's landmarks,
actions and presence; none of these networks conditions, guides or selects anything.

A features file is an npz without pickles. Where no face could be read, numbers are NaN and a reason stands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d_eval.views import read_views

if TYPE_CHECKING:
    from idto3d.identity.reader import Reader
    from idto3d.identity.recogniser import Recogniser

Floats = NDArray[np.float32]
Images = Sequence[NDArray[np.uint8]]

LANDMARKS = 68  # iBUG 300-W numbering
ACTIONS = 52  # ARKit facial actions
CROP = (112, 112, 3)  # of an aligned face, pixels
NOT_PROVIDED = "expression not provided"
RECOGNISER, READER = "recogniser_b.onnx", "reader_scoring.onnx"


@dataclass(frozen=True)
class ScoringModels:
    """The networks that score, and what is written down about them.

    Attributes:
        recogniser: aligned crops to unit embeddings.
        reader: images to landmarks, actions and presence.
        cards: name -> the model card, kept beside every number they read.
    """

    recogniser: Recogniser
    reader: Reader
    cards: dict[str, Any]


@dataclass(frozen=True)
class Readings:
    """What was read in N images.

    Attributes:
        embeddings: [N, D] float32 unit rows, NaN where no face was read.
        landmarks: [N, 68, 2] pixels, x right and y down, NaN where no face was read.
        actions: [N, 52] in [0, 1], NaN where no face was read.
        presence: [N] probability in [0, 1] that a face is there; NaN where the reader gave none.
        reasons: [N] why a face was not read, "" where it was.
    """

    embeddings: Floats
    landmarks: Floats
    actions: Floats
    presence: Floats
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class HeadFeatures:
    """Readings of one head, an axis for expressions and one for views.

    Attributes:
        expressions: E names.
        views: V names; frontal: [V] bool.
        embeddings: [E, V, D]; landmarks: [E, V, 68, 2]; actions: [E, V, 52]; presence: [E, V].
        reasons: [E, V] why a view was not read, "" where it was.
        cards: model cards of what read them.
    """

    expressions: tuple[str, ...]
    views: tuple[str, ...]
    frontal: NDArray[np.bool_]
    embeddings: Floats
    landmarks: Floats
    actions: Floats
    presence: Floats
    reasons: NDArray[np.str_]
    cards: dict[str, Any]

    def asked(self, expressions: Sequence[str]) -> HeadFeatures:
        """These readings for the expressions asked for, in order; one that the head lacks is NaN with the
        reason `NOT_PROVIDED`."""
        if tuple(expressions) == self.expressions:
            return self
        rows = [self.expressions.index(name) if name in self.expressions else -1 for name in expressions]
        missing = np.array(rows) < 0

        def chosen(values: Floats) -> Floats:
            picked = values[rows].copy()
            picked[missing] = np.nan
            return picked

        width = max(self.reasons.dtype.itemsize // 4, len(NOT_PROVIDED))
        reasons = self.reasons[rows].astype(f"<U{width}")
        reasons[missing] = NOT_PROVIDED
        return replace(
            self,
            expressions=tuple(expressions),
            embeddings=chosen(self.embeddings),
            landmarks=chosen(self.landmarks),
            actions=chosen(self.actions),
            presence=chosen(self.presence),
            reasons=reasons,
        )

    def lacks(self, expression: str) -> bool:
        """Whether a head was never given in this expression."""
        row = self.reasons[self.expression(expression)]
        return bool((row == NOT_PROVIDED).all())

    def expression(self, name: str) -> int:
        """Index of an expression.

        Raises:
            UserError: the head does not have it.
        """
        if name not in self.expressions:
            raise UserError(
                f"Found features of {', '.join(self.expressions)}, expected '{name}' among them; render it "
                f"and "
                "read its features."
            )
        return self.expressions.index(name)


def load_scoring_models(weights: Path, other: Recogniser | None = None) -> ScoringModels:
    """Load the networks that score from the folder of weights.

    Args:
        weights: the folder.
        other: a recogniser to read with in place of the one that scores.

    Raises:
        UserError: a file or its card is missing or damaged.
    """
    from idto3d.identity.reader import load_reader
    from idto3d.identity.recogniser import load_recogniser

    recogniser = load_recogniser(weights / RECOGNISER) if other is None else other
    reader = load_reader(weights / READER)
    cards = {"recogniser": recogniser.card, "reader": reader.card}
    return ScoringModels(
        recogniser, reader, {name: card.model_dump(mode="json") for name, card in cards.items()}
    )


def read_images(images: Images, models: ScoringModels) -> Readings:
    """Read faces in images, one at a time in effect: what stands beside an image changes nothing.

    Args:
        images: N of [H, W, 3] uint8 sRGB, of any sizes.
        models: the scoring networks.
    """
    from idto3d.identity.align import align
    from idto3d.identity.reader import NoFace, read_faces

    readings = read_faces(models.reader, images)
    count = len(images)
    landmarks = np.full((count, LANDMARKS, 2), np.nan, dtype=np.float32)
    actions = np.full((count, ACTIONS), np.nan, dtype=np.float32)
    presence = np.full(count, np.nan, dtype=np.float32)
    reasons = [""] * count
    crops: list[NDArray[np.uint8]] = []
    found: list[int] = []
    for index, (image, reading) in enumerate(zip(images, readings, strict=True)):
        if isinstance(reading, NoFace):
            reasons[index] = reading.reason
            continue
        landmarks[index], actions[index] = reading.landmarks, reading.actions
        presence[index] = reading.presence
        crops.append(align(image, reading.landmarks))
        found.append(index)
    # Without any face, an empty crop still tells how long an embedding is.
    embedded = models.recogniser.embed(np.stack(crops or [np.zeros(CROP, dtype=np.uint8)]))
    embeddings = np.full((count, embedded.shape[1]), np.nan, dtype=np.float32)
    embeddings[found] = embedded[: len(found)]
    return Readings(embeddings, landmarks, actions, presence, tuple(reasons))


def read_features(views_folder: Path, models: ScoringModels, out_npz: Path) -> None:
    """Read every view of a head and write the features file.

    Args:
        views_folder: what `idto3d_eval.views` wrote.
        models: the scoring networks.
        out_npz: written whole; its folder exists.

    Raises:
        UserError: the views folder lacks its manifest or an image.
    """
    rendered = read_views(views_folder)
    images = [rendered.colour(e, spec.name) for e in rendered.expressions for spec in rendered.views]
    read = read_images(images, models)
    shape = (len(rendered.expressions), len(rendered.views))
    _save(
        out_npz,
        models.cards,
        expressions=np.array(rendered.expressions),
        views=np.array([spec.name for spec in rendered.views]),
        frontal=np.array([spec.frontal for spec in rendered.views]),
        embeddings=read.embeddings.reshape(*shape, -1),
        landmarks=read.landmarks.reshape(*shape, LANDMARKS, 2),
        actions=read.actions.reshape(*shape, ACTIONS),
        presence=read.presence.reshape(shape),
        reasons=np.array(read.reasons, dtype=np.str_).reshape(shape),
    )


def load_features(path: Path) -> HeadFeatures:
    """Load what `read_features` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    stored = _load(path)
    return HeadFeatures(
        expressions=tuple(str(name) for name in stored["expressions"]),
        views=tuple(str(name) for name in stored["views"]),
        frontal=stored["frontal"],
        embeddings=stored["embeddings"],
        landmarks=stored["landmarks"],
        actions=stored["actions"],
        presence=stored["presence"],
        reasons=stored["reasons"],
        cards=json.loads(str(stored["cards"])),
    )


def read_photos(images: Images, names: Sequence[str], models: ScoringModels, out_npz: Path) -> None:
    """Read one person's scoring photos and write their embeddings, an unreadable photo as NaN with its
    reason.

    Args:
        images: P photos, uint8 sRGB.
        names: P file names, kept for messages.
        models: the scoring networks.
        out_npz: written whole; its folder exists.
    """
    read = read_images(images, models)
    _save(
        out_npz,
        models.cards,
        names=np.array(list(names), dtype=np.str_),
        embeddings=read.embeddings,
        reasons=np.array(read.reasons, dtype=np.str_),
    )


def load_photo_embeddings(path: Path) -> Floats:
    """Embeddings [P, D] of the photos in which a face was read; P may be 0.

    Raises:
        UserError: the file is missing or damaged.
    """
    embeddings: Floats = _load(path)["embeddings"]
    return embeddings[np.isfinite(embeddings).all(axis=1)]


def write_templates(
    ids: Sequence[str], templates: NDArray[np.floating], cards: dict[str, Any], out: Path
) -> None:
    """Write the gallery: one template [D] for each of G people."""
    _save(
        out, cards, ids=np.array(list(ids), dtype=np.str_), templates=np.asarray(templates, dtype=np.float32)
    )


def load_templates(path: Path) -> tuple[tuple[str, ...], Floats]:
    """The gallery's ids [G] and templates [G, D], people without a readable photo left out."""
    stored = _load(path)
    kept = np.isfinite(stored["templates"]).all(axis=1)
    return tuple(str(name) for name in stored["ids"][kept]), stored["templates"][kept]


def _save(path: Path, cards: dict[str, Any], **arrays: NDArray[Any]) -> None:
    # numpy dates every member 1980-01-01, so equal numbers make equal bytes.
    text = np.array(json.dumps(cards, sort_keys=True))
    with path.open("wb") as file:
        np.savez_compressed(file, cards=text, allow_pickle=False, **arrays)


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(f"Found no readable features at {path} ({error}); read them again.") from error
