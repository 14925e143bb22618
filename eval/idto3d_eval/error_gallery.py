"""A run's geometry as pictures: a heat map for each method and person, and one sheet of them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from idto3d.errors import UserError
from idto3d_eval.heat_map import ErrorMap, coloured_glb, error_map, sheet
from idto3d_eval.reading_stages import FEATURES_FILE
from idto3d_eval.reference import GEOMETRY_EXPRESSION, load_reference
from idto3d_eval.store import Store


def write_error_maps(
    run: Path, out: Path, people: int, seed: int = 0, told: Callable[[str], None] = lambda _: None
) -> Iterator[Path]:
    """Writes METHOD/PERSON.png (expressions × views), METHOD/PERSON-EXPRESSION.glb, METHOD.png (people), and
    regions.png, which shows where the metrics' regions lie on the first true head.

    Args:
        run: a run's folder.
        out: the folder that the pictures go to.
        people: how many of each method's, the first ones.
        seed: whose heads.
        told: called with what is being drawn.

    Yields:
        Each file, once it is written.

    Raises:
        UserError: the run has no heads, or none of a person whose true head is known.
    """
    from idto3d.whole_file import write_whole
    from idto3d_eval.region_picture import region_sheet

    store = Store(run)
    methods = sorted(path.name for path in (run / "heads").glob("*") if path.is_dir())
    drawn = 0
    for method in methods:
        found = sorted(path.name for path in (run / "heads" / method).iterdir())
        faces: dict[str, ErrorMap] = {}
        for person in found[:people]:
            maps = person_maps(store, method, person, seed)
            if not maps:
                continue
            told(f"{method}, {person}")
            faces[person] = maps[GEOMETRY_EXPRESSION]
            folder = out / method
            folder.mkdir(parents=True, exist_ok=True)
            for expression, one in maps.items():
                write_whole(folder / f"{person}-{expression}.glb", coloured_glb(one))
            write_whole(folder / f"{person}.png", sheet(maps, f"{method}, {person}"))
            yield folder / f"{person}.png"
        if faces:
            drawn += 1
            write_whole(out / f"{method}.png", sheet(faces, method))
            yield out / f"{method}.png"
    for folder in sorted((run / "references").glob("*"))[:1]:
        truth = load_reference(folder / FEATURES_FILE).truth
        if truth is not None and np.isfinite(truth.landmarks).all():
            head = (folder.name, truth.vertices, truth.faces, truth.landmarks)
            write_whole(out / "regions.png", region_sheet([head]))
            yield out / "regions.png"
    if not drawn:
        raise UserError(
            f"Found no head in '{run}' of a person whose true head is known, expected some; run a protocol "
            "of synthetic people first."
        )


def person_maps(
    store: Store, method: str, person: str, seed: int, only: Sequence[str] = ()
) -> dict[str, ErrorMap]:
    """Expression -> heat map of one head, neutral first; empty where the run has no head or no true head.

    Args:
        store: of the run.
        method: the row whose head it is.
        person: for whom it was made.
        seed: by which.
        only: expressions; all by default.
    """
    from idto3d.asset import read_expression, read_manifest
    from idto3d_eval.features import load_features
    from idto3d_eval.lifting import lift_now_landmarks
    from idto3d_eval.metrics.surface import Surface
    from idto3d_eval.views import read_views

    place = f"{method}/{person}/seed-{seed}"
    head, read, truth = (
        store.artefact(name) for name in (f"heads/{place}", f"features/{place}", f"references/{person}")
    )
    if not (head.is_dir() and (read / FEATURES_FILE).is_file() and (truth / FEATURES_FILE).is_file()):
        return {}
    reference, features = load_reference(truth / FEATURES_FILE), load_features(read / FEATURES_FILE)
    views = read_views(store.artefact(f"views/{place}")).views
    has = read_manifest(head).expressions
    wanted = [GEOMETRY_EXPRESSION, *(name for name in reference.expressions if name != GEOMETRY_EXPRESSION)]
    maps: dict[str, ErrorMap] = {}
    outside = None
    for expression in wanted:
        true = reference.truth_of(expression)
        if true is None or expression not in has or expression not in features.expressions:
            continue
        mesh = read_expression(head, expression)
        surface = Surface(mesh.vertices, mesh.faces)
        outside = surface.seen_faces() if outside is None else outside
        if only and expression not in only:
            continue  # neutral is read all the same: what is seen of it is seen of the others
        landmarks = lift_now_landmarks(features, expression, views, surface)
        maps[expression] = error_map(surface, landmarks, true, outside)
    return maps
