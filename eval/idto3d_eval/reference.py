"""What an identity's heads are measured against: its scoring photos, the impostor floor and the true head's
ceiling of every view, and the true outer skin; and the gallery of people among whom a head is looked for.

Made once an identity, before any method, and shared by all methods.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
TRUTH_SEED = 20_240_516  # of their draw: the same points for every method and run
GEOMETRY_EXPRESSION = "neutral"  # NoW compares neutral scans


@dataclass(frozen=True)
class Truth:
    """The true head's outer skin with a neutral face.

    Attributes:
        vertices: [V, 3] mm; faces: [F, 3], outer skin only.
        points, normals: [50000, 3] area-uniform, and unit normals there.
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
    truth = true_outer_skin(person, own, views)
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
    points, normals = sample_surface(arrays["vertices"], arrays["faces"], TRUTH_POINTS, TRUTH_SEED)
    return Reference(
        photos=arrays["photos"],
        expressions=tuple(str(name) for name in arrays["expressions"]),
        views=tuple(str(name) for name in arrays["views"]),
        floor=arrays["floor"],
        ceiling=arrays["ceiling"],
        impostors=len(arrays["impostors"]),
        truth=Truth(arrays["vertices"], arrays["faces"], points, normals, arrays["landmarks"]),
        albedo_light=float(arrays["albedo_light"]),
        actions=arrays["actions"],
    )


def true_outer_skin(person: Person, features: HeadFeatures, views: Sequence[ViewSpec]) -> Truth:
    """The true neutral head's outer skin and its landmarks, lifted from the readings of its renders."""
    from idto3d.population.truth import outer_skin, true_mesh

    vertices, faces = outer_skin(person, GEOMETRY_EXPRESSION)
    points, normals = sample_surface(vertices, faces, TRUTH_POINTS, TRUTH_SEED)
    drawn = true_mesh(person, GEOMETRY_EXPRESSION)
    landmarks = lift_now_landmarks(features, GEOMETRY_EXPRESSION, views, Surface(drawn.vertices, drawn.faces))
    return Truth(vertices.astype(np.float64), faces, points, normals, landmarks)


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
