"""Face recognisers: aligned faces in, unit embeddings out; any ONNX that insightface's model zoo loads."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from idto3d.errors import UserError
from idto3d.identity.align import ALIGNED
from idto3d.identity.card import ModelCard, read_card
from idto3d.identity.sessions import FIXED_BATCH, run_fixed, session_options


class Recogniser(Protocol):
    """What embeds aligned faces."""

    card: ModelCard

    def embed(self, aligned: np.ndarray) -> np.ndarray:
        """uint8 [N, 112, 112, 3] RGB -> float32 [N, D], each row of length one."""
        ...


class OnnxRecogniser:
    """A recogniser behind insightface's reader, with the preprocessing that its card names."""

    def __init__(self, model: Any, card: ModelCard) -> None:
        self.model = model  # insightface's ArcFaceONNX
        self.card = card

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return int(self.model.output_shape[-1])

    def embed(self, aligned: np.ndarray) -> np.ndarray:
        """Embed aligned faces.

        Args:
            aligned: uint8 [N, 112, 112, 3] RGB.

        Returns:
            float32 [N, D], each row of length one.

        Raises:
            ValueError: another shape or type.
        """
        if aligned.ndim != 4 or aligned.shape[1:] != (ALIGNED, ALIGNED, 3) or aligned.dtype != np.uint8:
            raise ValueError(f"Found {aligned.dtype} {aligned.shape}, expected uint8 [N, 112, 112, 3].")
        # A batch at a time, so that what is prepared for the network is still in the processor's cache.
        starts = range(0, max(len(aligned), 1), FIXED_BATCH)
        raw = np.concatenate([self._raw(aligned[start : start + FIXED_BATCH]) for start in starts])
        length = np.linalg.norm(raw, axis=1, keepdims=True)
        return np.asarray(raw / np.maximum(length, 1e-12), np.float32)

    def _raw(self, aligned: np.ndarray) -> np.ndarray:
        blob = self.card.preprocessing.blob(aligned)
        raw = run_fixed(self.model.session, blob)[0]
        if self.card.preprocessing.mirrored_sum:
            raw = raw + run_fixed(self.model.session, np.ascontiguousarray(blob[..., ::-1]))[0]
        return raw


def load_recogniser(weights: Path | str, card: Path | None = None) -> OnnxRecogniser:
    """Load an ONNX recogniser, or the one of an insightface pack.

    Args:
        weights: an ONNX file, or the folder of a pack (buffalo_l, …), whose recogniser is taken.
        card: its model card; beside the weights where None.

    Returns:
        The recogniser.

    Raises:
        UserError: no such file, no recogniser in it, or a card that does not fit.
    """
    from insightface.model_zoo import get_model
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    path = _in_pack(Path(weights)) if Path(weights).is_dir() else Path(weights)
    found = read_card(path, card)
    try:
        model = get_model(str(path), providers=["CPUExecutionProvider"], sess_options=session_options())
    except Exception as error:
        raise UserError(
            f"Found a file that insightface cannot read at '{path}' "
            f"({str(error).splitlines()[0][:120]}), expected an ONNX recogniser; name another."
        ) from error
    if not isinstance(model, ArcFaceONNX) or model.input_size != (ALIGNED, ALIGNED):
        raise UserError(
            f"Found {type(model).__name__} in '{path.name}', expected a recogniser of 112 x 112 faces; "
            "name another file."
        )
    if not found.training and (model.input_mean, model.input_std) == (
        0.0,
        1.0,
    ):  # normalises inside its graph
        inside = found.preprocessing.model_copy(update={"mean": (0.0,) * 3, "std": (1.0,) * 3})
        found = found.model_copy(update={"preprocessing": inside})
    return OnnxRecogniser(model, found)


def _in_pack(folder: Path) -> Path:
    """The recogniser among a pack's ONNX files: the one of 112 x 112 input with one output."""
    import onnxruntime

    for path in sorted(folder.glob("*.onnx")):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        shape = session.get_inputs()[0].shape
        if list(shape[2:]) == [ALIGNED, ALIGNED] and len(session.get_outputs()) == 1:
            return path
    raise UserError(
        f"Found no recogniser of 112 x 112 faces among the ONNX files of '{folder}', expected one; "
        "name the file itself."
    )
