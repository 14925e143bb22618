"""All crops of one moment: a camera for each frame, and what training is told of it.

A frame's camera is given, or shared by a rig, or fitted to its own landmarks (`idto3d.train.head_pose`). A
crop is that camera turned and zoomed, which moves nothing; the control is the mean head seen by the crop's
camera.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS, preset
from idto3d.geometry.mean_head import load_mean_head
from idto3d.guidance.cameras import FACE, FACE_CENTRE, FEATURES, FEATURES_HIGH, FEATURES_LOW, WHOLE_HEAD
from idto3d.guidance.condition import camera_features
from idto3d.guidance.control import ControlView
from idto3d.identity.align import align, apply, five_points
from idto3d.identity.detector import YuNetDetector
from idto3d.identity.embedding import photo_weight
from idto3d.identity.photo import read_photo
from idto3d.identity.reader import FaceReading, NoFace, Reader, read_faces
from idto3d.identity.recogniser import OnnxRecogniser
from idto3d.render.camera import HEAD_CENTRE, Camera
from idto3d.render.light import EnvironmentLight
from idto3d.train.frames import Frame
from idto3d.train.head_pose import WORST_MISFIT, HeadPose, fit_photo, fit_rig
from idto3d.train.normals_model import NormalsModel

CONTROL_SIDE = 64  # pixels
GREY = 127.5
CLEARLY = 1.25  # how much farther the second nearest expression is, for the nearest to be told; chosen by eye
SEEN = 0.8  # least share of a crop that the picture must cover
FRONTAL = 0.8  # radians of yaw up to which a face is embedded and its expression read
BESIDE = 1.2  # radians of yaw from which only the whole head is shown
GROWN = 0.04  # of the crop's side: how much the mean head's outline is grown where no mask is supplied

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Tools:
    """What reads the pictures."""

    reader: Reader
    recogniser: OnnxRecogniser
    detector: YuNetDetector | None = None
    detector_name: str | None = None
    normals: NormalsModel | None = None


@dataclass(frozen=True)
class PrepareOptions:
    """What a user chooses.

    resolution: of the pictures, pixels a side; the base model's
    crops: of each frame; the first shows the whole head, the others the face or its features
    held_out: share of people that training never draws, at least one
    """

    resolution: int = 64
    crops: int = 2
    held_out: float = 0.1
    seed: int = 0


def moment_rows(moment: Sequence[Frame], tools: Tools, options: PrepareOptions) -> Arrays:
    """All crops of the frames of one moment as arrays of N rows, and `refused` [K, 2] (what, why)."""
    refused: list[tuple[str, str]] = []
    images: dict[int, NDArray[np.uint8]] = {}
    for index, frame in enumerate(moment):
        try:
            images[index] = frame.picture.read()
        except UserError as error:
            refused.append((frame.name, str(error)))
    order = list(images)
    readings = dict(
        zip(order, read_faces(tools.reader, [images[i] for i in order], tools.detector), strict=True)
    )
    faces = {
        i: _corrected(found, images[i], tools.detector)
        for i, found in readings.items()
        if isinstance(found, FaceReading)
    }
    reasons = {i: found.reason for i, found in readings.items() if isinstance(found, NoFace)}
    poses = _poses(moment, images, faces, refused, reasons)
    expression = _expression(moment, faces, poses)
    rows: list[Arrays] = []
    for index, pose in poses.items():
        frame = moment[index]
        try:
            embedding, weight = _embed(images[index], faces.get(index), pose, tools.recogniser)
            for crop in range(options.crops):
                row = _row(frame, images[index], pose, crop, tools, options)
                row["expression"] = np.array(expression, np.int64)
                row["embedding"] = embedding
                row["weight"] = np.array(weight if crop == 0 else 0.0, np.float32)
                rows.append(row)
        except (UserError, ValueError, cv2.error) as error:
            refused.append((frame.name, " ".join(str(error).split())))
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]} if rows else {}
    arrays["refused"] = np.array(refused, str).reshape(-1, 2)
    return arrays


def _corrected(face: FaceReading, image: NDArray[np.uint8], detector: YuNetDetector | None) -> FaceReading:
    """The reading with its landmarks moved, all alike, so that eyes, nose and mouth lie where a detector of
    real faces sees them: a reader of synthetic ones reads real faces too long. Unchanged without one."""
    found = detector.detect(image) if detector is not None else []
    if not found:
        return face
    points = five_points(face.landmarks.astype(np.float64))
    extent = float(np.ptp(face.landmarks, axis=0).max())
    nearest = min(found, key=lambda one: float(np.linalg.norm(one.points.mean(0) - points.mean(0))))
    if np.linalg.norm(nearest.points - points, axis=1).max() > 0.3 * extent:
        return face
    known = np.column_stack([points, np.ones(len(points))])
    matrix = np.linalg.lstsq(known, nearest.points.astype(np.float64), rcond=None)[0].T  # [2, 3]
    return replace(face, landmarks=apply(matrix, face.landmarks).astype(np.float32))


def _poses(
    moment: Sequence[Frame],
    images: Mapping[int, NDArray[np.uint8]],
    faces: Mapping[int, FaceReading],
    refused: list[tuple[str, str]],
    reasons: Mapping[int, str],
) -> dict[int, HeadPose]:
    """A pose for each frame that can have one: from its camera, from the rig, or from its own landmarks."""
    poses: dict[int, HeadPose] = {}
    rig = [i for i in images if moment[i].world_to_camera is not None and moment[i].lens is not None]
    shared = None
    if len(rig) >= 2:
        shared = fit_rig(
            [faces[i].landmarks if i in faces else None for i in rig],
            [_intrinsics(moment[i], images[i]) for i in rig],
            [np.array(moment[i].world_to_camera) for i in rig],
        )
    if shared is not None:
        poses = dict(zip(rig, shared, strict=True))
    for index, image in images.items():
        frame = moment[index]
        if index in poses:
            continue
        if frame.camera is not None:
            height, width = image.shape[:2]
            if height != width:
                refused.append((frame.name, f"a whole camera, and {width} x {height} pixels, not a square"))
                continue
            poses[index] = HeadPose.of(frame.camera, width, height)
        elif index in faces:
            known = frame.lens is not None or frame.fovy is not None
            lens = _intrinsics(frame, image) if known else None
            pose = fit_photo(faces[index].landmarks, lens, frame.angles)
            if pose.misfit > WORST_MISFIT:
                refused.append(
                    (
                        frame.name,
                        f"landmarks {pose.misfit:.0%} off the mean head's, at most {WORST_MISFIT:.0%}",
                    )
                )
                continue
            poses[index] = pose
        else:
            refused.append((frame.name, f"no camera, and {reasons[index]}"))
    return poses


def _intrinsics(frame: Frame, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    height, width = image.shape[:2]
    if frame.lens is not None:
        return frame.lens.at(width)
    assert frame.fovy is not None
    focal = 0.5 * height / float(np.tan(0.5 * frame.fovy))
    return np.array([[focal, 0, 0.5 * width], [0, focal, 0.5 * height], [0, 0, 1]])


def _expression(
    moment: Sequence[Frame], faces: Mapping[int, FaceReading], poses: Mapping[int, HeadPose]
) -> int:
    """The index of the moment's expression: told, or the nearest of the candidates by the reader's
    coefficients over the views from the front; -1 where neither says it clearly."""
    candidates = moment[0].expressions
    if not candidates:
        return -1
    if len(candidates) == 1:
        return EXPRESSIONS.index(candidates[0])
    front = [faces[i].actions for i, pose in poses.items() if i in faces and abs(pose.yaw) < FRONTAL]
    if not front:
        return -1
    distance = [float(np.linalg.norm(np.mean(front, axis=0) - preset(name))) for name in candidates]
    nearest, second = np.argsort(distance)[:2]
    if distance[second] < CLEARLY * distance[nearest]:
        return -1
    return EXPRESSIONS.index(candidates[int(nearest)])


def _embed(
    image: NDArray[np.uint8], face: FaceReading | None, pose: HeadPose, recogniser: OnnxRecogniser
) -> tuple[NDArray[np.float32], float]:
    """Unit embedding and how much it counts; zeros and 0 where the face is not seen from the front."""
    if face is None or abs(pose.yaw) > FRONTAL:
        return np.zeros(recogniser.dimension, np.float32), 0.0
    return recogniser.embed(align(image, face.landmarks)[None])[0], photo_weight(face)


def _row(
    frame: Frame, image: NDArray[np.uint8], pose: HeadPose, crop: int, tools: Tools, options: PrepareOptions
) -> Arrays:
    """One crop: pictures [R, R, 3], what conditions them, and the control's layers [3, 64, 64]."""
    name = hashlib.sha256(f"{options.seed}/{frame.name}/{crop}".encode()).digest()
    camera, covered = _framed(pose, image, crop, options.resolution, np.random.default_rng(list(name[:8])))
    picture, _ = pose.turned(image, camera)
    control = _control_view().look(
        replace(camera, resolution=CONTROL_SIDE), EnvironmentLight.uniform(1.0), "normals"
    )
    place, coloured, normals = control.reshape(3, 3, CONTROL_SIDE, CONTROL_SIDE).astype(np.float16)
    mask, supplied = _mask(frame, image, pose, camera, place)
    inside = (mask * covered)[..., None]
    told = _normals(frame, image, pose, camera, tools.normals)
    outside = (1.0 - covered)[..., None] * GREY
    return {
        "photograph": _uint8(picture * covered[..., None] + outside),
        "shaded": _uint8(picture * inside + GREY * (1 - inside)),
        "normals": _uint8(GREY + GREY * (told if told is not None else 0.0 * picture) * inside),
        "has_normals": np.array(told is not None),
        "has_mask": np.array(supplied),
        "camera": camera_features(camera),
        "place": place,
        "mean_coloured": coloured,
        "mean_normals": normals,
        "attributes": np.array(frame.attributes, np.int64),
        "misfit": np.array(pose.misfit, np.float32),
        "name": np.array(frame.name),
        "subject": np.array(frame.subject),
    }


def _framed(
    pose: HeadPose, image: NDArray[np.uint8], crop: int, resolution: int, generator: np.random.Generator
) -> tuple[Camera, NDArray[np.float32]]:
    """The crop's camera and what of it the picture covers: the whole head first, then the face or features,
    framed as `draw_view` frames them; where the picture is too tight for that, the face."""
    face = (np.array(FACE_CENTRE), FACE)
    wanted = [(np.array(HEAD_CENTRE), WHOLE_HEAD), face]
    if crop > 0 and abs(pose.yaw) < BESIDE:
        features = (generator.uniform(FEATURES_LOW, FEATURES_HIGH), FEATURES)
        wanted = [face] if generator.uniform() < 0.6 else [features, face]
    best = 0.0
    for centre, frame in wanted:
        height = float(generator.uniform(*frame))
        moved = centre + generator.normal(0, 0.02, 3) * height * np.array([1, 1, 0])
        camera = pose.aimed(moved, height, resolution)
        covered = pose.turned(image, camera)[1]
        best = max(best, float(covered.mean()))
        if covered.mean() >= SEEN:
            return camera, covered
    raise UserError(f"the picture covers {best:.0%} of a crop around the face, expected {SEEN:.0%}")


def _mask(
    frame: Frame, image: NDArray[np.uint8], pose: HeadPose, camera: Camera, place: NDArray[np.float16]
) -> tuple[NDArray[np.float32], bool]:
    """Where the person is, [R, R] in [0, 1], and whether it was supplied; else the mean head's outline."""
    side = camera.resolution
    if frame.mask is not None:
        whole = _fitted(read_photo(frame.mask), image)
        return np.asarray(pose.turned(whole, camera)[0][..., 0] / 255, np.float32), True
    outline = np.asarray(np.abs(place).sum(0) > 0, np.float32)
    sized = cv2.resize(outline, (side, side), interpolation=cv2.INTER_LINEAR)
    grown = max(1, round(GROWN * side))
    return np.asarray(cv2.dilate(sized, np.ones((2 * grown + 1,) * 2, np.uint8)), np.float32), False


def _normals(
    frame: Frame, image: NDArray[np.uint8], pose: HeadPose, camera: Camera, model: NormalsModel | None
) -> NDArray[np.floating] | None:
    """Camera-space normals [R, R, 3] of the crop's camera, supplied or estimated; None where neither is."""
    if frame.normals is not None:
        turned, _ = pose.turned(_fitted(read_photo(frame.normals), image), camera)
        vectors = pose.turn_normals(turned.astype(np.float32) / 127.5 - 1.0, camera)
    elif model is not None:
        seen, _ = pose.turned(image, replace(camera, resolution=model.side))
        estimated = model.estimate(seen)
        side = camera.resolution
        vectors = np.asarray(cv2.resize(estimated, (side, side), interpolation=cv2.INTER_AREA))
    else:
        return None
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 0.5))


def _fitted(picture: NDArray[np.uint8], image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask or a normal map at the size of its picture."""
    height, width = image.shape[:2]
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


@functools.cache
def _control_view() -> ControlView:
    return ControlView(load_mean_head(Path(str(files("idto3d") / "weights" / "mean_head.npz"))))


def _uint8(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(values, 0, 255).round(), np.uint8)
