"""Image features for FID and KID: what an ONNX makes of whole views, with its sha256 and preprocessing."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError

Floats = NDArray[np.float32]
Images = Sequence[NDArray[np.uint8]]

RESIZE = "bicubic, antialiased (Pillow)"
READER = "reader_scoring.onnx"
_TRUNK_OF = "presence"  # the reader's output whose layer reads the activations that all its heads share


@dataclass(frozen=True)
class FeatureNetwork:
    """A network of image features, ready to be asked.

    Attributes:
        session: onnxruntime's.
        output: which output is the feature.
        size: pixels of the square input.
        card: name, sha256, preprocessing, resize, input size and output, as kept beside what it read.
    """

    session: Any
    output: str
    size: int
    card: dict[str, Any]

    def read(self, images: Images) -> Floats:
        """Features [N, D] of images [H, W, 3] uint8 sRGB; what stands beside an image changes nothing."""
        from idto3d.identity.card import Preprocessing
        from idto3d.identity.sessions import run_fixed

        blob = Preprocessing.model_validate(self.card["preprocessing"]).blob
        names = [output.name for output in self.session.get_outputs()]
        resized = np.stack([resize(image, self.size) for image in images])
        read = run_fixed(self.session, blob(resized))[names.index(self.output)]
        return np.asarray(read.reshape(len(images), -1), np.float32)


def resize(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A square picture of `size` pixels, as Pillow's bicubic filter makes it: how a picture is shrunk moves
    FID (Parmar et al., "On Aliased Resizing", CVPR 2022)."""
    from PIL import Image

    if image.shape[:2] == (size, size):
        return image
    shrunk = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(shrunk, dtype=np.uint8)


def load_feature_network(path: Path) -> FeatureNetwork:
    """An ONNX of one image input and a feature output, the first; its card tells the preprocessing.

    The card may say `size` (pixels, where the file leaves it open) and `output` (a name).

    Raises:
        UserError: not such a file, or a card that does not fit.
    """
    from idto3d.identity.card import read_card
    from idto3d.identity.sessions import open_session

    card = read_card(path)
    told = card.model_dump(mode="json")
    session = open_session(path)
    outputs = [output.name for output in session.get_outputs()]
    output = told.get("output") or outputs[0]
    shape = session.get_inputs()[0].shape
    size = shape[2] if len(shape) == 4 and isinstance(shape[2], int) else told.get("size")
    if (
        len(session.get_inputs()) != 1
        or len(shape) != 4
        or not isinstance(size, int)
        or output not in outputs
    ):
        raise UserError(
            f"Found an input of shape {shape} and the outputs {', '.join(outputs)} in '{path.name}', "
            f"expected "
            "one input [N, 3, S, S] and a feature output; name 'size' and 'output' in its card."
        )
    return FeatureNetwork(session, output, size, _card(told, size, output))


def reader_trunk(weights: Path) -> FeatureNetwork:
    """What the scoring reader has seen before its heads tell landmarks, presence, actions and attributes.

    Raises:
        UserError: the reader is missing, or of another make.
    """
    return _reader_trunk(weights)


@functools.cache
def _reader_trunk(weights: Path) -> FeatureNetwork:
    import onnx
    import onnxruntime

    from idto3d.identity.card import read_card
    from idto3d.identity.sessions import session_options

    path = weights / READER
    card = read_card(path)
    model = onnx.load(str(path))
    makers = [node for node in model.graph.node if _TRUNK_OF in node.output]
    if len(makers) != 1:
        raise UserError(
            f"Found no layer that makes '{_TRUNK_OF}' in '{path.name}', expected a reader; name another "
            f"folder."
        )
    output = makers[0].input[0]
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), sess_options=session_options(), providers=["CPUExecutionProvider"]
    )
    size = int(session.get_inputs()[0].shape[2])
    return FeatureNetwork(session, output, size, _card(card.model_dump(mode="json"), size, output))


def _card(card: dict[str, Any], size: int, output: str) -> dict[str, Any]:
    kept = {name: card[name] for name in ("name", "sha256", "preprocessing")}
    plain: dict[str, Any] = json.loads(
        json.dumps({**kept, "resize": RESIZE, "size": size, "output": output}, sort_keys=True)
    )
    return plain
