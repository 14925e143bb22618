"""The map from an identity embedding to a head: ridge regression over the people that the basis knows.

Hoerl and Kennard, "Ridge Regression", Technometrics 1970. Each coefficient has the strength that errs
least on validation people; nothing is descended, so the same call gives the same file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d.geometry.head_basis import PARTS, HeadBasis, load_head_basis
from idto3d.geometry.head_regression import HeadRegression, save_head_regression
from idto3d.identity.embedding import combine, embed_faces, photo_weight
from idto3d.identity.reader import FaceReading, Reader, load_reader, read_faces
from idto3d.identity.recogniser import Recogniser, load_recogniser
from idto3d.population.appearance import relief
from idto3d.population.head_model import load_head_model
from idto3d.population.people import Person, draw_person
from idto3d.population.photos import draw_photo
from idto3d.train.cards import write_card
from idto3d.train.head_basis import (
    VALIDATION_PEOPLE,
    Components,
    neutral_shapes,
    painted,
    principal,
    training_people,
)
from idto3d.train.head_topology import Topology, make_topology

Floats = NDArray[np.float64]

PHOTOS = 4  # of each person, as many as the protocols condition on
RELIEF_COMPONENTS, LOOK_COMPONENTS = 10, 40
STRENGTHS = (
    0.01,
    0.03,
    0.1,
    0.3,
    1.0,
    3.0,
    10.0,
    100.0,
)  # tried on validation people; the last says the mean
NAME = "feed_forward"


@dataclass(frozen=True)
class Heads:
    """People as rows: unit embeddings [N, D], shapes [N, 3V] mm, relief [N, V] mm, look [N, 3V] sRGB."""

    embeddings: Floats
    shapes: Floats
    relief: Floats
    look: Floats


def train_head_regression(
    out: Path, weights: Path, people: int, told: Callable[[int, int], None] | None = None
) -> Path:
    """Learn the map, write `feed_forward.npz` and its card into a folder.

    Args:
        out: the folder; its own `head_basis.npz` is the one learned over, if it has one.
        weights: where reader, recogniser and, failing that, the basis are.
        people: how many training people; those of the basis.
        told: called with people embedded and people in all.

    Returns:
        The weight file.

    Raises:
        UserError: no basis, or one of other people.
    """
    basis_path = out / "head_basis.npz"
    basis_path = basis_path if basis_path.is_file() else weights / "head_basis.npz"
    basis = load_head_basis(basis_path)
    drawn = training_people(people)
    topology = _topology_of(basis, drawn)
    reader = load_reader(weights / "reader_methods.onnx")
    recogniser = load_recogniser(weights / "recogniser_a.onnx")
    validation = [draw_person("validation", index) for index in range(VALIDATION_PEOPLE)]
    embeddings = []
    for done, person in enumerate([*drawn, *validation]):
        embeddings.append(embed_person(person, reader, recogniser))
        if told:
            told(done + 1, len(drawn) + len(validation))
    rows = np.stack(embeddings).astype(np.float64)
    known, new = (
        _heads(some, vectors, topology)
        for some, vectors in ((drawn, rows[: len(drawn)]), (validation, rows[len(drawn) :]))
    )

    shape = Components(
        basis.mean.astype(np.float64).reshape(-1),
        basis.shape.astype(np.float64).reshape(len(basis.shape), -1),
        basis.shape_deviations.astype(np.float64),
    )
    height = principal(known.relief, min(RELIEF_COMPONENTS, people - 1))
    look = principal(known.look, min(LOOK_COMPONENTS, people - 1))
    face = (basis.face_weight > 0.5) & (basis.part != PARTS.index("mouth"))
    mean = known.embeddings.mean(0)
    maps: list[Floats] = []
    chosen: dict[str, list[float]] = {}
    told_with, told_without = {}, {}
    for name, space, own, theirs, error in (
        ("shape_error_mm", shape, known.shapes, new.shapes, lambda d: _length(d, face)),
        ("relief_error_mm", height, known.relief, new.relief, _rms),
        ("srgb_error", look, known.look, new.look, _rms),
    ):
        goal, truth = space.coefficients(own), space.coefficients(theirs)
        found, chosen[name] = strongest(known.embeddings - mean, goal, new.embeddings - mean, truth)
        maps.append(found)
        said = space.mean + ((new.embeddings - mean) @ found * space.deviations) @ space.axes
        told_with[name] = round(error(theirs - said), 4)
        told_without[name] = round(error(theirs - space.mean), 4)
    measured = {
        "ridge strength by coefficient": chosen,
        "validation, mean head": told_without,
        "validation": told_with,
    }

    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{NAME}.npz"
    save_head_regression(
        path,
        HeadRegression(
            embedding_mean=mean.astype(np.float32),
            weights=np.concatenate(maps, 1).astype(np.float32),
            relief_mean=height.mean.astype(np.float32),
            relief=(height.axes * height.deviations[:, None]).astype(np.float32),
            look_mean=look.mean.reshape(-1, 3).astype(np.float32),
            look=(look.axes * look.deviations[:, None]).reshape(len(look.axes), -1, 3).astype(np.float32),
            basis_sha256=_sha256(basis_path),
        ),
    )
    write_card(
        path,
        task="embedding to head",
        preprocessing={},
        training={
            "data": f"heads and {PHOTOS} photos each, guidance split",
            "people": people,
            "split": "guidance",
            "first": 0,
            "basis_sha256": _sha256(basis_path),
            "recogniser_sha256": _sha256(weights / "recogniser_a.onnx"),
            "reader_sha256": _sha256(weights / "reader_methods.onnx"),
        },
        measured=measured,
    )
    return path


def ridge(rows: Floats, targets: Floats, strength: float) -> Floats:
    """Weights [D, T] that take rows [N, D] to targets [N, T]: least ‖error‖² + strength ‖weights‖²."""
    dual = np.linalg.solve(rows @ rows.T + strength * np.eye(len(rows)), targets)  # N < D
    return np.asarray(rows.T @ dual)


def strongest(
    rows: Floats, targets: Floats, new_rows: Floats, new_targets: Floats
) -> tuple[Floats, list[float]]:
    """Weights [D, T], each target's with the strength that errs least on new people, and these strengths."""
    maps = [ridge(rows, targets, strength) for strength in STRENGTHS]
    errors = np.stack([((new_targets - new_rows @ weights) ** 2).mean(0) for weights in maps])  # [S, T]
    best = errors.argmin(0)
    columns = [maps[index][:, column] for column, index in enumerate(best)]
    return np.stack(columns, 1), [STRENGTHS[index] for index in best]


def embed_person(person: Person, reader: Reader, recogniser: Recogniser) -> NDArray[np.float32]:
    """A person's embedding [D] from their first photos, by the rule that conditions every method.

    Raises:
        UserError: no face was read in any of them.
    """
    images = [draw_photo(person, index).image for index in range(PHOTOS)]
    found = [
        (image, reading)
        for image, reading in zip(images, read_faces(reader, images), strict=True)
        if isinstance(reading, FaceReading)
    ]
    if not found:
        raise UserError(f"Found no face in {PHOTOS} photos of '{person.id}', expected one; mend the reader.")
    vectors = embed_faces([image for image, _ in found], [r.landmarks for _, r in found], recogniser)
    return combine(vectors, np.array([photo_weight(reading) for _, reading in found]))


def _heads(people: Sequence[Person], embeddings: Floats, topology: Topology) -> Heads:
    """What there is to learn of people, hair included."""
    model = load_head_model()
    heights = [topology.carry(relief(person.appearance, model.mean)[:, None])[:, 0] for person in people]
    count = len(people)
    return Heads(
        embeddings,
        neutral_shapes(people, topology).reshape(count, -1),
        np.stack(heights),
        painted(people, topology, hair=True, linear=False).reshape(count, -1),
    )


def _topology_of(basis: HeadBasis, people: Sequence[Person]) -> Topology:
    """The basis' topology, made again.

    Raises:
        UserError: these people give another one.
    """
    model = load_head_model()
    made = make_topology(np.mean([model.neutral(p.shape) for p in people], axis=0, dtype=np.float64))
    if not np.array_equal(made.faces, basis.faces):
        raise UserError(
            f"Found a head basis with {len(basis.faces)} other faces than the {len(made.faces)} that "
            f"{len(people)} training people give, expected the basis of these people; train head_basis again."
        )
    return made


def _length(difference: Floats, face: NDArray[np.bool_]) -> float:
    """Mean length of differences [N, 3V] at the face's vertices, mm."""
    return float(np.linalg.norm(difference.reshape(len(difference), -1, 3)[:, face], axis=-1).mean())


def _rms(difference: Floats) -> float:
    return float(np.sqrt((difference**2).mean()))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
