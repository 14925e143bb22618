"""What the scoring networks say of benchmark heads: calibrated identity, attributes on fixed frontal renders.

Nothing here is ever told to what makes heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.bench.made_heads import scoring_photos
from idto3d_eval.code_version import code_version
from idto3d_eval.features import ScoringModels, read_images
from idto3d_eval.keys import content_key
from idto3d_eval.metrics.identity import (
    MINIMUM_IMPOSTORS,
    calibrated_identity,
    identity_counted,
    identity_similarity,
)
from idto3d_eval.reference import Reference, build_reference, load_reference
from idto3d_eval.views import SUPERSAMPLE, ViewSpec, view_specs
from idto3d_protocols.loader import load_protocol

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh
    from idto3d.attributes import Attributes
    from idto3d.population.people import Person

Floats = NDArray[np.float64]
Images = list[NDArray[np.uint8]]
Progress = Callable[[int, int, str], None]
VIEWS_OF = "unseen_ids"  # the protocol whose cameras and lights are used: fixed before any head is made


@dataclass(frozen=True)
class Counted:
    """One head's identity: its similarity to the scoring photos with unread views at the floor, and the
    impostor floor and the true head's ceiling that calibrate it."""

    similarity: float
    floor: float
    ceiling: float


def calibrated(heads: Sequence[Counted]) -> float:
    """Calibrated identity of heads as the design defines it: a ratio of sums, NaN where it is undefined."""
    columns = np.array([[head.similarity, head.floor, head.ceiling] for head in heads]).reshape(-1, 3).T
    return calibrated_identity(columns[0], columns[1], columns[2]).value


def fixed_views() -> tuple[ViewSpec, ...]:
    """Cameras and lights of every render that a benchmark reads."""
    return view_specs(load_protocol(VIEWS_OF))


def draw(mesh: TexturedMesh, views: Sequence[ViewSpec]) -> Images:
    """A mesh in each view, [H, W, 3] uint8."""
    from idto3d.render.views import render_view

    return [render_view(mesh, spec.camera, spec.light, supersample=SUPERSAMPLE).colour for spec in views]


def person_reference(
    person: Person,
    expressions: Sequence[str],
    root: Path,
    models: ScoringModels,
    impostors: int = MINIMUM_IMPOSTORS,
    progress: Progress | None = None,
) -> Reference:
    """Floor and ceiling of a synthetic person in the fixed views, computed once and kept in `root`.

    Args:
        person: whose.
        expressions: names, neutral among them.
        root: the benchmark's folder.
        models: the scoring networks.
        impostors: true heads behind the floor.
        progress: called with heads done, heads in all, and who.
    """
    from idto3d.identity.photo import read_photo
    from idto3d.population.people import matched_impostors

    paths = scoring_photos(person, root)
    key = content_key(
        {
            "person": [person.id, person.population_seed],
            "expressions": list(expressions),
            "impostors": impostors,
            "networks": models.cards,
            "code": code_version("idto3d_eval.reference:build_reference"),
            "protocol": load_protocol(VIEWS_OF).version,
        }
    )
    out = root / "references" / f"{person.id}-{key[:16]}.npz"
    if not out.is_file():
        out.parent.mkdir(parents=True, exist_ok=True)
        read = read_images([read_photo(path) for path in paths], models).embeddings
        found = read[np.isfinite(read).all(axis=1)]
        partial = out.with_suffix(".partial")
        others = matched_impostors(person, impostors)
        build_reference(person, found, expressions, fixed_views(), others, models, partial, progress)
        partial.replace(out)
    return load_reference(out)


def count_identity(
    images: Images, reference: Reference, models: ScoringModels, shares: dict[str, float]
) -> Counted:
    """Similarity of one head's renders in the fixed views, with its floor and ceiling.

    Args:
        images: one a view.
        reference: the person's.
        models: the scoring networks.
        shares: expression -> share in [0, 1]; floor and ceiling of a blend are those of its ends, blended.
    """
    if reference.floor is None or reference.ceiling is None:
        raise ValueError("Found a reference without a true head, expected one of a synthetic person.")
    rows = [reference.expressions.index(name) for name in shares]
    weights = np.array(list(shares.values()))[:, None]
    floor, ceiling = ((weights * part[rows]).sum(0) for part in (reference.floor, reference.ceiling))
    similarity = identity_similarity(read_images(images, models).embeddings, reference.photos)
    return Counted(*identity_counted(similarity, floor, ceiling))


def read_attributes(images: Images, views: Sequence[ViewSpec], models: ScoringModels) -> Attributes | None:
    """The likeliest word of each group over a head's frontal renders; None where no face is read in any."""
    from idto3d.identity.reader import NoFace, likeliest, read_faces

    frontal = [image for image, spec in zip(images, views, strict=True) if spec.frontal]
    found = [face for face in read_faces(models.reader, frontal) if not isinstance(face, NoFace)]
    if not found:
        return None
    return likeliest(np.mean([face.attribute_probabilities for face in found], axis=0))


def words_of(attributes: Attributes | None) -> dict[str, str]:
    """Attributes by group; empty where none were read."""
    return {} if attributes is None else asdict(attributes)
