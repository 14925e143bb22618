"""True heads of validation people as the self-checks draw, damage and read them.

What is undamaged is drawn once a process and cannot be written to; everything damaged is drawn and read anew
by the check that asks for it, so that no check sees what another one left.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.features import HeadFeatures, ScoringModels, read_images
from idto3d_eval.metrics.identity import MINIMUM_IMPOSTORS, identity_similarity, view_floor
from idto3d_eval.metrics.retrieval import MINIMUM_GALLERY, template
from idto3d_eval.reference import Gallery, Reference
from idto3d_eval.views import SUPERSAMPLE, ViewSpec

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh
    from idto3d.population.people import Person

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]

# Validation people: choices are made on them alone, and held-out people stay unseen. With the gallery, five
# are enough for the 1,000 pairs that a false acceptance rate of 1e-2 asks for.
PEOPLE = 5
CALIBRATED = 2  # of them that get a floor: twenty impostors each are what takes the time
PHOTOS = 4  # scoring photos of each
GALLERY_PIXELS = 112  # side of a gallery photo: as many as the recogniser's crop has
RESOLUTION = 160  # pixels of a view's side
CAMERAS = (("front-even", 0.0, "even", True), ("left20-side", 20.0, "side", True))  # as in quickstart
PROTOCOL = "quickstart"  # whose cameras and lights these are
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of another person, of a faded expression
BLURS = (0.0, 1.0, 2.0, 3.0, 4.0)  # standard deviation of the Gaussian, pixels of the view
NOISES = (0.0, 10.0, 20.0, 40.0, 80.0)  # standard deviation, of 255


def names() -> tuple[str, ...]:
    """The people by id."""
    return tuple(person.id for person in people())


@functools.cache
def people() -> tuple[Person, ...]:
    """The first validation people."""
    from idto3d.population.people import draw_person

    return tuple(draw_person("validation", index) for index in range(PEOPLE))


@functools.cache
def views() -> tuple[ViewSpec, ...]:
    """Two frontal views under two lights."""
    from idto3d_eval.views import view_specs
    from idto3d_protocols.loader import load_protocol

    known = {spec.name: spec for spec in view_specs(load_protocol(PROTOCOL))}
    lights = {name.split("-")[1]: spec.light for name, spec in known.items()}
    front = known["front-even"].camera
    return tuple(
        ViewSpec(
            name,
            replace(front, yaw=float(np.radians(yaw)), resolution=RESOLUTION),
            lights[light],
            frontal=frontal,
        )
        for name, yaw, light, frontal in CAMERAS
    )


@functools.cache
def models() -> ScoringModels:
    """The shipped networks that score."""
    from idto3d_eval.features import load_scoring_models
    from idto3d_eval.single import shipped_weights

    return load_scoring_models(shipped_weights())


def head(index: int, expression: str = "neutral") -> TexturedMesh:
    """The true head of a person, a copy of one's own."""
    mesh = _head(index, expression)
    return replace(mesh, **{field.name: getattr(mesh, field.name).copy() for field in fields(mesh)})


def blended(one: TexturedMesh, other: TexturedMesh, share: float) -> TexturedMesh:
    """A head between two of one topology, in shape and in appearance; `share` is the other's."""
    mixed: dict[str, Any] = {"vertices": (1.0 - share) * one.vertices + share * other.vertices}
    for name in ("albedo", "roughness_metallic"):
        layers = (1.0 - share) * getattr(one, name) + share * getattr(other, name).astype(np.float64)
        mixed[name] = np.rint(layers).astype(np.uint8)
    return replace(one, **mixed)


def draw(mesh: TexturedMesh) -> tuple[Image, ...]:
    """Its views through the canonical renderer."""
    from idto3d.render.views import render_view

    return tuple(render_view(mesh, spec.camera, spec.light, SUPERSAMPLE).colour for spec in views())


@functools.cache
def drawn(index: int, expression: str = "neutral") -> tuple[Image, ...]:
    """The views of a person's true head."""
    return tuple(_locked(image) for image in draw(head(index, expression)))


def blurred(image: Image, level: float) -> Image:
    """Blurred by a Gaussian of a standard deviation in pixels."""
    import cv2

    return image if level == 0.0 else np.asarray(cv2.GaussianBlur(image, (0, 0), level), np.uint8)


def noisy(image: Image, level: float) -> Image:
    """With Gaussian noise of a standard deviation in levels of 255; the same noise at every level."""
    noise = np.random.default_rng(0).normal(size=image.shape)
    return np.rint(np.clip(image + level * noise, 0.0, 255.0)).astype(np.uint8)


def read(pictures: Mapping[str, Sequence[Image]]) -> HeadFeatures:
    """What the scoring networks read in a head's views; expression -> V images."""
    flat = [image for images in pictures.values() for image in images]
    found = read_images(flat, models())
    shape = (len(pictures), len(views()))
    return HeadFeatures(
        expressions=tuple(pictures),
        views=tuple(spec.name for spec in views()),
        frontal=np.array([spec.frontal for spec in views()]),
        embeddings=found.embeddings.reshape(*shape, -1),
        landmarks=found.landmarks.reshape(*shape, 68, 2),
        actions=found.actions.reshape(*shape, 52),
        presence=found.presence.reshape(shape),
        reasons=np.array(found.reasons, dtype=np.str_).reshape(shape),
        cards=models().cards,
    )


@functools.cache
def photo_embeddings(index: int) -> NDArray[np.float32]:
    """Embeddings [P, D] of a person's scoring photos in which a face was read."""
    from idto3d.population.photos import draw_photo

    found = read_images([draw_photo(people()[index], number).image for number in range(PHOTOS)], models())
    return _locked(found.embeddings[np.isfinite(found.embeddings).all(axis=1)])


@functools.cache
def impostor_embeddings(index: int) -> NDArray[np.float32]:
    """Embeddings [20, 1, V, D] of matched impostors' true heads with a neutral face."""
    from idto3d.population.people import matched_impostors
    from idto3d.population.truth import true_mesh

    heads = [
        draw(true_mesh(each, "neutral")) for each in matched_impostors(people()[index], MINIMUM_IMPOSTORS)
    ]
    return _locked(np.stack([read({"neutral": images}).embeddings for images in heads]))


def references() -> Mapping[str, Reference]:
    """What heads are measured against, by person."""
    return {name: reference(index) for index, name in enumerate(names())}


@functools.cache
def reference(index: int) -> Reference:
    """What a person's heads are measured against; floor and ceiling, neutral alone, for the first
    `CALIBRATED`."""
    photos = photo_embeddings(index)
    if index >= CALIBRATED:
        return Reference(photos)
    own = read({"neutral": drawn(index)}).embeddings
    return Reference(
        photos=photos,
        expressions=("neutral",),
        views=tuple(spec.name for spec in views()),
        floor=_locked(view_floor(impostor_embeddings(index), photos)),
        ceiling=_locked(identity_similarity(own, photos)),
        impostors=MINIMUM_IMPOSTORS,
    )


@functools.cache
def gallery() -> Gallery:
    """As many people as rank-1 asks for, by one small photograph each."""
    return gallery_of(MINIMUM_GALLERY + 10)  # ten more, for photos that cannot be read


@functools.cache
def gallery_of(count: int) -> Gallery:
    """The first people of the gallery, those whose one small photograph could be read."""
    from idto3d.population.people import draw_person
    from idto3d.population.photos import draw_photo

    known = [draw_person("gallery", index) for index in range(count)]
    rows = read_images([draw_photo(person, 0, GALLERY_PIXELS).image for person in known], models()).embeddings
    kept = np.flatnonzero(np.isfinite(rows).all(axis=1))
    templates = np.stack([template(rows[index][None]) for index in kept]).astype(np.float32)
    return Gallery(tuple(known[index].id for index in kept), _locked(templates))


@functools.cache
def _head(index: int, expression: str) -> TexturedMesh:
    from idto3d.population.truth import true_mesh

    return true_mesh(people()[index], expression)


def _locked(array: NDArray[Any]) -> NDArray[Any]:
    array = np.array(array)
    array.setflags(write=False)
    return array
