"""Face boxes in real photographs by YuNet (Wu 2023) through OpenCV; optional, for photos with small faces."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from idto3d.errors import UserError

LONGEST_SIDE = 640  # pixels, of the image that is searched


@dataclass(frozen=True)
class Detection:
    """One face in a photo."""

    box: np.ndarray  # [4] left, top, width, height in pixels
    points: np.ndarray  # [5, 2] pixels, in the order of ARCFACE_TEMPLATE
    score: float  # [0, 1]


class YuNetDetector:
    """YuNet ONNX weights in `cv2.FaceDetectorYN`."""

    def __init__(self, weights: Path, threshold: float = 0.6) -> None:
        if not weights.is_file():
            raise UserError(f"Found no detector at '{weights}', expected YuNet's ONNX file; name another.")
        self._net: Any = cv2.FaceDetectorYN.create(str(weights), "", (LONGEST_SIDE, LONGEST_SIDE), threshold)

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Faces of a photo, the largest first.

        Args:
            image: uint8 [H, W, 3] RGB.

        Returns:
            Detections in pixels of the photo, pixel centres at + 0.5; empty where there is no face.
        """
        height, width = image.shape[:2]
        scale = min(1.0, LONGEST_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        self._net.setInputSize(size)
        rows = self._net.detect(np.ascontiguousarray(small[..., ::-1]))[1]
        if rows is None:
            return []
        found = [
            Detection(row[:4] / scale, row[4:14].reshape(5, 2) / scale + 0.5, float(row[14])) for row in rows
        ]
        return sorted(found, key=lambda d: -float(d.box[2] * d.box[3]))
