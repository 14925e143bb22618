"""A linear map from an identity embedding to a head: shape, relief of hair and colour, over a basis."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d.geometry.head_basis import DARKEST, LIGHTEST
from idto3d.render.shading import srgb_to_linear

Floats = NDArray[np.float32]

MAX_FILE_BYTES = 4 * 2**20


@dataclass(frozen=True)
class RegressedHead:
    """What a map says of one embedding.

    Attributes:
        shape: [K] coefficients of the head basis, in standard deviations.
        relief: [V] mm that hair and beard stand out along the normal, at least 0.
        albedo: [V, 3] linear RGB of the whole head, hair included.
    """

    shape: Floats
    relief: Floats
    albedo: Floats


@dataclass(frozen=True)
class HeadRegression:
    """Coefficients = (embedding − embedding_mean) @ weights, in standard deviations of three linear spaces.

    Attributes:
        embedding_mean: [D]; weights: [D, K + R + C], of shape, relief and look, in this order.
        relief_mean: [V] mm; relief: [R, V], a standard deviation each.
        look_mean: [V, 3] sRGB in [0, 1]; look: [C, V, 3], a standard deviation each. Colour is regressed as
            it is seen: in linear light dark skin's errors would not count.
        basis_sha256: of the file of the head basis that it was learned over.
    """

    embedding_mean: Floats
    weights: Floats
    relief_mean: Floats
    relief: Floats
    look_mean: Floats
    look: Floats
    basis_sha256: str

    def head(self, embedding: NDArray[np.floating]) -> RegressedHead:
        """The head of an identity embedding [D] of length one.

        Raises:
            UserError: an embedding of another length, from another recogniser.
        """
        expected = self.embedding_mean.shape
        if embedding.shape != expected:
            raise UserError(
                f"Found an embedding of shape {list(embedding.shape)}, expected {list(expected)}: "
                "the regression belongs to another recogniser; train it again with "
                "`idto3d-eval train feed_forward`."
            )
        coefficients = (embedding - self.embedding_mean) @ self.weights
        shape, relief, look = np.split(coefficients, self.ends)
        height = self.relief_mean + relief @ self.relief
        srgb = np.clip(self.look_mean + np.tensordot(look, self.look, 1), 0.0, 1.0)
        albedo = srgb_to_linear(torch.from_numpy(srgb)).numpy()
        return RegressedHead(
            shape.astype(np.float32),
            np.maximum(height, 0.0).astype(np.float32),
            np.clip(albedo, DARKEST, LIGHTEST).astype(np.float32),
        )

    @property
    def ends(self) -> tuple[int, int]:
        """Where in the weights' columns the coefficients of shape and of relief end."""
        shape = self.weights.shape[1] - len(self.relief) - len(self.look)
        return shape, shape + len(self.relief)


def load_head_regression(path: Path) -> HeadRegression:
    """Read a map from an NPZ of plain arrays, bounded before it is decoded.

    Raises:
        UserError: the file is missing, too large, no such NPZ, or its arrays do not fit each other.
    """
    remedy = "restore the shipped weights, or make it again with `idto3d-eval train feed_forward`"
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise UserError(
                f"Found {size} bytes in '{path.name}', expected at most {MAX_FILE_BYTES}; {remedy}."
            )
        with np.load(path, allow_pickle=False) as stored:
            arrays = {entry.name: stored[entry.name] for entry in fields(HeadRegression)}
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"Found no readable map from embeddings to heads in '{path}' ({error}), expected an NPZ with "
            f"{', '.join(entry.name for entry in fields(HeadRegression)[:3])} and so on; {remedy}."
        ) from error
    sha = str(arrays.pop("basis_sha256"))
    found = HeadRegression(
        basis_sha256=sha, **{name: array.astype(np.float32) for name, array in arrays.items()}
    )
    count = len(found.relief_mean)
    sound = (
        found.weights.ndim == 2
        and len(found.weights) == len(found.embedding_mean)
        and found.ends[0] > 0
        and found.relief.shape == (len(found.relief), count)
        and found.look_mean.shape == (count, 3)
        and found.look.shape == (len(found.look), count, 3)
        and all(np.isfinite(getattr(found, name)).all() for name in arrays)
    )
    if not sound:
        raise UserError(
            f"Found arrays that do not fit each other in '{path.name}', expected a map from embeddings to "
            f"heads; {remedy}."
        )
    return found


def save_head_regression(path: Path, regression: HeadRegression) -> None:
    """Write what `load_head_regression` reads, in half precision."""
    arrays = {entry.name: getattr(regression, entry.name) for entry in fields(regression)}
    sha = arrays.pop("basis_sha256")
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    np.savez_compressed(path, **halves, basis_sha256=np.array(sha))
