"""Pictures of synthetic people as a user's folder would hold them, with what they truly show."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from idto3d.expressions import preset
from idto3d.population.people import draw_person
from idto3d.population.surface import Surface, to_srgb
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight
from idto3d.train.head_pose import FLIP

SIDE = 220  # pixels
RIG = {
    "222200037": Camera(resolution=SIDE, fovy=0.4),
    "222200038": Camera(yaw=0.6, pitch=0.1, resolution=SIDE, fovy=0.4),
    "222200039": Camera(yaw=-0.6, pitch=0.15, resolution=SIDE, fovy=0.4),
    "222200040": Camera(yaw=2.9, resolution=SIDE, fovy=0.4),
}
# Where the head is in the rig's world, and the world's unit: metres.
WORLD = cv2.Rodrigues(np.array([0.4, -0.8, 0.2]))[0]
PLACE, UNIT = np.array([0.3, 0.1, -0.2]), 1e-3


@dataclass(frozen=True)
class Shown:
    """A rendered picture with its mask and normal map, uint8 [S, S, 3] each."""

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    normals: NDArray[np.uint8]
    landmarks: NDArray[np.float64]


@functools.cache
def surface(index: int, expression: str) -> Surface:
    return Surface(draw_person("validation", index), preset(expression))


def show(index: int, expression: str, camera: Camera) -> Shown:
    """Validation person `index` on grey, in an even light."""
    head = surface(index, expression)
    seen = head.look(camera)
    image = np.full((*seen.mask.shape, 3), 0.5, np.float32)
    image[seen.mask] = to_srgb(head.colour(seen, camera, EnvironmentLight.uniform(0.9)))
    normals = np.full_like(image, 0.5)
    normals[seen.mask] = 0.5 + 0.5 * seen.normal @ camera.rotation().T
    mask = np.repeat(seen.mask[..., None], 3, 2).astype(np.uint8) * 255
    return Shown(_bytes(image), mask, _bytes(normals), camera.project(head.landmarks))


def calibration() -> dict[str, object]:
    """`camera_params.json` of the rig; one lens for pictures 2200 pixels wide."""
    focal = next(iter(RIG.values())).focal * 2200 / SIDE
    outside = {}
    for serial, camera in RIG.items():
        rotation = FLIP @ camera.rotation()
        pose = np.eye(4)
        pose[:3, :3] = rotation @ WORLD.T
        pose[:3, 3] = -rotation @ camera.position() * UNIT - pose[:3, :3] @ PLACE
        outside[serial] = pose.tolist()
    return {"world_2_cam": outside, "intrinsics": [[focal, 0, 1099.5], [0, focal, 1099.5], [0, 0, 1]]}


def write(path: Path, image: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1])
    return path


def write_frames(folder: Path, participant: str, index: int, sequence: str, expressions: list[str]) -> None:
    """A sequence of version 1: a moment an expression, four cameras, masks and normal maps."""
    person = folder / participant
    person.mkdir(parents=True, exist_ok=True)
    (person / "camera_params.json").write_text(json.dumps(calibration()))
    for time, expression in enumerate(expressions):
        moment = person / "sequences" / sequence / f"frame_{time:05d}"
        for serial, camera in RIG.items():
            shown = show(index, expression, camera)
            write(moment / "images-2x-73fps" / f"cam_{serial}.png", shown.image)
            write(moment / "alpha_map-73fps" / f"cam_{serial}.png", shown.mask)
            write(moment / "normals" / f"cam_{serial}.png", shown.normals)


def write_videos(folder: Path, participant: str, index: int, sequence: str, expressions: list[str]) -> None:
    """A sequence of version 2: a video a camera."""
    person = folder / participant
    (person / "calibration").mkdir(parents=True, exist_ok=True)
    (person / "calibration" / "camera_params.json").write_text(json.dumps(calibration()))
    images = person / "sequences" / sequence / "images"
    images.mkdir(parents=True)
    for serial, camera in list(RIG.items())[:2]:
        video = cv2.VideoWriter(
            str(images / f"cam_{serial}.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 24, (SIDE, SIDE)
        )
        for expression in expressions:
            video.write(show(index, expression, camera).image[..., ::-1])
        video.release()


def portrait(index: int, expression: str = "neutral", yaw: float = 0.2) -> Shown:
    """As a visitor takes it: a little from the side, with room around."""
    return show(index, expression, replace(RIG["222200037"], yaw=yaw, fovy=0.45))


def _bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray((np.clip(values, 0, 1) * 255).round(), np.uint8)
