"""Labelled crops for the readers, and what training does to them: every label follows the image."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.expressions import ARKIT_ACTIONS
from idto3d.train.augmentation import light_tables, to_input

SIZE = 112  # pixels
# Methods draw softer than cameras do, and a reader is to say what is there all the same.
BLURRED, BLUR = 0.35, (0.4, 1.8)  # share of crops, and sigma in pixels of 112


@dataclass(frozen=True)
class ReaderArrays:
    """Labelled crops: what a reader trains on."""

    crops: np.ndarray  # uint8 [N, S, S, 3] RGB
    landmarks: np.ndarray  # float32 [N, 68, 2] in [0, 1] of the crop
    present: np.ndarray  # bool [N]
    actions: np.ndarray  # float32 [N, 52] in [0, 1]
    attributes: np.ndarray  # int64 [N, groups], -1 unknown

    def rows(self, index: np.ndarray) -> "ReaderArrays":
        """Some of the rows, read into memory."""
        return ReaderArrays(
            np.asarray(self.crops[index]),
            self.landmarks[index],
            self.present[index],
            self.actions[index],
            self.attributes[index],
        )


def joined(first: ReaderArrays, second: ReaderArrays) -> ReaderArrays:
    """The rows of both, those of the first in front."""
    pairs = ((getattr(first, field.name), getattr(second, field.name)) for field in fields(ReaderArrays))
    return ReaderArrays(*(np.concatenate(pair) for pair in pairs))


Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def load_arrays(folder: Path) -> ReaderArrays:
    """Memory-mapped arrays of a folder; UserError where one is missing or of another shape."""
    loaded: dict[str, Any] = {}
    for name in ("crops", "landmarks", "present", "actions", "attributes"):
        path = folder / f"{name}.npy"
        if not path.exists():
            raise UserError(
                f"Found no {path.name} in {folder}, expected crops of a population; make the data."
            )
        loaded[name] = np.load(path, mmap_mode="r" if name == "crops" else None, allow_pickle=False)
    arrays = ReaderArrays(**loaded)
    count, expected = len(arrays.crops), {"landmarks": (68, 2), "actions": (52,), "present": ()}
    expected["attributes"] = (len(Attributes.GROUPS),)
    for name, shape in expected.items():
        if getattr(arrays, name).shape != (count, *shape):
            raise UserError(
                f"Found {name} of shape {getattr(arrays, name).shape} in {folder}, "
                f"expected {(count, *shape)}; make the data again."
            )
    return arrays


def augment(rows: ReaderArrays, random: np.random.Generator) -> ReaderArrays:
    """Crop, scale, turn, mirror, light, blur and cut out, labels going along; crops become 112 x 112."""
    count, side = len(rows.present), rows.crops.shape[1]
    crops = np.empty((count, SIZE, SIZE, 3), np.uint8)
    landmarks, actions = rows.landmarks.copy(), rows.actions.copy()
    matrices = _crop_matrices(rows, random)
    mirrored, cut = random.random(count) < 0.5, random.random(count) < 0.3
    corners, extents = random.integers(0, SIZE - 8, (count, 2)), random.integers(6, 36, (count, 2))
    fills, tables = random.integers(0, 256, (count, 3)), light_tables(count, random)
    soft, sigmas = random.random(count) < BLURRED, random.uniform(*BLUR, count)
    for i in range(count):
        matrix = matrices[i].copy()
        landmarks[i] = landmarks[i] @ matrix[:, :2].T + matrix[:, 2]
        matrix[:, :2] *= SIZE / side
        matrix[:, 2] *= SIZE
        matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # OpenCV's pixel centres lie at whole numbers
        crop = cv2.LUT(cv2.warpAffine(rows.crops[i], matrix, (SIZE, SIZE)), tables[i])
        if soft[i]:
            crop = cv2.GaussianBlur(crop, (0, 0), float(sigmas[i]))
        if cut[i]:
            (y, x), (height, width) = corners[i], extents[i]
            crop[y : y + height, x : x + width] = fills[i]
        crops[i] = crop[:, ::-1] if mirrored[i] else crop
    landmarks[mirrored] = mirror_landmarks(landmarks[mirrored])
    actions[mirrored] = actions[mirrored][:, MIRRORED_ACTIONS]
    return ReaderArrays(crops, landmarks, rows.present, actions, rows.attributes)


def mirror_landmarks(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks [N, 68, 2] in [0, 1] of the mirrored crop, each again at its own index."""
    swapped = landmarks[:, MIRRORED_LANDMARKS].copy()
    swapped[..., 0] = 1.0 - swapped[..., 0]
    return swapped


def to_tensors(rows: ReaderArrays) -> Tensors:
    """Arrays of 112 x 112 crops as tensors."""
    return (
        to_input(rows.crops),
        torch.from_numpy(rows.landmarks.astype(np.float32)),
        torch.from_numpy(rows.present.astype(np.float32)),
        torch.from_numpy(rows.actions.astype(np.float32)),
        torch.from_numpy(rows.attributes.astype(np.int64)),
    )


def _crop_matrices(rows: ReaderArrays, random: np.random.Generator) -> np.ndarray:
    """Similarities in [0, 1] crop coordinates that move, scale and turn each face; [N, 2, 3]."""
    count = len(rows.present)
    low, high = rows.landmarks.min(1), rows.landmarks.max(1)
    here = rows.present.astype(bool)[:, None]
    centre = np.where(here, (low + high) / 2, 0.5)
    zoom = np.exp(random.uniform(-0.25, 0.3, count))
    extent = np.where(here[:, 0], (high - low).max(1), 0.5)
    zoom = np.where(extent * zoom > 0.95, np.minimum(zoom, np.maximum(1.0, 0.95 / extent)), zoom)
    turn = random.normal(0.0, 0.15, count)  # 9 degrees
    target = (
        0.5 + (centre - 0.5) * random.uniform(0.4, 1.0, (count, 1)) + random.normal(0.0, 0.04, (count, 2))
    )
    a, b = zoom * np.cos(turn), zoom * np.sin(turn)
    linear = np.stack([np.stack([a, -b], 1), np.stack([b, a], 1)], 1)
    shift = target - (linear @ centre[..., None])[..., 0]
    return np.concatenate([linear, shift[..., None]], 2)


def _mirrored_landmarks() -> np.ndarray:
    order = np.arange(68)
    pairs = [(i, 16 - i) for i in range(8)] + [(17 + i, 26 - i) for i in range(5)]  # jaw, brows
    pairs += [(31, 35), (32, 34)]  # nostrils
    pairs += [(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]  # eyes
    pairs += [(48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67)]  # mouth
    for i, j in pairs:
        order[i], order[j] = j, i
    return order


def _mirrored_actions() -> np.ndarray:
    """jawLeft, mouthLeft and all paired actions change side; the index of each action's mirror image."""
    swap = {"Left": "Right", "Right": "Left"}
    names = [
        next((a.removesuffix(s) + swap[s] for s in swap if a.endswith(s)), a) for a in ARKIT_ACTIONS
    ]  # fmt: skip
    return np.array([ARKIT_ACTIONS.index(n) for n in names])


MIRRORED_LANDMARKS = _mirrored_landmarks()
MIRRORED_ACTIONS = _mirrored_actions()
