"""What stages read photographs, the gallery and true heads with: the scoring networks, or the scoring reader
with another recogniser in place of the scoring one."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from idto3d_eval.stage import StageCall

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from idto3d_eval.features import ScoringModels

CONDITIONING, SCORING = "conditioning", "scoring"  # folders of an identity's photos
FEATURES_FILE = "features.npz"
VIEWS = ("expressions", "cameras", "lights", "views", "resolution")  # a protocol's fields


@functools.cache
def scoring_models(weights: Path) -> ScoringModels:
    """The networks that score, loaded once a process."""
    from idto3d_eval.features import load_scoring_models

    return load_scoring_models(weights)


def scoring_photos(identity: Path) -> dict[str, NDArray[np.uint8]]:
    """File name -> pixels [H, W, 3] of an identity's scoring photos, sorted by name."""
    import numpy as np
    from PIL import Image

    photos = {}
    for path in sorted((identity / SCORING).iterdir()):
        with Image.open(path) as image:
            photos[path.name] = np.asarray(image.convert("RGB"), dtype=np.uint8)
    return photos


def photos_read_with(call: StageCall, models: ScoringModels) -> None:
    """Reads the embeddings of an identity's scoring photos."""
    from idto3d_eval.features import read_photos

    photos = scoring_photos(call.only_input())
    read_photos(list(photos.values()), list(photos), models, call.out / FEATURES_FILE)


def gallery_read_with(call: StageCall, models: ScoringModels) -> None:
    """Reads one template each of people that no network was trained on."""
    from idto3d.population.people import draw_person
    from idto3d_eval.reference import build_gallery

    seed = call.protocol.population.population_seed
    people = [draw_person("gallery", index, seed) for index in range(call.protocol.statistics.gallery)]
    photos = call.protocol.population.scoring_photos
    build_gallery(people, photos, models, call.out / FEATURES_FILE, call.progress)


def reference_read_with(call: StageCall, models: ScoringModels) -> None:
    """Reads an identity's own true head (ceiling) and matched impostors' (floor) in the protocol's views."""
    from idto3d.population.people import find_person, matched_impostors
    from idto3d_eval.features import load_photo_embeddings
    from idto3d_eval.reference import build_reference
    from idto3d_eval.views import view_specs

    person = find_person(call.identity, call.protocol.population.population_seed)
    build_reference(
        person,
        load_photo_embeddings(call.only_input() / FEATURES_FILE),
        call.protocol.expressions,
        view_specs(call.protocol),
        matched_impostors(person, call.protocol.statistics.impostors),
        models,
        call.out / FEATURES_FILE,
        call.progress,
    )
