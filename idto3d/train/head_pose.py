"""From where a photograph was taken: the mean head's landmarks laid onto those that were read.

The mean head stands for the person, so the camera is in its millimetres and the misfit is how much the person
(and the expression) differs from it. A photograph whose lens is unknown is taken to be from `DISTANCE`; one
whose lens is known gets its distance too; the pictures of a calibrated rig share one head, so that views from
which no face can be read get their camera from the others.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from idto3d.guidance.cameras import DISTANCE
from idto3d.render.camera import HEAD_CENTRE, Camera

Floats = NDArray[np.float64]

FLIP = np.diag([1.0, -1.0, -1.0])  # between OpenCV's camera axes (y down, z forward) and ours
# What an expression does not move counts fully: nose, and the corners of the eyes.
WEIGHTS = np.full(68, 0.3)
WEIGHTS[27:36] = WEIGHTS[[36, 39, 42, 45]] = 1.0
WORST_MISFIT = 0.1  # of the landmarks' extent; true landmarks of the population lie at 0.03 to 0.05
STARTS = (-1.2, -0.6, 0.0, 0.6, 1.2)  # yaw, radians
SOFT = 0.03  # error from which a landmark counts less than squared


@dataclass(frozen=True)
class HeadPose:
    """The mean head before a pinhole camera with OpenCV's axes: x_camera = rotation x_head + translation.

    Args:
        rotation: [3, 3].
        translation: [3] mm.
        intrinsics: [3, 3], pixel centres at + 0.5.
        misfit: root mean square distance of the landmarks over their extent; 0 where none were fitted.
    """

    rotation: Floats
    translation: Floats
    intrinsics: Floats
    misfit: float = 0.0

    @classmethod
    def of(cls, camera: Camera, width: int, height: int) -> HeadPose:
        """The pose that a known camera sees, in a picture of this size."""
        rotation = FLIP @ camera.rotation()
        focal = 0.5 * height / float(np.tan(0.5 * camera.fovy))
        intrinsics = np.array([[focal, 0, 0.5 * width], [0, focal, 0.5 * height], [0, 0, 1]])
        return cls(rotation, -rotation @ camera.position(), intrinsics)

    @property
    def yaw(self) -> float:
        """Of the camera around the head, radians."""
        back = self._from(np.asarray(HEAD_CENTRE))
        return float(np.arctan2(back[0], back[2]))

    def aimed(self, centre: Sequence[float], height: float, resolution: int) -> Camera:
        """The same camera, turned upright to a point and zoomed until `height` mm fill the picture there."""
        back = self._from(np.asarray(centre, np.float64))
        distance = float(np.linalg.norm(back))
        return Camera(
            yaw=float(np.arctan2(back[0], back[2])),
            pitch=float(np.arcsin(back[1] / distance)),
            distance=distance,
            fovy=2 * float(np.arctan(0.5 * height / distance)),
            target=(float(centre[0]), float(centre[1]), float(centre[2])),
            resolution=resolution,
        )

    def turned(
        self, image: NDArray[np.uint8], camera: Camera
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """What `camera`, which stands where this one stands, sees: exact, since turning moves nothing.

        Args:
            image: uint8 [H, W, 3], the picture that the pose belongs to.
            camera: of `aimed`.

        Returns:
            uint8 [R, R, 3], and how much of each pixel the picture covers, float32 [R, R] in [0, 1].
        """
        side = camera.resolution
        lens = np.array([[camera.focal, 0, 0.5 * side], [0, camera.focal, 0.5 * side], [0, 0, 1]])
        turn = lens @ FLIP @ camera.rotation() @ self.rotation.T @ np.linalg.inv(self.intrinsics)
        picture = _warp(image, turn, side)
        covered = _warp(np.full(image.shape[:2], 255, np.uint8), turn, side)
        return picture, np.asarray(covered / 255, np.float32)

    def turn_normals(self, normals: NDArray[np.floating], camera: Camera) -> NDArray[np.floating]:
        """Camera-space normals [..., 3] of this camera as `camera` has them (our axes)."""
        turn = camera.rotation() @ (FLIP @ self.rotation).T
        return np.asarray(normals @ turn.T)

    def _from(self, centre: Floats) -> Floats:
        return np.asarray(-self.rotation.T @ self.translation - centre)


def fit_photo(
    landmarks: NDArray[np.floating],
    intrinsics: Floats | None = None,
    angles: tuple[float, float, float] | None = None,
) -> HeadPose:
    """The pose of one picture.

    Args:
        landmarks: [68, 2] pixels.
        intrinsics: [3, 3]; None sets the camera at `DISTANCE` with its axis through the face.
        angles: yaw, pitch, roll of the camera where they are known; radians.
    """
    points = mean_landmarks()
    read = np.asarray(landmarks, np.float64)
    extent, middle = _extent(read), 0.5 * (read.min(0) + read.max(0))
    focal = DISTANCE * extent / _extent(points[:, :2])
    known = intrinsics is not None
    lens = (
        intrinsics
        if intrinsics is not None
        else np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]])
    )
    depth = lens[0, 0] * _extent(points[:, :2]) / extent if known else DISTANCE

    def posed(x: Floats, start: Floats) -> tuple[Floats, Floats, Floats]:
        turn = np.eye(3) if angles is not None else Rotation.from_rotvec(x[3:]).as_matrix()
        away = depth * np.exp(x[2]) if known else depth
        matrix = lens.copy()
        if not known:
            matrix[[0, 1], [0, 1]] *= np.exp(x[2])
        rotation = turn @ start
        # The face's middle lies where it was read, up to x[:2] extents.
        seen = middle + extent * x[:2]
        ray = np.linalg.inv(matrix) @ np.array([seen[0], seen[1], 1.0])
        return rotation, away * ray - rotation @ points.mean(0), matrix

    def errors(x: Floats, start: Floats) -> Floats:
        rotation, translation, matrix = posed(x, start)
        return _errors(points @ rotation.T + translation, matrix, read, extent)

    yaws = STARTS if angles is None else (angles[0],)
    best = None
    for yaw in yaws:
        pitch, roll = (0.0, 0.0) if angles is None else angles[1:]
        start = FLIP @ Camera(yaw=yaw, pitch=pitch, roll=roll).rotation()
        x0 = np.zeros(3 if angles is not None else 6)
        found = least_squares(errors, x0, args=(start,), loss="soft_l1", f_scale=SOFT, max_nfev=60)
        if best is None or found.cost < best[0]:
            best = (found.cost, posed(found.x, start))
    assert best is not None
    pose = HeadPose(*best[1])
    return replace(pose, misfit=_misfit(pose, read))


def fit_rig(
    landmarks: Sequence[NDArray[np.floating] | None],
    intrinsics: Sequence[Floats],
    world_to_camera: Sequence[Floats],
) -> list[HeadPose] | None:
    """The poses of all pictures that calibrated cameras took at one moment; they share one head.

    Args:
        landmarks: [68, 2] pixels for each camera, or None where no face was read.
        intrinsics: [3, 3] each.
        world_to_camera: [4, 4] each, OpenCV's axes, any unit of length.

    Returns:
        A pose a camera, those without landmarks included; None where fewer than two pictures agree.
    """
    single = [
        None if read is None else fit_photo(read, lens)
        for read, lens in zip(landmarks, intrinsics, strict=True)
    ]
    used = [i for i, pose in enumerate(single) if pose is not None and pose.misfit < WORST_MISFIT]
    while len(used) >= 2:
        start = _rig_start([(single[i], world_to_camera[i]) for i in used])
        poses = _share_head(landmarks, intrinsics, world_to_camera, used, start)
        wrong = [i for i in used if poses[i].misfit > WORST_MISFIT]
        if not wrong:
            # A face read where the head shows none says nothing of the rig, which is right already.
            return [pose if i in used else replace(pose, misfit=0.0) for i, pose in enumerate(poses)]
        used.remove(max(wrong, key=lambda i: poses[i].misfit))
    return None


@functools.cache
def mean_landmarks() -> Floats:
    """The shipped mean head's 68 landmarks, [68, 3] mm."""
    with np.load(str(files("idto3d") / "weights" / "mean_head.npz"), allow_pickle=False) as arrays:
        return np.asarray(arrays["landmarks"], np.float64)


def _rig_start(views: Sequence[tuple[HeadPose | None, Floats]]) -> tuple[float, Floats, Floats]:
    """World units a millimetre, rotation and translation of the head in the world, from single fits.

    Camera k stands at C_k and sees the head u_k mm away: C_k + unit u_k is the same place for all of them,
    which is a regression for the unit.
    """
    places, seen, rotations = [], [], []
    for pose, outside in views:
        assert pose is not None
        back = outside[:3, :3].T
        places.append(-back @ outside[:3, 3])
        seen.append(back @ pose.translation)
        rotations.append((pose.misfit, back @ pose.rotation))
    place, ray = np.array(places), np.array(seen)
    about = ray - ray.mean(0)
    unit = -float((about * (place - place.mean(0))).sum() / max(float((about**2).sum()), 1e-9))
    unit = abs(unit) or 1.0
    return unit, min(rotations, key=lambda pair: pair[0])[1], (place + unit * ray).mean(0)


def _share_head(
    landmarks: Sequence[NDArray[np.floating] | None],
    intrinsics: Sequence[Floats],
    world_to_camera: Sequence[Floats],
    used: Sequence[int],
    start: tuple[float, Floats, Floats],
) -> list[HeadPose]:
    """The poses of all cameras after a fit of one head (turn, place, size) to the landmarks of the `used`."""
    points, (unit, rotation, translation) = mean_landmarks(), start

    def placed(x: Floats) -> tuple[Floats, Floats, float]:
        turn = Rotation.from_rotvec(x[:3]).as_matrix() @ rotation
        return turn, translation + 100 * unit * x[3:6], unit * float(np.exp(x[6]))

    def errors(x: Floats) -> Floats:
        turn, move, scale = placed(x)
        world = scale * points @ turn.T + move
        parts = []
        for i in used:
            read, pose = np.asarray(landmarks[i], np.float64), world_to_camera[i]
            local = world @ pose[:3, :3].T + pose[:3, 3]
            parts.append(_errors(local, intrinsics[i], read, _extent(read)))
        return np.concatenate(parts)

    found = least_squares(errors, np.zeros(7), loss="soft_l1", f_scale=SOFT, max_nfev=60)
    turn, move, scale = placed(found.x)
    poses = []
    for lens, pose, read in zip(intrinsics, world_to_camera, landmarks, strict=True):
        own = HeadPose(pose[:3, :3] @ turn, (pose[:3, :3] @ move + pose[:3, 3]) / scale, lens)
        poses.append(own if read is None else replace(own, misfit=_misfit(own, np.asarray(read, np.float64))))
    return poses


def _errors(local: Floats, lens: Floats, read: Floats, extent: float) -> Floats:
    """Weighted differences in extents, [136]; `local` [68, 3] in camera axes."""
    depth = np.maximum(local[:, 2:], 1e-3 * np.abs(local).max() + 1e-9)
    pixels = (local @ lens.T)[:, :2] / depth
    return np.asarray(((pixels - read) / extent * np.sqrt(WEIGHTS)[:, None]).ravel())


def _misfit(pose: HeadPose, read: Floats) -> float:
    local = mean_landmarks() @ pose.rotation.T + pose.translation
    squared = (_errors(local, pose.intrinsics, read, _extent(read)) ** 2).sum() / WEIGHTS.sum()
    return float(np.sqrt(squared))


def _extent(points: NDArray[np.floating]) -> float:
    return max(float(np.ptp(points, axis=0).max()), 1e-6)


def _warp(image: NDArray[np.uint8], matrix: Floats, side: int) -> NDArray[np.uint8]:
    """Resample by a homography between continuous coordinates (pixel centres at + 0.5), without aliasing."""
    centre = np.linalg.inv(matrix) @ np.array([0.5 * side, 0.5 * side, 1.0])
    beside = np.linalg.inv(matrix) @ np.array([0.5 * side + 1, 0.5 * side, 1.0])
    step = float(np.linalg.norm(beside[:2] / beside[2] - centre[:2] / centre[2]))  # source pixels a pixel
    if step > 2:
        height, width = image.shape[:2]
        small = (max(1, round(1.5 * width / step)), max(1, round(1.5 * height / step)))
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
        matrix = matrix @ np.diag([width / small[0], height / small[1], 1.0])
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV's pixel centres lie at whole numbers
    moved = np.linalg.inv(half) @ matrix @ half
    return np.asarray(cv2.warpPerspective(image, moved, (side, side), flags=cv2.INTER_LINEAR), np.uint8)
