"""A network of the user's that estimates normal maps from pictures: any ONNX of one image in, one map out."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d.identity.card import read_card
from idto3d.identity.sessions import open_session, run_fixed

SIDE = 512  # pixels, where the network takes pictures of any size


class NormalsModel:
    """Input float [1, 3, S, S], output [1, 3, S, S].

    The card beside the weights (`<name>.card.json`) says how pixels become input (`preprocessing`) and which
    way its output points: `axes`, three signs that make it x right, y up, z to the viewer ([1, 1, 1] if the
    card does not say).
    """

    def __init__(self, weights: Path) -> None:
        self.card = read_card(weights)
        self._session = open_session(weights)
        shape = self._session.get_inputs()[0].shape
        self.side = int(shape[-1]) if isinstance(shape[-1], int) and shape[-1] > 0 else SIDE
        outputs = self._session.get_outputs()[0].shape
        if len(outputs) != 4 or outputs[1] not in (3, None):
            raise UserError(
                f"Found an output of shape {outputs} in '{weights.name}', expected [1, 3, S, S] normals; "
                "name another network."
            )
        self._axes = np.array((self.card.model_extra or {}).get("axes", [1, 1, 1]), np.float32)

    def estimate(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [H, W, 3] to camera-space normals float32 [S, S, 3], unit length, our axes."""
        sized = cv2.resize(image, (self.side, self.side), interpolation=cv2.INTER_AREA)
        blob = self.card.preprocessing.blob(np.asarray(sized, np.uint8)[None])
        normals = run_fixed(self._session, blob, 1)[0][0].transpose(1, 2, 0) * self._axes
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        return np.asarray(normals / np.maximum(length, 1e-6), np.float32)
