"""Casual photographs of synthetic people: random camera, light, background, expression, occluder, JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d.expressions import EXPRESSIONS, preset
from idto3d.population.people import Person, person_generator
from idto3d.population.surface import Floats, Surface, to_srgb
from idto3d.render.camera import HEAD_CENTRE, Camera
from idto3d.render.light import EnvironmentLight


@dataclass(frozen=True)
class Photo:
    """One photograph and what is true of it.

    image [H, W, 3] uint8 sRGB; landmarks [68, 2] px (x right, y down); actions [52] in [0, 1]; `expression`
    is the preset that the actions were drawn around.
    """

    image: NDArray[np.uint8]
    landmarks: Floats
    actions: Floats
    expression: str
    camera: Camera
    light: EnvironmentLight
    occluded: bool


def draw_photo(person: Person, index: int, resolution: int = 256, purpose: str = "photo") -> Photo:
    """The index-th photograph of a person; the same arguments give the same bytes."""
    generator = person_generator(
        person.split, person.index, person.population_seed, f"{person.id}/{purpose}/{index}"
    )
    return take_photo(person, generator, resolution)


def take_photo(
    person: Person, generator: np.random.Generator, resolution: int, surface: Surface | None = None,
    actions: Floats | None = None, expression: str = "neutral",
) -> Photo:  # fmt: skip
    """A photograph with everything about it drawn from the generator.

    Args:
        person: who.
        generator: the only source of randomness.
        resolution: side of the square image in pixels.
        surface, actions, expression: the face where the caller already has it; drawn otherwise.
    """
    if surface is None or actions is None:
        expression, actions = draw_actions(generator)
        surface = Surface(person, actions)
    camera = draw_camera(generator, resolution)
    light = EnvironmentLight.random(generator)
    seen = surface.look(camera)
    image = draw_background(generator, resolution)
    image[seen.mask] = surface.colour(seen, camera, light) * generator.uniform(0.8, 1.2)
    image = to_srgb(image)
    landmarks = camera.project(surface.landmarks).astype(np.float32)
    occluded = bool(generator.uniform() < 0.1)
    if occluded:
        image = _occlude(image, landmarks, generator)
    return Photo(_develop(image, generator), landmarks, actions, expression, camera, light, occluded)


def draw_actions(generator: np.random.Generator) -> tuple[str, Floats]:
    """A preset at random strength with a little of other actions mixed in; name and [52] in [0, 1]."""
    expression = EXPRESSIONS[0] if generator.uniform() < 0.25 else str(generator.choice(EXPRESSIONS))
    actions = preset(expression) * np.float32(generator.uniform(0.6, 1.0))
    extra = generator.uniform(0, 0.3, 52) * (generator.uniform(size=52) < 0.08)
    return expression, np.clip(actions + extra, 0, 1).astype(np.float32)


def draw_camera(generator: np.random.Generator, resolution: int) -> Camera:
    """A hand-held camera somewhere in front of the person."""
    yaw = float(np.clip(generator.normal(0, 0.35), -0.95, 0.95))
    pitch = float(np.clip(generator.normal(0, 0.14), -0.4, 0.4))
    distance = float(np.exp(generator.uniform(np.log(500), np.log(1800))))
    frame = generator.uniform(290, 460)  # mm of the picture's height at the head
    fovy = 2 * float(np.arctan(0.5 * frame / distance))
    target = np.asarray(HEAD_CENTRE) + generator.normal(0, 1, 3) * np.array([0.07, 0.06, 0.0]) * frame
    return Camera(
        yaw,
        pitch,
        float(generator.normal(0, 0.1)),
        distance,
        fovy,
        (target[0], target[1], target[2]),
        resolution,
    )


def draw_background(generator: np.random.Generator, resolution: int) -> Floats:
    """A gradient with a few soft blobs and bars; [H, W, 3] linear."""
    import cv2

    y, x = np.mgrid[0:1:72j, 0:1:72j].astype(np.float32)
    a, b = generator.uniform(0.02, 0.8, (2, 3)).astype(np.float32)
    slope = generator.normal(size=2)
    t = np.clip(0.5 + slope[0] * (x - 0.5) + slope[1] * (y - 0.5), 0, 1)[..., None]
    image = a * (1 - t) + b * t
    for _ in range(int(generator.integers(0, 6))):
        colour = generator.uniform(0.02, 0.8, 3)
        cx, cy, rx, ry = *generator.uniform(0, 1, 2), *generator.uniform(0.04, 0.4, 2)
        if generator.uniform() < 0.5:
            inside = np.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2)
        else:
            inside = ((np.abs(x - cx) < rx) & (np.abs(y - cy) < ry)).astype(np.float32)
        image = image + (inside * generator.uniform(0.3, 1.0))[..., None] * (colour - image)
    grown = cv2.resize(image.astype(np.float32), (resolution, resolution), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown, np.float32)


def _occlude(image: Floats, landmarks: Floats, generator: np.random.Generator) -> Floats:
    """Something in front of part of the face: a hand, a cup, a scarf, reduced to an ellipse."""
    resolution = image.shape[0]
    y, x = np.mgrid[0:resolution, 0:resolution]
    size = np.ptp(landmarks[:, 1])
    corner = landmarks[int(generator.choice([2, 14, 8, 17, 26, 5, 11]))] + generator.normal(0, 0.08, 2) * size
    rx, ry = generator.uniform(0.12, 0.3, 2) * size
    angle = generator.uniform(0, np.pi)
    u = (x - corner[0]) * np.cos(angle) + (y - corner[1]) * np.sin(angle)
    v = -(x - corner[0]) * np.sin(angle) + (y - corner[1]) * np.cos(angle)
    inside = ((u / rx) ** 2 + (v / ry) ** 2) < 1
    return np.where(inside[..., None], generator.uniform(0.05, 0.9, 3), image).astype(np.float32)


def _develop(image: Floats, generator: np.random.Generator) -> NDArray[np.uint8]:
    """White balance, blur, sensor noise and JPEG."""
    import cv2
    from PIL import Image

    image = image * (1 + 0.04 * generator.normal(size=3)).astype(np.float32)
    sigma = float(generator.uniform(0.3, 1.0)) * image.shape[0] / 256
    image = cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.2 else image
    noisy = image + generator.normal(0, generator.uniform(0, 0.02), image.shape)
    stored = io.BytesIO()
    Image.fromarray((np.clip(noisy, 0, 1) * 255).round().astype(np.uint8)).save(
        stored, "JPEG", quality=int(generator.integers(60, 96))
    )
    return np.asarray(Image.open(stored).convert("RGB"))
