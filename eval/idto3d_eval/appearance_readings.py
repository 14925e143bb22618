"""What is read of pictures for appearance: features of whole views and, of frontal ones, agreement with
words; of a method's head, and of what it is held against.

A readings file is an npz without pickles, with the cards of the networks that read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d_eval.feature_networks import FeatureNetwork, load_feature_network, reader_trunk
from idto3d_eval.features import ScoringModels, read_images
from idto3d_eval.image_text_reader import expression_texts, load_image_text_reader
from idto3d_eval.named_networks import NamedNetworks
from idto3d_eval.views import read_views

Floats = NDArray[np.float32]
Images = Sequence[NDArray[np.uint8]]

FILE = "appearance.npz"
TRUE_HEADS, PHOTOS = "true heads", "scoring photos"
SPACES = ("face", "view", "named")


@dataclass(frozen=True)
class Looks:
    """Readings of one head, or of what it is held against.

    Attributes:
        source: "" for a head, else `TRUE_HEADS` or `PHOTOS`.
        expressions: E names; () for photos.
        spaces: feature space -> [E, V, D], or [P, D] for photos; "face" is only there for references, since a
            head's stands with its features. NaN where no face was read.
        cosines: [E, F, T] of F frontal views to the texts of `texts`; None without a CLIP.
        texts: names of T expressions.
        cards: of the networks that read.
    """

    source: str
    expressions: tuple[str, ...]
    spaces: Mapping[str, Floats]
    cosines: Floats | None
    texts: tuple[str, ...]
    cards: Mapping[str, Any]

    def space(self, name: str, expressions: Sequence[str]) -> Floats | None:
        """Features [N, D] of those expressions that both have, rows with NaN left out; None where unread."""
        if name not in self.spaces:
            return None
        values = self.spaces[name]
        if self.expressions:
            kept = [index for index, own in enumerate(self.expressions) if own in expressions]
            values = values[kept].reshape(-1, values.shape[-1])
        return values[np.isfinite(values).all(axis=1)]


def read_head_looks(
    views_folder: Path, texts: Sequence[str], weights: Path, named: NamedNetworks, out: Path
) -> None:
    """Read a head's views.

    Args:
        views_folder: what `idto3d_eval.views` wrote.
        texts: the protocol's expressions.
        weights: folder of the scoring networks.
        named: a user's networks.
        out: npz, written whole.

    Raises:
        UserError: views or a network cannot be read.
    """
    rendered = read_views(views_folder)
    frontal = [spec.name for spec in rendered.views if spec.frontal]
    images = [rendered.colour(e, spec.name) for e in rendered.expressions for spec in rendered.views]
    shape = (len(rendered.expressions), len(rendered.views))
    spaces, cards = _features(images, weights, named)
    arrays = {f"space_{name}": values.reshape(*shape, -1) for name, values in spaces.items()}
    if named.image_text is not None:
        reader = load_image_text_reader(named.image_text)
        front = [rendered.colour(e, view) for e in rendered.expressions for view in frontal]
        found = reader.cosines(front, expression_texts(texts)).astype(np.float32)
        arrays["cosines"] = found.reshape(len(rendered.expressions), len(frontal), len(texts))
        cards["image_text"] = {**reader.card, "sha256": named.sha256()}
    _save(out, "", rendered.expressions, tuple(texts), cards, arrays)


def read_true_looks(
    views_folder: Path, models: ScoringModels, weights: Path, named: NamedNetworks, out: Path
) -> None:
    """Read a true head's views, faces included, as what heads are held against."""
    rendered = read_views(views_folder)
    images = [rendered.colour(e, spec.name) for e in rendered.expressions for spec in rendered.views]
    shape = (len(rendered.expressions), len(rendered.views))
    spaces, cards = _features(images, weights, named)
    spaces["face"] = read_images(images, models).embeddings
    arrays = {f"space_{name}": values.reshape(*shape, -1) for name, values in spaces.items()}
    _save(out, TRUE_HEADS, rendered.expressions, (), {**cards, "face": models.cards["recogniser"]}, arrays)


def read_photo_looks(
    images: Images, models: ScoringModels, weights: Path, named: NamedNetworks, out: Path
) -> None:
    """Read scoring photos as what heads are held against, where no true head exists."""
    spaces, cards = _features(images, weights, named)
    spaces["face"] = read_images(images, models).embeddings
    arrays = {f"space_{name}": values for name, values in spaces.items()}
    _save(out, PHOTOS, (), (), {**cards, "face": models.cards["recogniser"]}, arrays)


def load_looks(path: Path) -> Looks:
    """Load a readings file.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(f"Found no readable appearance at {path} ({error}); read it again.") from error
    return Looks(
        source=str(arrays["source"]),
        expressions=tuple(str(name) for name in arrays["expressions"]),
        spaces={name: arrays[f"space_{name}"] for name in SPACES if f"space_{name}" in arrays},
        cosines=arrays.get("cosines"),
        texts=tuple(str(name) for name in arrays["texts"]),
        cards=json.loads(str(arrays["cards"])),
    )


def _features(
    images: Images, weights: Path, named: NamedNetworks
) -> tuple[dict[str, Floats], dict[str, Any]]:
    """Features [N, D] of whole pictures by space, and the cards of what read them."""
    networks: dict[str, FeatureNetwork] = {"view": reader_trunk(weights)}
    if named.features is not None:
        networks["named"] = load_feature_network(named.features)
    spaces = {name: network.read(images) for name, network in networks.items()}
    return spaces, {name: network.card for name, network in networks.items()}


def _save(
    out: Path,
    source: str,
    expressions: Sequence[str],
    texts: Sequence[str],
    cards: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    with out.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            source=np.array(source),
            expressions=np.array(list(expressions), dtype=np.str_),
            texts=np.array(list(texts), dtype=np.str_),
            cards=np.array(json.dumps(cards, sort_keys=True)),
            **arrays,
        )
