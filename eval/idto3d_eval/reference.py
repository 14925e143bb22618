"""What an identity's heads are measured against: its scoring photos, the impostor floor and the true head's
ceiling of every view, and the true outer skin; and the gallery of people among whom a head is looked for.

Made once an identity, before any method, and shared by all methods.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d_eval.features import (
    HeadFeatures,
    ScoringModels,
    load_features,
    read_features,
    read_images,
    write_templates,
)
from idto3d_eval.lifting import lift_now_landmarks
from idto3d_eval.metrics.identity import identity_similarity, view_floor
from idto3d_eval.metrics.light import baked_light
from idto3d_eval.metrics.retrieval import template
from idto3d_eval.metrics.surface import Surface, sample_surface
from idto3d_eval.views import ViewSpec, render_true_head

if TYPE_CHECKING:
    from idto3d.population.people import Person

Floats = NDArray[np.float64]
Progress = Callable[[int, int, str], None]

TRUTH_POINTS = 50_000  # area-uniform on the outer skin
POSED_POINTS = 12_500  # of every other expression: a quarter, for there are many
MICROMETRES = 1000  # a millimetre: what an expression moves is kept in whole ones
TRUTH_SEED = 20_240_516  # of their draw: the same points for every method and run
GEOMETRY_EXPRESSION = "neutral"  # NoW compares neutral scans


@dataclass(frozen=True)
class Truth:
    """The true head's outer skin with one expression.

    Attributes:
        vertices: [V, 3] mm; faces: [F, 3], outer skin only.
        points, normals: [50000, 3] area-uniform (12,500 of another expression than neutral), and unit normals
            there.
        landmarks: [7, 3] mm, read on its renders as those of every method are.
    """

    vertices: Floats
    faces: NDArray[np.int64]
    points: Floats
    normals: Floats
    landmarks: Floats


@dataclass(frozen=True)
class Reference:
    """One identity's measures. `floor` and `ceiling` [E, V] and `truth` are None where no true head exists.

    Attributes:
        photos: [P, D] embeddings of its scoring photos, readable ones only.
        expressions: E names; views: V names, of floor and ceiling.
        impostors: number of true heads behind the floor.
        truth: with a neutral face; None where no true head exists.
        posed: vertices [V, 3] mm and landmarks [7, 3] mm of the true head with every other expression.
        albedo_light: how much of the true albedo the normals explain (`metrics.light`); None where unknown.
        actions: [E, V, 52] what the scoring reader reads on the true head; None where there is none.
    """

    photos: NDArray[np.float32]
    expressions: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    floor: Floats | None = None
    ceiling: Floats | None = None
    impostors: int = 0
    truth: Truth | None = None
    albedo_light: float | None = None
    actions: NDArray[np.float32] | None = None
    posed: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)

    def truth_of(self, expression: str) -> Truth | None:
        """The true head with an expression; None where it is not known."""
        if self.truth is None or expression == GEOMETRY_EXPRESSION:
            return self.truth
        if expression not in self.posed:
            return None
        vertices, landmarks = self.posed[expression]
        return skin(vertices, self.truth.faces, landmarks, POSED_POINTS)


@dataclass(frozen=True)
class Gallery:
    """People whom no network was trained on: ids [G] and unit templates [G, D]."""

    ids: tuple[str, ...]
    templates: NDArray[np.float32]


def build_reference(
    person: Person,
    photos: NDArray[np.float32],
    expressions: Sequence[str],
    views: Sequence[ViewSpec],
    impostors: Sequence[Person],
    models: ScoringModels,
    out_npz: Path,
    progress: Progress | None = None,
) -> None:
    """Draw and read the true heads of a person and of matched impostors, and write the reference file.

    Args:
        person: the identity.
        photos: [P, D] embeddings of the identity's readable scoring photos, P > 0.
        expressions: the protocol's, "neutral" among them.
        views: the protocol's.
        impostors: attribute-matched people, 20 or more for a floor that the definition allows.
        models: the scoring networks.
        out_npz: written whole; its folder exists.
        progress: called with (heads done, heads in all, who).

    Raises:
        UserError: no scoring photo of the identity could be read.
    """
    if len(photos) == 0:
        raise UserError(
            f"Found no readable face in the scoring photos of '{person.id}', expected at least one; replace "
            f"them."
        )
    total = len(impostors) + 1
    own = _read_true_head(person, expressions, views, models)
    truths = {name: true_outer_skin(person, own, views, name) for name in expressions}
    truth = truths[GEOMETRY_EXPRESSION]
    moved = np.stack([truths[name].vertices - truth.vertices for name in expressions])
    others = []
    for index, impostor in enumerate(impostors):
        if progress is not None:
            progress(index + 1, total, impostor.id)
        others.append(_read_true_head(impostor, expressions, views, models).embeddings)
    ceiling = identity_similarity(own.embeddings, photos)
    floor = view_floor(np.stack(others), photos) if others else np.full(ceiling.shape, np.nan)
    with out_npz.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            photos=photos,
            expressions=np.array(list(expressions)),
            views=np.array([spec.name for spec in views]),
            floor=floor,
            ceiling=ceiling,
            impostors=np.array([impostor.id for impostor in impostors], dtype=np.str_),
            vertices=truth.vertices,
            faces=truth.faces,
            landmarks=truth.landmarks,
            moved_um=(moved * MICROMETRES).round().astype(np.int32),
            landmarks_of=np.stack([truths[name].landmarks for name in expressions]),
            albedo_light=_true_albedo_light(person),
            actions=own.actions,
        )
    if progress is not None:
        progress(total, total, person.id)


def load_reference(path: Path) -> Reference:
    """Load what `build_reference` wrote; the truth's points are drawn again from their seed.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(f"Found no readable reference at {path} ({error}); build it again.") from error
    expressions = tuple(str(name) for name in arrays["expressions"])
    moved = arrays["moved_um"].astype(np.float64) / MICROMETRES
    return Reference(
        photos=arrays["photos"],
        expressions=expressions,
        views=tuple(str(name) for name in arrays["views"]),
        floor=arrays["floor"],
        ceiling=arrays["ceiling"],
        impostors=len(arrays["impostors"]),
        truth=skin(arrays["vertices"], arrays["faces"], arrays["landmarks"]),
        albedo_light=float(arrays["albedo_light"]),
        posed={
            name: (arrays["vertices"] + moved[row], arrays["landmarks_of"][row])
            for row, name in enumerate(expressions)
            if name != GEOMETRY_EXPRESSION
        },
        actions=arrays["actions"],
    )


def true_outer_skin(
    person: Person,
    features: HeadFeatures,
    views: Sequence[ViewSpec],
    expression: str = GEOMETRY_EXPRESSION,
) -> Truth:
    """The true head's outer skin with an expression, and its landmarks as its renders were read."""
    from idto3d.population.head_model import load_head_model
    from idto3d.population.truth import outer_skin

    vertices, faces = outer_skin(person, expression)
    whole = load_head_model().faces  # what was rendered: outer skin, mouth and all
    landmarks = lift_now_landmarks(features, expression, views, Surface(vertices, whole))
    return skin(vertices.astype(np.float64), faces, landmarks)


def skin(vertices: Floats, faces: NDArray[np.int64], landmarks: Floats, count: int = TRUTH_POINTS) -> Truth:
    """An outer skin with its points, drawn from the one seed that all share."""
    points, normals = sample_surface(vertices, faces, count, TRUTH_SEED)
    return Truth(vertices, faces, points, normals, landmarks)


def _true_albedo_light(person: Person) -> float:
    """R² of the true albedo on the normals; NaN where it is undefined."""
    from idto3d.population.truth import true_mesh

    return baked_light(true_mesh(person, GEOMETRY_EXPRESSION)).value


def build_gallery(
    people: Sequence[Person],
    photos_each: int,
    models: ScoringModels,
    out_npz: Path,
    progress: Progress | None = None,
) -> None:
    """Draw the gallery people's photos, read them, and write one template each.

    Args:
        people: of the split that no network was trained on.
        photos_each: photos behind a template, as many as an identity has for scoring.
        models: the scoring networks.
        out_npz: written whole; its folder exists.
        progress: called with (people done, people in all, who).
    """
    from idto3d.population.photos import draw_photo

    templates = []
    for index, person in enumerate(people):
        images = [draw_photo(person, photo).image for photo in range(photos_each)]
        templates.append(template(read_images(images, models).embeddings))
        if progress is not None:
            progress(index + 1, len(people), person.id)
    write_templates([person.id for person in people], np.stack(templates), models.cards, out_npz)


def _read_true_head(
    person: Person, expressions: Sequence[str], views: Sequence[ViewSpec], models: ScoringModels
) -> HeadFeatures:
    """Render through the same files as a method's head, so that both see the same eight bits."""
    with tempfile.TemporaryDirectory(prefix="idto3d-true-head-") as folder:
        rendered = Path(folder) / "views"
        render_true_head(person, expressions, views, rendered, buffers=False)
        read_features(rendered, models, Path(folder) / "features.npz")
        return load_features(Path(folder) / "features.npz")
