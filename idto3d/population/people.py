"""Who the synthetic people are: disjoint splits, shape and appearance codes, attribute-matched impostors."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.population.appearance import Appearance, draw_appearance
from idto3d.population.head_model import load_head_model

# Six sets that share nobody (design: people), the gallery that only scoring sees, and the shifted set, whose
# shapes, patterns and skin tones lie where no network was trained.
SPLITS = (
    "recogniser_a",
    "recogniser_b",
    "readers",
    "guidance",
    "validation",
    "heldout",
    "gallery",
    "shifted",
)

# Spread of a shape axis: N(0, 0.45) clipped to +-1 gives clearly different people.
SHAPE_SPREAD = 0.45
SHIFTED_SPREAD = 0.75


@dataclass(frozen=True)
class Person:
    """One synthetic person: everything about them follows from split, index and population seed.

    shape [dimension] float32 is a code of `HeadModel`; `appearance` colours the head.
    """

    id: str
    split: str
    index: int
    population_seed: int
    attributes: Attributes
    shape: NDArray[np.float32]
    appearance: Appearance


def person_generator(split: str, index: int, population_seed: int, purpose: str) -> np.random.Generator:
    """The random stream of one purpose of one person; different in every argument."""
    text = f"{population_seed}/{split}/{index}/{purpose}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def draw_person(split: str, index: int, population_seed: int = 0) -> Person:
    """The index-th person of a split.

    Raises:
        UserError: the split is unknown.
    """
    if split not in SPLITS:
        raise UserError(f"Found split '{split}', expected one of {', '.join(SPLITS)}.")
    generator = person_generator(split, index, population_seed, "person")
    attributes = _draw_attributes(generator, shifted=split == "shifted")
    return _complete(f"{split}-{index:04d}", split, index, population_seed, attributes, generator)


def matched_impostors(person: Person, count: int) -> list[Person]:
    """Other people with the same sex, age band, skin bin, hair and beard, everything else drawn anew."""
    people = []
    for k in range(count):
        generator = person_generator(person.split, person.index, person.population_seed, f"impostor/{k}")
        impostor = _complete(
            f"{person.id}-impostor-{k:02d}",
            person.split,
            person.index,
            person.population_seed,
            person.attributes,
            generator,
        )
        people.append(impostor)
    return people


def find_person(identity: str, population_seed: int = 0) -> Person:
    """The person with an id such as `heldout-0003` or `heldout-0003-impostor-07`.

    Raises:
        UserError: the id does not name a synthetic person.
    """
    name, _, impostor = identity.partition("-impostor-")
    split, _, index = name.rpartition("-")
    if split not in SPLITS or not index.isdigit() or (impostor and not impostor.isdigit()):
        raise UserError(
            f"Found identity '{identity}', expected SPLIT-NNNN with a split of {', '.join(SPLITS)}."
        )
    person = draw_person(split, int(index), population_seed)
    return matched_impostors(person, int(impostor) + 1)[-1] if impostor else person


def _draw_attributes(generator: np.random.Generator, *, shifted: bool) -> Attributes:
    pick = generator.choice
    sex = str(pick(["female", "male"]))
    age = str(pick(["young", "middle-aged", "old"], p=[0.5, 0.3, 0.2]))
    words = Attributes.GROUPS
    hair_p = [0.06, 0.14, 0.40, 0.40] if sex == "female" else [0.22, 0.26, 0.44, 0.08]
    hair = str(pick(words["hair"], p=hair_p))
    colour_p = [0.2, 0.2, 0.1, 0.05, 0.45] if age == "old" else [0.38, 0.34, 0.17, 0.09, 0.02]
    colour = str(pick(words["hair_colour"], p=colour_p))
    beard = str(pick(words["beard"], p=[0.48, 0.24, 0.28])) if sex == "male" else "no beard"
    skin = str(pick(words["skin"], p=[0.02, 0.02, 0.06, 0.2, 0.3, 0.4] if shifted else None))
    return Attributes(sex, age, skin, hair, colour, beard)


def _complete(
    name: str,
    split: str,
    index: int,
    population_seed: int,
    attributes: Attributes,
    generator: np.random.Generator,
) -> Person:
    """Draw the shape and the appearance that the attributes leave open."""
    model = load_head_model()
    spread = SHIFTED_SPREAD if split == "shifted" else SHAPE_SPREAD
    axes = np.clip(generator.normal(0.0, spread, len(model.axis_names)), -1.0, 1.0)
    sex = generator.uniform(0.0, 0.35) if attributes.sex == "female" else generator.uniform(0.65, 1.0)
    low, high = {"young": (0.0, 0.2), "middle-aged": (0.3, 0.6), "old": (0.7, 1.0)}[attributes.age]
    ancestry = generator.dirichlet([0.6, 0.6, 0.6])
    shape = np.concatenate([[sex, generator.uniform(low, high), ancestry[1], ancestry[2]], axes]).astype(
        np.float32
    )
    appearance = draw_appearance(attributes, generator)
    if split == "shifted":
        appearance = replace(
            appearance, hair_temple=appearance.hair_temple + 30.0, brow_lift=appearance.brow_lift + 3.0
        )
    return Person(name, split, index, population_seed, attributes, shape, appearance)
