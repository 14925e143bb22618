"""The linear head basis: principal components of shape and face colour of training people, and its card.

Blanz and Vetter, "A Morphable Model for the Synthesis of 3D Faces", SIGGRAPH 1999, section 3, on neutral
heads as a scanner sees them: shaven scalp, no hair or beard standing out. A beard's colour stays, scalp hair
is left out, and the colour ends where a face crop ends, as in the models that are handed around.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.expressions import EXPRESSIONS, preset
from idto3d.geometry.head_basis import PARTS, HeadBasis, save_head_basis
from idto3d.geometry.mesh import Mesh
from idto3d.population.appearance import paint
from idto3d.population.head_model import load_head_model
from idto3d.population.people import Person, draw_person
from idto3d.population.surface import eye_centres
from idto3d.texture.unwrap import unwrap
from idto3d.train.cards import write_card
from idto3d.train.head_topology import Topology, make_topology

Floats = NDArray[np.float64]

PEOPLE = 200
SHAPE_COMPONENTS, COLOUR_COMPONENTS = 60, 24
CURVE = (5, 10, 20, 24, 40, 60)  # components at which the card says how far the rest is off
VALIDATION_PEOPLE = 40
TEXTURE_SIZE = 512
NAME = "head_basis"


@dataclass(frozen=True)
class Components:
    """Principal components of rows [N, D]: mean [D], orthonormal axes [K, D], deviations [K], falling."""

    mean: Floats
    axes: Floats
    deviations: Floats

    def coefficients(self, rows: Floats, count: int | None = None) -> Floats:
        """Coefficients [N, K] in standard deviations."""
        return (rows - self.mean) @ self.axes[:count].T / self.deviations[:count]

    def rebuilt(self, rows: Floats, count: int | None = None) -> Floats:
        """Rows [N, D] as the first components have them."""
        return self.mean + (rows - self.mean) @ self.axes[:count].T @ self.axes[:count]


def principal(rows: Floats, count: int) -> Components:
    """The first principal components of rows [N, D], each with its largest entry positive."""
    mean = rows.mean(0)
    _, values, axes = np.linalg.svd(rows - mean, full_matrices=False)
    axes = axes[:count]
    largest = np.abs(axes).argmax(1)
    axes = axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]
    return Components(mean, axes, values[:count] / np.sqrt(len(rows) - 1))


def training_people(count: int = PEOPLE) -> list[Person]:
    """The people that the basis is learned from."""
    return [draw_person("guidance", index) for index in range(count)]


def neutral_shapes(people: Sequence[Person], topology: Topology) -> Floats:
    """Their bare neutral heads on the basis' topology; [N, V, 3] mm."""
    model = load_head_model()
    return np.stack([topology.carry(model.neutral(person.shape)) for person in people])


def face_weight(mean: Floats, part: NDArray[np.int64]) -> Floats:
    """How much of each vertex of the mean head [V, 3] mm the face's crop holds; [V] in [0, 1]."""
    _, y, z = mean.T
    inside = _ramp(z + 48.0, 14.0) * _ramp(60.0 - y, 9.0) * _ramp(y + 112.0, 9.0)
    return np.where(part == PARTS.index("skin"), inside, 1.0)


def painted(people: Sequence[Person], topology: Topology, *, hair: bool, linear: bool = True) -> Floats:
    """Their albedo at the vertices, linear or sRGB, with the scalp's hair or without; [N, V, 3]."""
    canonical = topology.carry(load_head_model().mean).astype(np.float32)
    centres = eye_centres()
    colours = []
    for person in people:
        look = person.appearance if hair else replace(person.appearance, hair="bald")
        srgb = paint(look, canonical, topology.part, centres)[0].astype(np.float64)
        light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        colours.append(light if linear else srgb)
    return np.stack(colours)


def cropped(albedo: Floats, mean: Floats, weight: Floats, part: NDArray[np.int64]) -> Floats:
    """Albedo [N, V, 3] inside the face's crop; outside it the mean over bare cheeks, nose and brow."""
    x, y, z = np.abs(mean[:, 0]), mean[:, 1], mean[:, 2]
    bare = (part == PARTS.index("skin")) & (z > -35.0) & (x < 50.0) & (y > -50.0) & (y < -22.0)
    skin = albedo[:, bare].mean(1, keepdims=True)
    return np.asarray(skin + weight[:, None] * (albedo - skin))


def train_head_basis(out: Path, people: int = PEOPLE, told: Callable[[int, int], None] | None = None) -> Path:
    """Learn the basis, write `head_basis.npz` and its card into a folder.

    Args:
        out: the folder.
        people: how many training people, the first of the guidance's split.
        told: called with steps done and steps in all.

    Returns:
        The weight file.
    """
    steps = iter(range(1, 6))

    def advance() -> None:
        if told:
            told(next(steps), 5)

    drawn = training_people(people)
    model = load_head_model()
    topology = make_topology(np.mean([model.neutral(p.shape) for p in drawn], axis=0, dtype=np.float64))
    advance()
    shapes = neutral_shapes(drawn, topology)
    shape = principal(shapes.reshape(people, -1), min(SHAPE_COMPONENTS, people - 1))
    mean = shape.mean.reshape(-1, 3)
    advance()
    weight = face_weight(mean, topology.part)
    colours = cropped(painted(drawn, topology, hair=False), mean, weight, topology.part)
    colour = principal(colours.reshape(people, -1), min(COLOUR_COMPONENTS, people - 1))
    advance()
    layout = unwrap(Mesh(mean, topology.faces), TEXTURE_SIZE)
    basis = HeadBasis(
        mean=mean.astype(np.float32),
        shape=shape.axes.reshape(-1, *mean.shape).astype(np.float32),
        shape_deviations=shape.deviations.astype(np.float32),
        albedo_mean=colour.mean.reshape(mean.shape).astype(np.float32),
        colour=colour.axes.reshape(-1, *mean.shape).astype(np.float32),
        colour_deviations=colour.deviations.astype(np.float32),
        expressions=np.stack(
            [topology.carry(np.tensordot(preset(name), model.actions, 1)) for name in EXPRESSIONS]
        ).astype(np.float32),
        expression_names=EXPRESSIONS,
        faces=topology.faces,
        uv_faces=layout.faces,
        source=layout.source,
        uvs=layout.uvs,
        landmark_anchors=topology.landmark_anchors,
        landmark_weights=topology.landmark_weights.astype(np.float32),
        face_weight=weight.astype(np.float32),
        part=topology.part,
    )
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{NAME}.npz"
    save_head_basis(path, basis)
    advance()
    write_card(
        path,
        task="morphable model",
        preprocessing={},
        training={
            "data": "bare neutral heads, guidance split",
            "people": people,
            "split": "guidance",
            "first": 0,
            "vertices": len(mean),
            "faces": len(topology.faces),
            "shape_components": len(shape.axes),
            "colour_components": len(colour.axes),
            "hair": "none: neither relief nor colour of scalp hair; a beard's colour, no relief of it",
        },
        measured=_measured(topology, shape, colour, weight),
    )
    advance()
    return path


def _measured(
    topology: Topology, shape: Components, colour: Components, weight: Floats
) -> dict[str, dict[str, float]]:
    """How far validation people are from what the basis can say, by the number of components."""
    people = [draw_person("validation", index) for index in range(VALIDATION_PEOPLE)]
    shapes = neutral_shapes(people, topology).reshape(len(people), -1)
    mean = shape.mean.reshape(-1, 3)
    colours = cropped(painted(people, topology, hair=False), mean, weight, topology.part)
    colours = colours.reshape(len(people), -1)
    face = (weight > 0.5) & (topology.part != PARTS.index("mouth"))
    result = {}
    for name, rows, components, error in (
        ("shape_error_mm", shapes, shape, _distance),
        ("albedo_error", colours, colour, _difference),
    ):
        counts = sorted({min(k, len(components.axes)) for k in (0, *CURVE)})
        result[f"validation {name} by components"] = {
            str(k): round(error((rows - components.rebuilt(rows, k)).reshape(len(rows), -1, 3)[:, face]), 4)
            for k in counts
        }
    last = {name.split()[1]: list(curve.values())[-1] for name, curve in result.items()}
    return {**result, "validation": last}


def _distance(difference: Floats) -> float:
    """Mean length of differences [N, V, 3]."""
    return float(np.linalg.norm(difference, axis=-1).mean())


def _difference(difference: Floats) -> float:
    """Root mean square of differences of linear albedo [N, V, 3]."""
    return float(np.sqrt((difference**2).mean()))


def _ramp(value: Floats, width: float) -> Floats:
    """0 below -width, 1 above +width, smooth between."""
    t = np.clip(0.5 + 0.5 * value / width, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))
