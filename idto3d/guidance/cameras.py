"""The cameras that the priors know: where training views are from, and so where distillation may look."""

from __future__ import annotations

import numpy as np

from idto3d.render.camera import HEAD_CENTRE, Camera

DISTANCE = 900.0  # mm, near enough for the perspective of a portrait
FACE_CENTRE = (0.0, -28.0, -20.0)  # mm, between nose and eyes
WHOLE_HEAD = (270.0, 310.0)  # mm of the picture's height
FACE = (170.0, 230.0)


def draw_view(generator: np.random.Generator, resolution: int) -> Camera:
    """A camera mostly in front, one in five from anywhere around; the whole head or the face alone."""
    around = generator.uniform() < 0.2
    yaw = float(generator.uniform(-np.pi, np.pi) if around else np.clip(generator.normal(0, 0.55), -1.5, 1.5))
    pitch = float(np.clip(generator.normal(0.03, 0.16), -0.4, 0.5))
    face = not around and generator.uniform() < 0.5
    frame = float(generator.uniform(*(FACE if face else WHOLE_HEAD)))
    centre = np.asarray(FACE_CENTRE if face else HEAD_CENTRE)
    centre = centre + generator.normal(0, 0.02, 3) * frame * np.array([1, 1, 0])
    fovy = 2 * float(np.arctan(0.5 * frame / DISTANCE))
    return Camera(yaw, pitch, 0.0, DISTANCE, fovy, (centre[0], centre[1], centre[2]), resolution)
