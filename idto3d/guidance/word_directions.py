"""Which way embeddings lie when a word is true of a face, so that an identity can be moved to what is asked.

An embedding says what hair and skin its person has, and a prompt that asks for others contradicts it: told
both, a denoiser that never saw them disagree follows neither. An attribute's direction in a space of faces
(InterFaceGAN: Shen et al. 2020, section 3) leads to the person who is this one but for the word. There it
comes from a linear classifier, here from a regression on all words at once, so that what goes with a word is
not taken for it. Some words speak of each other: a bald head shows its skin, so that the way there from black
hair is another than from blond. Their pairs are words of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from idto3d.attributes import Attributes, one_hot
from idto3d.errors import UserError
from idto3d.prompt import Prompt

FILE = "word_directions.safetensors"
RIDGE = 1e-3  # of a regression whose inputs are 0 or 1
# Groups whose words speak of each other: what is not covered by hair or beard shows the skin.
PAIRS = (("hair", "hair_colour"), ("hair", "skin"), ("beard", "hair_colour"), ("beard", "skin"))


def features(words: NDArray[np.floating]) -> NDArray[np.float64]:
    """Words [P, W], and the products of those that `PAIRS` names; [P, F].

    A group of which nothing is known may hold the shares of its words among people.
    """
    sizes = [len(group) for group in Attributes.GROUPS.values()]
    parts = np.split(words, np.cumsum(sizes)[:-1], axis=1)
    group = dict(zip(Attributes.GROUPS, parts, strict=True))
    pairs = [np.einsum("pi,pj->pij", group[a], group[b]).reshape(len(words), -1) for a, b in PAIRS]
    return np.concatenate([words, *pairs], 1)


FEATURES = features(np.zeros((1, Attributes.dimension))).shape[1]


@dataclass(frozen=True)
class WordDirections:
    """What unit embeddings of people have beyond the average person's for what is said of them.

    directions: [F, D] float32, a row for each of `features`, words in the order of `Attributes.GROUPS` first.
    shares: [W] float32, how many of the people have each word.
    """

    directions: NDArray[np.float32]
    shares: NDArray[np.float32]

    @classmethod
    def fit(cls, embeddings: NDArray[np.floating], attributes: NDArray[np.integer]) -> WordDirections:
        """Least squares over people.

        Args:
            embeddings: unit rows [P, D].
            attributes: [P, G] of `Attributes.indices`, -1 where a word is not known.
        """
        shares = one_hot(attributes).mean(0)
        told = features(_words(attributes, shares))
        told = told - told.mean(0)  # a group's words weighted by how many people have them add up to nothing
        centred = embeddings - embeddings.mean(0)
        scatter = told.T @ told / len(told) + RIDGE * np.eye(told.shape[1])
        found = np.linalg.solve(scatter, told.T @ centred / len(told))
        return cls(found.astype(np.float32), shares.astype(np.float32))

    def moved(
        self,
        embedding: NDArray[np.floating],
        attributes: Attributes | None,
        prompt: Prompt,
        strength: float = 1.0,
    ) -> NDArray[np.float32]:
        """The embedding of who is this person but for what the prompt asks; unit length.

        Args:
            embedding: of the photos [D], unit length.
            attributes: as read from the photos; None where nothing was read, and the way is from the average.
            prompt: whose words replace those.
            strength: 1 goes as far as people with and without a word are apart.

        Raises:
            UserError: an embedding of another length than these directions.
        """
        if len(embedding) != self.directions.shape[1]:
            raise UserError(
                f"Found an embedding of {len(embedding)} numbers, expected {self.directions.shape[1]}; "
                f"{FILE} belongs to another recogniser."
            )
        read = np.full(len(Attributes.GROUPS), -1) if attributes is None else attributes.indices()
        asked = np.array(prompt.replacing(read.tolist()))
        before, after = features(_words(np.stack([read, asked]), self.shares))
        result = embedding + strength * (after - before) @ self.directions
        return np.asarray(result / np.linalg.norm(result), np.float32)

    def save(self, folder: Path) -> None:
        """Write beside a model's parts."""
        save_file({"directions": self.directions, "shares": self.shares}, folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> WordDirections | None:
        """Those of a model folder; None where it has none.

        Raises:
            UserError: a file that is damaged or of other words.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            arrays = load_file(path)
            directions, shares = arrays["directions"], arrays["shares"]
        except Exception as error:
            raise UserError(
                f"Found no directions in '{path}' ({error}), expected them; train it again."
            ) from error
        if directions.ndim != 2 or len(directions) != FEATURES or shares.shape != (Attributes.dimension,):
            raise UserError(
                f"Found directions of shape {directions.shape} in '{path}', expected [{FEATURES}, D]; train "
                "it again."
            )
        return cls(directions.astype(np.float32), shares.astype(np.float32))


def _words(attributes: NDArray[np.integer], shares: NDArray[np.floating]) -> NDArray[np.float64]:
    """[P, W] of class indices [P, G]; where an index is -1, its group's shares among people."""
    sizes = [len(group) for group in Attributes.GROUPS.values()]
    unknown = np.repeat(attributes < 0, sizes, axis=1)
    return np.asarray(one_hot(attributes) + unknown * shares, np.float64)
