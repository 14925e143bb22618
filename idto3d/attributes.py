"""What words can say about a face: the six text attributes that prompts, readers and matching share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Attributes:
    """One person's visible attributes, each a word of its group."""

    sex: str
    age: str
    skin: str
    hair: str
    hair_colour: str
    beard: str

    GROUPS: ClassVar[dict[str, tuple[str, ...]]] = {
        "sex": ("female", "male"),
        "age": ("young", "middle-aged", "old"),
        "skin": ("very light", "light", "tan", "brown", "dark brown", "very dark"),
        "hair": ("bald", "buzz-cut", "short", "long"),
        "hair_colour": ("black", "brown", "blond", "red", "grey"),
        "beard": ("no beard", "stubble", "full beard"),
    }
    dimension: ClassVar[int] = sum(len(words) for words in GROUPS.values())

    def __post_init__(self) -> None:
        for group, words in self.GROUPS.items():
            if getattr(self, group) not in words:
                raise ValueError(
                    f"Found {group} '{getattr(self, group)}', expected one of {', '.join(words)}."
                )

    def indices(self) -> NDArray[np.int64]:
        """Class index in each group, in the order of `GROUPS`; [6] int64."""
        return np.array([words.index(getattr(self, group)) for group, words in self.GROUPS.items()], np.int64)

    def prompt(self) -> str:
        """The attributes as an English phrase for a text encoder."""
        noun = "woman" if self.sex == "female" else "man"
        hair = "bald head" if self.hair == "bald" else f"{self.hair} {self.hair_colour} hair"
        return f"a {self.age} {noun} with {self.skin} skin, {hair}, {self.beard}"

    @classmethod
    def from_indices(cls, indices: NDArray[np.int64]) -> Attributes:
        """The inverse of `indices`."""
        return cls(**{g: words[int(i)] for (g, words), i in zip(cls.GROUPS.items(), indices, strict=True)})


def one_hot(attributes: NDArray[np.integer]) -> NDArray[np.float64]:
    """[P, W] of class indices [P, G]; nothing where an index is -1."""
    sizes = [len(words) for words in Attributes.GROUPS.values()]
    return np.concatenate(
        [np.eye(size + 1)[column][:, :size] for column, size in zip(attributes.T, sizes, strict=True)], 1
    )
