"""Training arrays from the population: aligned faces, loose crops with truth, and views for the priors.

Every array is written as a plain `.npy` in a folder; people are drawn by split and index, so that a training
run is reproduced by its command alone.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d.expressions import EXPRESSIONS, preset
from idto3d.geometry.mean_head import load_mean_head
from idto3d.population.appearance import paint
from idto3d.population.head_model import load_head_model
from idto3d.population.people import Person, draw_person, person_generator
from idto3d.population.photos import draw_actions, draw_background, take_photo
from idto3d.population.surface import GBuffer, Surface, eye_centres, place_on_mean, to_srgb
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight

if TYPE_CHECKING:
    from idto3d.guidance.control import ControlView

Arrays = dict[str, NDArray[np.generic]]
PHOTO_RESOLUTION = 160
VIEW_RESOLUTION = 64
GREY = np.full(3, 0.5)  # behind normals and shaded colour
LIKENESS_POINTS = 2000
LIKENESS_DEPTH, LIKENESS_BELOW = -60.0, 130.0  # mm behind and below the eyes: the face without the neck
MARK_POINTS = 3000  # in the box where moles and freckles are
MARKED_LOW, MARKED_HIGH = (-55.0, -102.0, -40.0), (55.0, 66.0, 60.0)  # mm
MARK_SPREAD = 4.0  # mm that a mark is spread over, so that a near miss counts for something


def face_rows(person: Person, photos: int) -> Iterator[Arrays]:
    """Photographs on the ArcFace template: `aligned` [112, 112, 3] uint8, `person`, `attributes` [6]."""
    from idto3d.identity.align import align

    generator = person_generator(person.split, person.index, person.population_seed, "dataset/faces")
    for _ in range(photos // 2):
        expression, actions = draw_actions(generator)
        surface = Surface(person, actions)
        for _ in range(2):
            photo = take_photo(person, generator, PHOTO_RESOLUTION, surface, actions, expression)
            landmarks = photo.landmarks + generator.normal(0, 0.012, (68, 2)) * np.ptp(photo.landmarks[:, 1])
            aligned = align(photo.image, landmarks.astype(np.float32))
            yield {
                "aligned": aligned,
                "person": np.array(person.index, np.int32),
                "attributes": person.attributes.indices(),
            }


def reader_rows(person: Person, photos: int) -> Iterator[Arrays]:
    """Loose crops with their truth; one row in sixteen is a background without a face.

    `crops` [112, 112, 3], `landmarks` [68, 2] in [0, 1], `present`, `actions` [52], `attributes` [6].
    """
    from idto3d.identity.align import apply, warp

    generator = person_generator(person.split, person.index, person.population_seed, "dataset/readers")
    for _ in range(photos // 2):
        expression, actions = draw_actions(generator)
        if generator.uniform() < 0.25:  # a few single actions, beyond the presets
            actions = np.zeros(52, np.float32)
            actions[generator.choice(52, 4, replace=False)] = generator.uniform(0.3, 1.0, 4)
        surface = Surface(person, actions)
        for _ in range(2):
            photo = take_photo(person, generator, PHOTO_RESOLUTION, surface, actions, expression)
            present = bool(generator.uniform() > 1 / 16)
            image, landmarks = photo.image, photo.landmarks
            if not present:
                image = (to_srgb(draw_background(generator, PHOTO_RESOLUTION)) * 255).astype(np.uint8)
            matrix = _loose_crop(landmarks, PHOTO_RESOLUTION, generator)
            crop = warp(image, matrix, 112)
            yield {
                "crops": crop,
                "landmarks": (apply(matrix, landmarks) / 112).astype(np.float32),
                "present": np.array(present),
                "actions": actions,
                "attributes": person.attributes.indices() if present else np.full(6, -1, np.int64),
                "person": np.array(person.index, np.int32),
            }


def render_rows(person: Person, renders: int) -> Iterator[Arrays]:
    """As `reader_rows`, from renders: grey behind, near the front, the presets in turn at full strength."""
    from idto3d.identity.align import apply, warp

    generator = person_generator(person.split, person.index, person.population_seed, "dataset/renders")
    for index in range(renders):
        actions = preset(EXPRESSIONS[index % len(EXPRESSIONS)])
        surface = Surface(person, actions)
        camera = Camera(
            yaw=float(generator.uniform(-0.45, 0.45)),
            pitch=float(generator.normal(0, 0.08)),
            fovy=float(generator.uniform(0.27, 0.36)),
            resolution=PHOTO_RESOLUTION,
        )
        seen = surface.look(camera)
        image = np.full((PHOTO_RESOLUTION, PHOTO_RESOLUTION, 3), 0.5, np.float32)
        image[seen.mask] = to_srgb(surface.colour(seen, camera, EnvironmentLight.random(generator)))
        landmarks = camera.project(surface.landmarks).astype(np.float32)
        matrix = _loose_crop(landmarks, PHOTO_RESOLUTION, generator)
        yield {
            "crops": warp((image * 255).round().astype(np.uint8), matrix, 112),
            "landmarks": (apply(matrix, landmarks) / 112).astype(np.float32),
            "present": np.array(True),
            "actions": actions,
            "attributes": person.attributes.indices(),
            "person": np.array(person.index, np.int32),
        }


def _loose_crop(
    landmarks: NDArray[np.floating], resolution: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """To a crop of 112 pixels: the whole picture, or in six of ten around the face (the second reading)."""
    if generator.uniform() >= 0.6:
        return np.array([[112 / resolution, 0, 0], [0, 112 / resolution, 0]])
    low, high = landmarks.min(0), landmarks.max(0)
    side = float((high - low).max() * generator.uniform(1.15, 2.0))
    corner = 0.5 * (low + high) - 0.5 * side + generator.normal(0, 0.06, 2) * side
    return np.array([[112 / side, 0, -corner[0] * 112 / side], [0, 112 / side, -corner[1] * 112 / side]])


def portrait_rows(person: Person, photos: int) -> Iterator[Arrays]:
    """Whole photographs with their truth, expressions in turn and at full strength: what measures a reader.

    `photos` [160, 160, 3], `landmarks` [68, 2] in [0, 1], `present`, `actions` [52], `attributes` [6].
    """
    generator = person_generator(person.split, person.index, person.population_seed, "dataset/portraits")
    for index in range(photos):
        expression = EXPRESSIONS[index % len(EXPRESSIONS)]
        actions = preset(expression)
        surface = Surface(person, actions)
        photo = take_photo(person, generator, PHOTO_RESOLUTION, surface, actions, expression)
        yield {
            "photos": photo.image,
            "landmarks": (photo.landmarks / PHOTO_RESOLUTION).astype(np.float32),
            "present": np.array(True),
            "actions": actions,
            "attributes": person.attributes.indices(),
            "person": np.array(person.index, np.int32),
        }


def likeness_rows(person: Person, photos: int) -> Iterator[Arrays]:  # noqa: ARG001
    """What a person's neutral face is: one row of `LIKENESS_POINTS` places, the same on everyone.

    `position` mm, `normal` (unit) and `albedo` (sRGB in [0, 1]) [M, 3] float16; `marks` [K, 1] float16, how
    much darker moles and freckles make `MARK_POINTS` places; `person`.
    """
    surface = Surface(person, preset(EXPRESSIONS[0]))
    triangle, weight = _likeness_places()
    corners = surface.model.faces[triangle]

    def mix(attribute: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.asarray(np.einsum("pk,pkc->pc", weight, attribute[corners]))

    normal = mix(surface.normals)
    albedo, _ = paint(
        person.appearance,
        mix(surface.model.mean).astype(np.float32),
        surface.model.part[triangle],
        eye_centres(),
    )
    yield {
        "position": mix(surface.vertices).astype(np.float16),
        "normal": (normal / np.linalg.norm(normal, axis=1, keepdims=True)).astype(np.float16),
        "albedo": albedo.astype(np.float16),
        "marks": _marks(person).astype(np.float16),
        "person": np.array(person.index, np.int32),
    }


def _marks(person: Person) -> NDArray[np.floating]:
    """How much moles and freckles take off the brightness of `MARK_POINTS` places, spread; [K, 1]."""
    places, part, spread = _mark_places()
    look = person.appearance
    clear = replace(look, moles=look.moles[:0], freckles=look.freckles[:0])
    with_marks, without = (paint(each, places, part, eye_centres())[0].mean(1) for each in (look, clear))
    return np.asarray(spread @ (1.0 - with_marks / without))[:, None]


@functools.cache
def _mark_places() -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
    """Places [K, 3] mm on the mean head, their parts [K], and a Gaussian's shares [K, K] among them."""
    model = load_head_model()
    inside = np.all((model.mean > np.array(MARKED_LOW)) & (model.mean < np.array(MARKED_HIGH)), axis=1)
    triangle, weight = _area_uniform(model.outer & inside[model.faces].all(1), MARK_POINTS)
    places = np.einsum("pk,pkc->pc", weight, model.mean[model.faces[triangle]])
    apart = np.square(places[:, None] - places[None]).sum(2)
    share = np.exp(-0.5 * apart / MARK_SPREAD**2)
    return places.astype(np.float32), model.part[triangle], share / share.sum(1, keepdims=True)


@functools.cache
def _likeness_places() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Area-uniform places on the front of the mean head's outer surface: triangles [M] and weights [M, 3]."""
    model = load_head_model()
    centre = model.mean[model.faces].mean(1)
    front = model.outer & (centre[:, 2] > LIKENESS_DEPTH) & (centre[:, 1] > -LIKENESS_BELOW)
    return _area_uniform(front, LIKENESS_POINTS)


def _area_uniform(chosen: NDArray[np.bool_], count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places on the chosen triangles [F] of the mean head: triangles [count] and weights [count, 3]."""
    model = load_head_model()
    corner = model.mean[model.faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    generator = np.random.default_rng(0)
    chance = np.where(chosen, area, 0.0)
    triangle = generator.choice(len(area), count, p=chance / chance.sum())
    return triangle, generator.dirichlet([1.0, 1.0, 1.0], count)


def view_rows(person: Person, views: int) -> Iterator[Arrays]:
    """Views for the priors: three pictures of one camera, with what conditions them.

    `photograph`, `normals`, `shaded` [64, 64, 3] uint8; `expression`, `camera` features, `attributes`; and
    [3, 64, 64] float16 each: of the shipped mean head seen by the same camera, `place` (`ControlView`'s
    position), `mean_coloured` and `mean_normals`; and `own_place`, where on it each pixel of the
    person is, in the same unit, zero beside the head.
    """
    from idto3d.guidance.cameras import draw_view
    from idto3d.guidance.condition import camera_features

    generator = person_generator(person.split, person.index, person.population_seed, "dataset/views")
    side, control = 2 * VIEW_RESOLUTION, _control_view()
    for _ in range(views // 2):
        expression = 0 if generator.uniform() < 0.15 else int(generator.integers(0, len(EXPRESSIONS)))
        actions = preset(EXPRESSIONS[expression]) * np.float32(generator.uniform(0.85, 1.0))
        surface = Surface(person, actions)
        for _ in range(2):
            camera = draw_view(generator, side)
            seen = surface.look(camera)
            light = EnvironmentLight.random(generator)
            colour = surface.colour(seen, camera, light)

            srgb = to_srgb(colour)
            normal = seen.normal @ camera.rotation().T.astype(np.float32)
            backdrop = to_srgb(draw_background(generator, side))
            shown = control.look(replace(camera, resolution=VIEW_RESOLUTION), light, "normals")
            place, mean_coloured, mean_normals = shown.reshape(3, 3, *shown.shape[1:]).astype(np.float16)
            yield {
                "photograph": _picture(backdrop, srgb, seen.mask),
                "normals": _picture(GREY, 0.5 + 0.5 * normal, seen.mask),
                "shaded": _picture(GREY, srgb, seen.mask),
                "expression": np.array(expression, np.int64),
                "camera": camera_features(camera),
                "place": place,
                "mean_coloured": mean_coloured,
                "mean_normals": mean_normals,
                "own_place": _own_place(seen),
                "attributes": person.attributes.indices(),
                "person": np.array(person.index, np.int32),
            }


def _own_place(seen: GBuffer) -> NDArray[np.float16]:
    """Every second pixel's place on the mean head that generation starts from, in `UNIT`; [3, 64, 64]."""
    from idto3d.guidance.control import UNIT

    place = np.zeros((*seen.mask.shape, 3), np.float32)
    place[seen.mask] = place_on_mean(seen) / UNIT
    return place[1::2, 1::2].transpose(2, 0, 1).astype(np.float16)


@functools.cache
def _control_view() -> ControlView:
    from idto3d.guidance.control import ControlView

    return ControlView(load_mean_head(Path(str(files("idto3d") / "weights" / "mean_head.npz"))))


def _picture(
    background: NDArray[np.floating], pixels: NDArray[np.floating], mask: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Pixels [P, 3] over a background (sRGB in [0, 1]), halved by box filter; [64, 64, 3]."""
    import cv2

    canvas = np.array(np.broadcast_to(background, (*mask.shape, 3)), np.float32)
    canvas[mask] = pixels
    small = cv2.resize(canvas, (VIEW_RESOLUTION, VIEW_RESOLUTION), interpolation=cv2.INTER_AREA)
    return np.asarray((np.clip(small, 0, 1) * 255).round(), np.uint8)


KINDS: dict[str, Callable[[Person, int], Iterator[Arrays]]] = {
    "faces": face_rows,
    "readers": reader_rows,
    "renders": render_rows,
    "portraits": portrait_rows,
    "views": view_rows,
    "likenesses": likeness_rows,
}


def make_dataset(
    kind: str, split: str, people: int, photos: int, out: Path, *, start: int = 0, population_seed: int = 0,
    workers: int = 2, progress: Callable[[int, int], None] | None = None,
) -> Path:  # fmt: skip
    """Render a data set and write its arrays into a folder; a finished folder is left as it is.

    Args:
        kind: one of `KINDS`.
        split: whose people; `start` is the first person's index.
        people, photos: how many people, and how many rows of each (even).
        out: the folder.
        workers: processes; their number changes no byte.
        progress: called with people done and people in all.

    Returns:
        The folder.
    """
    marker = out / "dataset.json"
    facts = {
        "kind": kind,
        "split": split,
        "people": people,
        "photos": photos,
        "start": start,
        "seed": population_seed,
    }
    if marker.exists() and json.loads(marker.read_text()) == facts:
        return out
    out.mkdir(parents=True, exist_ok=True)
    chunks = [range(start + a, min(start + a + 25, start + people)) for a in range(0, people, 25)]
    parts: list[Arrays] = []
    # A forked copy of a process whose libraries hold locks may wait for them for ever.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, fresh, _single_thread) as pool:
        jobs = [
            pool.submit(_make_chunk, kind, split, list(chunk), photos, population_seed) for chunk in chunks
        ]
        for done, job in enumerate(jobs):
            parts.append(job.result())
            if progress:
                progress(min((done + 1) * 25, people), people)
    for name in parts[0]:
        np.save(out / f"{name}.npy", np.concatenate([part[name] for part in parts]))
    temporary = marker.with_suffix(".tmp")
    temporary.write_text(json.dumps(facts))
    temporary.replace(marker)
    return out


def _single_thread() -> None:
    """One thread a worker: the matrix library's own, waiting for each other, doubled the time of a row."""
    import cv2
    import threadpoolctl
    import torch

    threadpoolctl.threadpool_limits(1)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _make_chunk(kind: str, split: str, indices: list[int], photos: int, population_seed: int) -> Arrays:
    rows = [
        row for index in indices for row in KINDS[kind](draw_person(split, index, population_seed), photos)
    ]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
