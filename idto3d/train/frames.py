"""What a layout of people's pictures offers, before anything is read: frames, and which show one moment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.identity.photo import read_photo
from idto3d.render.camera import Camera

NOT_TOLD = (-1,) * len(Attributes.GROUPS)


@dataclass(frozen=True)
class Picture:
    """An image file, or one frame of a video."""

    path: Path
    frame: int | None = None

    def read(self) -> NDArray[np.uint8]:
        """uint8 [H, W, 3] sRGB, at most 2048 pixels a side; UserError where it cannot be read."""
        if self.frame is None:
            return np.asarray(read_photo(self.path), np.uint8)
        if not self.path.is_file():
            raise UserError(f"Found no video at '{self.path}', expected one; check the name.")
        video = cv2.VideoCapture(str(self.path))
        video.set(cv2.CAP_PROP_POS_FRAMES, self.frame)
        got, image = video.read()
        video.release()
        if not got:
            raise UserError(
                f"Found no frame {self.frame} in '{self.path.name}', expected a whole video; copy it again."
            )
        height, width = image.shape[:2]
        scale = min(1.0, 2048 / max(height, width))
        small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(small[..., ::-1], np.uint8)

    def stamp(self) -> str:
        """What changes when the file does."""
        if not self.path.is_file():
            return f"{self.path}:none"
        facts = self.path.stat()
        return f"{self.path}:{self.frame}:{facts.st_size}:{facts.st_mtime_ns}"


@dataclass(frozen=True)
class Lens:
    """Intrinsics [3, 3] in pixels of a picture `width` wide; a reduced picture has them reduced."""

    matrix: tuple[tuple[float, ...], ...]
    width: int

    def at(self, width: int) -> NDArray[np.float64]:
        """Intrinsics of the picture as it was read, `width` pixels wide."""
        scale = width / self.width
        return np.diag([scale, scale, 1.0]) @ np.array(self.matrix, np.float64)


@dataclass(frozen=True)
class Frame:
    """One picture of one person and what the layout says of it; None and -1 are not told.

    expressions: names it may show; one where it is known, none where nothing is
    mask: a picture, white where the person is
    normals: a picture, 0.5 + 0.5 n in the camera's axes (x right, y up, z to the viewer)
    world_to_camera: [4, 4], OpenCV's axes, of a calibrated rig
    camera: where the picture was taken from, in full
    angles: yaw, pitch, roll of the camera, radians
    attributes: [6] class indices
    """

    subject: str
    name: str
    picture: Picture
    expressions: tuple[str, ...] = ()
    mask: Path | None = None
    normals: Path | None = None
    lens: Lens | None = None
    fovy: float | None = None
    world_to_camera: tuple[tuple[float, ...], ...] | None = None
    camera: Camera | None = None
    angles: tuple[float, float, float] | None = None
    attributes: tuple[int, ...] = NOT_TOLD

    def stamp(self) -> str:
        """What changes when anything of the frame does."""
        beside = [Picture(path).stamp() for path in (self.mask, self.normals) if path is not None]
        told = repr(replace(self, picture=Picture(Path()), mask=None, normals=None))
        text = "\n".join([told, self.picture.stamp(), *beside])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Layout:
    """What was found in a folder or file: moments of one or several pictures of one head at one time.

    name: which layout it is, for the card
    unmapped: sequences that none of the 13 expressions names
    refused: (what, why) of what was left out before anything was read
    licences: under which each picture is used
    """

    name: str
    moments: tuple[tuple[Frame, ...], ...]
    licences: tuple[str, ...]
    unmapped: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
