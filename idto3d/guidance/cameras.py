"""The cameras that the priors know: where training views are from, and so where distillation may look."""

from __future__ import annotations

import numpy as np

from idto3d.render.camera import HEAD_CENTRE, Camera

DISTANCE = 900.0  # mm, near enough for the perspective of a portrait
FACE_CENTRE = (0.0, -28.0, -20.0)  # mm, between nose and eyes
# mm of the picture's height: a guidance of 64 pixels sees lips and lids only from near
WHOLE_HEAD, FACE, FEATURES = (270.0, 310.0), (170.0, 230.0), (95.0, 140.0)
# Corners of where the features lie, mm: nearly as far as the outer corners of the eyes and the lower lip.
FEATURES_LOW, FEATURES_HIGH = np.array([-32.0, -85.0, -15.0]), np.array([32.0, 12.0, -15.0])


AROUND = 0.2  # share of views from anywhere


def draw_view(generator: np.random.Generator, resolution: int, anywhere: float = AROUND) -> Camera:
    """A camera in front, or with probability `anywhere` around the head; the whole head, the face
    alone, or one or two of its features."""
    around = generator.uniform() < anywhere
    yaw = float(generator.uniform(-np.pi, np.pi) if around else np.clip(generator.normal(0, 0.55), -1.5, 1.5))
    pitch = float(np.clip(generator.normal(0.03, 0.16), -0.4, 0.5))
    frame, centre = WHOLE_HEAD, np.asarray(HEAD_CENTRE)
    near = generator.uniform()
    if not around and near < 0.4:
        frame, centre = FACE, np.asarray(FACE_CENTRE)
    elif not around and near < 0.65:
        frame, centre = FEATURES, generator.uniform(FEATURES_LOW, FEATURES_HIGH)
    height = float(generator.uniform(*frame))
    centre = centre + generator.normal(0, 0.02, 3) * height * np.array([1, 1, 0])
    fovy = 2 * float(np.arctan(0.5 * height / DISTANCE))
    return Camera(yaw, pitch, 0.0, DISTANCE, fovy, (centre[0], centre[1], centre[2]), resolution)
