"""What training does to aligned faces before a recogniser sees them, and how pixels become its input."""

import cv2
import numpy as np
import torch

WARPED = 0.5  # share of faces that are shifted, scaled and turned
CUT_OUT = 0.3  # share of faces with a rectangle painted over
FLIP = 0.25  # below one half: moles make faces asymmetric, and the side they are on is identity


def to_input(faces: np.ndarray) -> torch.Tensor:
    """uint8 [N, 112, 112, 3] -> float32 [N, 3, 112, 112] in [-1, 1], channels last in memory."""
    tensor = torch.from_numpy(np.ascontiguousarray(faces)).permute(0, 3, 1, 2)
    return tensor.to(torch.float32).sub_(127.5).div_(127.5)


def augment(faces: np.ndarray, random: np.random.Generator, whole: bool = False) -> np.ndarray:
    """Shift, scale, turn, light and, unless they stay `whole`, mirror and cut out, one draw a face; uint8
    [N, 112, 112, 3] in and out."""
    count, size = len(faces), faces.shape[1]
    out = np.empty_like(faces)
    matrices = _small_similarities(count, size, random)
    warped, cut = random.random(count) < WARPED, random.random(count) < CUT_OUT
    mirrored = random.random(count) < FLIP
    corners, extents = random.integers(0, size - 10, (count, 2)), random.integers(10, 45, (count, 2))
    fills = random.integers(0, 256, (count, 3))
    tables = light_tables(count, random)
    for i, original in enumerate(faces):
        face = original
        if warped[i]:
            face = cv2.warpAffine(face, matrices[i], (size, size), borderMode=cv2.BORDER_REPLICATE)
        face = cv2.LUT(face, tables[i])
        if cut[i] and not whole:
            (y, x), (height, width) = corners[i], extents[i]
            face[y : y + height, x : x + width] = fills[i]
        out[i] = face[:, ::-1] if mirrored[i] and not whole else face
    return out


def light_tables(count: int, random: np.random.Generator) -> np.ndarray:
    """Contrast, brightness and colour gain as lookup tables; uint8 [count, 1, 256, 3]."""
    levels = np.arange(256, dtype=np.float32)[None, :, None]
    contrast = np.exp(random.normal(0.0, 0.12, (count, 1, 1)))
    gain = np.exp(random.normal(0.0, 0.15, (count, 1, 1)) + random.normal(0.0, 0.05, (count, 1, 3)))
    tables = ((levels - 110.0) * contrast + 110.0) * gain
    clipped: np.ndarray = np.clip(tables, 0, 255).astype(np.uint8)
    return clipped[:, None]


def _small_similarities(count: int, size: int, random: np.random.Generator) -> np.ndarray:
    """Turns, scales and shifts as large as a landmark reader's errors; [count, 2, 3] about the centre."""
    turn, scale = random.normal(0.0, 0.05, count), np.exp(random.normal(0.0, 0.05, count))
    a, b, centre = scale * np.cos(turn), scale * np.sin(turn), size / 2
    shift = random.normal(0.0, 2.0, (count, 2))  # pixels
    return np.stack(
        [
            np.stack([a, -b, centre * (1 - a + b) + shift[:, 0]], 1),
            np.stack([b, a, centre * (1 - a - b) + shift[:, 1]], 1),
        ],
        1,
    )
