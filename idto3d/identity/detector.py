"""Faces in real photographs: YuNet (Wu 2023) through OpenCV, or an insightface pack's SCRFD (Guo 2021)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from idto3d.errors import UserError
from idto3d.identity.sessions import session_options

LONGEST_SIDE = 640  # pixels, of the image that is searched


@dataclass(frozen=True)
class Detection:
    """One face in a photo."""

    box: np.ndarray  # [4] left, top, width, height in pixels
    points: np.ndarray  # [5, 2] pixels, in the order of ARCFACE_TEMPLATE
    score: float  # [0, 1]


class Detector(Protocol):
    """What finds faces."""

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Faces of a uint8 [H, W, 3] RGB photo, the largest first."""
        ...


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


class ScrfdDetector:
    """The detector of an insightface pack (`det_10g.onnx` of buffalo_l), behind insightface's own reader."""

    def __init__(self, weights: Path, threshold: float = 0.5) -> None:
        from insightface.model_zoo import get_model

        if not weights.is_file():
            raise UserError(
                f"Found no detector at '{weights}', expected an insightface pack's; "
                "get it with `idto3d-eval models pull`."
            )
        try:
            net: Any = get_model(
                str(weights), providers=["CPUExecutionProvider"], sess_options=session_options()
            )
        except Exception as error:
            raise UserError(
                f"Found a file that insightface cannot read at '{weights}' "
                f"({str(error).splitlines()[0][:120]}), expected an ONNX detector; name another."
            ) from error
        if getattr(net, "taskname", None) != "detection" or not net.use_kps:
            raise UserError(
                f"Found no detector of faces with five points in '{weights.name}', expected one such as "
                "det_10g.onnx; name another file."
            )
        net.prepare(-1, input_size=(LONGEST_SIDE, LONGEST_SIDE), det_thresh=threshold)
        self._net = net

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Faces of a photo, the largest first; as `YuNetDetector.detect`."""
        boxes, points = self._net.detect(np.ascontiguousarray(image[..., ::-1]))
        found = [
            Detection(
                np.array([left, top, right - left, bottom - top]),
                np.asarray(five, float) + 0.5,
                float(score),
            )
            for (left, top, right, bottom, score), five in zip(boxes, points, strict=True)
        ]
        return sorted(found, key=lambda d: -float(d.box[2] * d.box[3]))


DETECTORS: dict[str, Callable[[Path], Detector]] = {"yunet": YuNetDetector, "scrfd": ScrfdDetector}
