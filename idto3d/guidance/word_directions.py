"""Which way embeddings lie when a word is true of a face, so that an identity can be moved to what is asked.

An embedding says what hair and skin its person has, and a prompt that asks for others contradicts it: told
both, a denoiser that never saw them disagree follows neither. An attribute's direction in a space of faces
(InterFaceGAN: Shen et al. 2020, section 3) leads to the person who is this one but for the word. There it
comes from a linear classifier, here from a regression on all words at once, so that what goes with a word is
not taken for it.
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


@dataclass(frozen=True)
class WordDirections:
    """directions: [W, D] float32, a row for each word of all groups in the order of `Attributes.GROUPS`; what
    unit embeddings of people with the word have beyond the average person's."""

    directions: NDArray[np.float32]

    @classmethod
    def fit(cls, embeddings: NDArray[np.floating], attributes: NDArray[np.integer]) -> WordDirections:
        """Least squares over people.

        Args:
            embeddings: unit rows [P, D].
            attributes: [P, G] of `Attributes.indices`, -1 where a word is not known.
        """
        told = one_hot(attributes)
        told = told - told.mean(0)  # a group's words weighted by how many people have them add up to nothing
        centred = embeddings - embeddings.mean(0)
        scatter = told.T @ told / len(told) + RIDGE * np.eye(told.shape[1])
        found = np.linalg.solve(scatter, told.T @ centred / len(told))
        return cls(found.astype(np.float32))

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
        change = (one_hot(asked[None]) - one_hot(read[None]))[0]
        result = embedding + strength * change @ self.directions
        return np.asarray(result / np.linalg.norm(result), np.float32)

    def save(self, folder: Path) -> None:
        """Write beside a model's parts."""
        save_file({"directions": self.directions}, folder / FILE)

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
            directions = load_file(path)["directions"]
        except Exception as error:
            raise UserError(
                f"Found no directions in '{path}' ({error}), expected them; train it again."
            ) from error
        if directions.ndim != 2 or len(directions) != Attributes.dimension:
            raise UserError(
                f"Found directions of shape {directions.shape} in '{path}', expected "
                f"[{Attributes.dimension}, D]; train it again."
            )
        return cls(directions.astype(np.float32))
