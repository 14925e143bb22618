"""What the identity figure sees: a person's true head with one thing changed, measured as any method's head.

A method that loses exactly this scores exactly that, so a figure below 1 can be read back: a head without
its moles, or with skin a little too dark beside the hair, has its own price under the scoring recogniser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.bench.bars import write_json
from idto3d_eval.bench.made_heads import sitter
from idto3d_eval.bench.measured_heads import count_identity, draw, fixed_views, person_reference
from idto3d_eval.features import ScoringModels, load_scoring_models
from idto3d_eval.statistics import LEVEL, RESAMPLES, ratio_of_sums

if TYPE_CHECKING:
    from idto3d.population.people import Person

Told = Callable[[str, int, int], None]
Colour = NDArray[np.float32]
DARKER, BRIGHTER, PALER, FLATTER = 0.85, 1.15, 0.7, 0.8
CODES_BEFORE_AXES = 4  # sex, age and ancestry come first in a shape


def changes(person: Person) -> dict[str, Person]:
    """The person with one thing changed at a time, to the middle of what `draw_appearance` draws."""
    from idto3d.population.appearance import IRIS_COLOURS, LIP_HUE

    look = person.appearance

    def painted(**parts: Any) -> Person:
        return replace(person, appearance=replace(look, **parts))

    def recoloured(change: Callable[[Colour], NDArray[np.floating]], *names: str) -> Person:
        parts = {name: np.asarray(np.clip(change(getattr(look, name)), 0.02, 0.98)) for name in names}
        return painted(**{name: value.astype(np.float32) for name, value in parts.items()})

    alike = person.shape.copy()
    alike[CODES_BEFORE_AXES:] = 0.0
    everything = ("skin", "lips", "hair_rgb", "iris")
    return {
        "nothing": person,
        "shape of the mean of their sex, age and ancestry": replace(person, shape=alike),
        "no moles, no freckles": painted(moles=look.moles[:0], freckles=look.freckles[:0]),
        "brows of mean shape and density": painted(
            brow_thickness=2.8, brow_lift=0.0, brow_tilt=0.0, brow_density=0.65, brow_gap=0.0
        ),
        "mean hair line": painted(hair_line=0.0, hair_temple=6.0),
        "lips without lipstick or redness": recoloured(lambda _: look.skin * LIP_HUE, "lips"),
        "brown eyes": painted(iris=IRIS_COLOURS[1]),
        "no wrinkles": painted(wrinkles=0.0),
        "skin alone 0.85 as bright": recoloured(lambda c: c * DARKER, "skin"),
        "skin alone 1.15 as bright": recoloured(lambda c: c * BRIGHTER, "skin"),
        "all colours 0.85 as bright": recoloured(lambda c: c * DARKER, *everything),
        "all colours 0.7 as saturated": recoloured(lambda c: c.mean() + PALER * (c - c.mean()), *everything),
        "all colours with 0.8 of their contrast": recoloured(
            lambda c: 0.5 + FLATTER * (c - 0.5), *everything
        ),
    }


@dataclass(frozen=True)
class Price:
    """Calibrated identity of true heads with one thing changed, its interval, and how many people."""

    changed: str
    identity: float
    low: float
    high: float
    people: int

    def row(self) -> dict[str, str]:
        """A line of the table."""
        return {
            "changed": self.changed,
            "calibrated identity": f"{self.identity:.3f} [{self.low:.3f}, {self.high:.3f}]",
            "people": str(self.people),
        }


def price_changes(
    people: Sequence[int], root: Path, weights: Path, impostors: int, told: Told | None = None
) -> tuple[Price, ...]:
    """Measure every change on the neutral heads of validation people, and write `sensitivity.json`.

    Args:
        people: which of the validation set.
        root: the benchmark's folder; what a person's reference needs is kept there.
        weights: folder with the scoring networks.
        impostors: true heads behind a floor.
        told: called with what is being done, people done and people in all.
    """
    models = load_scoring_models(weights)
    rows: dict[str, list[tuple[float, float]]] = {}
    for done, index in enumerate(people):
        if told is not None:
            told("true heads with one thing changed", done, len(people))
        for name, pair in _measured(sitter(index), root, impostors, models).items():
            rows.setdefault(name, []).append(pair)
    prices = []
    for name, pairs in rows.items():
        own, room = np.array(pairs).T
        prices.append(Price(name, *ratio_of_sums(own, room, RESAMPLES, LEVEL), len(pairs)))
    write_json(root / "sensitivity.json", [asdict(price) for price in prices])
    return tuple(prices)


def _measured(
    person: Person, root: Path, impostors: int, models: ScoringModels
) -> dict[str, tuple[float, float]]:
    """For each change, similarity less the floor, and the ceiling less the floor."""
    from idto3d.population.truth import true_mesh

    reference = person_reference(person, ("neutral",), root, models, impostors)
    found = {}
    for name, changed in changes(person).items():
        images = draw(true_mesh(changed, "neutral"), fixed_views())
        counted = count_identity(images, reference, models, {"neutral": 1.0})
        found[name] = (counted.similarity - counted.floor, counted.ceiling - counted.floor)
    return found
