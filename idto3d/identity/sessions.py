"""ONNX sessions whose result for one image does not hang on what else is in the batch."""

from pathlib import Path
from typing import Any

import numpy as np

from idto3d.errors import UserError

FIXED_BATCH = 8  # every call runs this many images, the last one padded: batch composition changes no bit


def session_options() -> Any:
    """One thread, so that results do not hang on the machine's cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def open_session(path: Path) -> Any:
    """An onnxruntime session on the CPU; UserError where the file is no ONNX model."""
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=session_options(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise UserError(
            f"Found a file that onnxruntime cannot read at '{path}' "
            f"({str(error).splitlines()[0][:120]}), expected an ONNX model; name another."
        ) from error


def run_fixed(session: Any, blob: np.ndarray, batch: int = FIXED_BATCH) -> list[np.ndarray]:
    """All outputs for a blob of any length, run in batches of one fixed length.

    Args:
        session: onnxruntime session with one input.
        blob: float32 [N, C, H, W].
        batch: images a call; 1 where the model was exported for one.

    Returns:
        One array [N, …] an output.
    """
    name = session.get_inputs()[0].name
    fixed = session.get_inputs()[0].shape[0]
    batch = fixed if isinstance(fixed, int) and fixed > 0 else batch
    parts = []
    for start in range(0, len(blob), batch):
        some = blob[start : start + batch]
        padded = some
        if len(some) < batch:
            padded = np.zeros((batch, *blob.shape[1:]), np.float32)
            padded[: len(some)] = some
        parts.append([output[: len(some)] for output in session.run(None, {name: padded})])
    if not parts:
        return [
            np.zeros((0, *[d if isinstance(d, int) else 0 for d in output.shape[1:]]), np.float32)
            for output in session.get_outputs()
        ]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
