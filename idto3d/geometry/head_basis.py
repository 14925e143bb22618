"""A linear basis of heads, read from one file: shape, face colour and expressions over a fixed topology.

The form is that of Blanz and Vetter, "A Morphable Model for the Synthesis of 3D Faces", SIGGRAPH 1999: a mean
and principal components, each with its standard deviation, of shape and of colour.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.errors import UserError

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

MAX_FILE_BYTES = 4 * 2**20
MAX_VERTICES, MAX_COMPONENTS = 20_000, 100
DARKEST, LIGHTEST = 0.004, 0.98  # linear albedo
PARTS = ("skin", "eye", "mouth")


@dataclass(frozen=True)
class HeadBasis:
    """Mean and components over V vertices of one topology; coefficients are in standard deviations.

    Attributes:
        mean: [V, 3] mm, neutral, without hair or beard standing out.
        shape: [K, V, 3], orthonormal; shape_deviations: [K] mm, falling.
        albedo_mean: [V, 3] linear RGB; colour: [C, V, 3], colour_deviations: [C]. The face is a crop as the
            Basel model's is: outside it the albedo is the skin's mean colour, whatever the coefficients.
        expressions: [E, V, 3] mm, displacements of the mean head; expression_names: E names.
        faces: [F, 3] into the vertices; uv_faces: [F, 3] into the vertices split at seams.
        source: [W], the vertex of each split one; uvs: [W, 2] in [0, 1], v up.
        landmark_anchors, landmark_weights: [68, 3], three vertices of each landmark (iBUG order) and their
            weights.
        face_weight: [V] in [0, 1], one inside the face's crop.
        part: [V] index into `PARTS`.
    """

    mean: Floats
    shape: Floats
    shape_deviations: Floats
    albedo_mean: Floats
    colour: Floats
    colour_deviations: Floats
    expressions: Floats
    expression_names: tuple[str, ...]
    faces: Indices
    uv_faces: Indices
    source: Indices
    uvs: Floats
    landmark_anchors: Indices
    landmark_weights: Floats
    face_weight: Floats
    part: Indices

    def vertices(self, shape: NDArray[np.floating], expression: str = "neutral") -> NDArray[np.float64]:
        """Vertices [V, 3] mm of shape coefficients [<= K], with a named expression.

        Raises:
            UserError: the basis has no such expression.
        """
        used = np.asarray(shape, np.float64)
        moved = np.tensordot(used * self.shape_deviations[: len(used)], self.shape[: len(used)], 1)
        return np.asarray(self.mean + moved + self.displacement(expression), np.float64)

    def displacement(self, expression: str) -> Floats:
        """What a named expression adds to every head; [V, 3] mm.

        Raises:
            UserError: the basis has no such expression.
        """
        if expression not in self.expression_names:
            raise UserError(
                f"Found no expression {expression!r} in the head basis, expected one of "
                f"{', '.join(self.expression_names)}; ask for one of these."
            )
        return np.asarray(self.expressions[self.expression_names.index(expression)])

    def albedo(self, colour: NDArray[np.floating]) -> Floats:
        """Linear RGB [V, 3] of colour coefficients [<= C]."""
        used = np.asarray(colour, np.float32)
        added = np.tensordot(used * self.colour_deviations[: len(used)], self.colour[: len(used)], 1)
        return np.asarray(np.clip(self.albedo_mean + added, DARKEST, LIGHTEST), np.float32)

    def landmarks(self, vertices: NDArray[np.floating]) -> NDArray[np.float64]:
        """The 68 landmarks [68, 3] mm of vertices [V, 3]."""
        corners = vertices[self.landmark_anchors]
        return np.asarray(np.einsum("lk,lkc->lc", self.landmark_weights.astype(np.float64), corners))

    def torch(self) -> TorchBasis:
        """The same as tensors, for optimisation."""
        return TorchBasis(self)


class TorchBasis:
    """A basis as float32 tensors; its functions are differentiable in their coefficients."""

    def __init__(self, basis: HeadBasis) -> None:
        self.mean = torch.from_numpy(basis.mean)
        self.faces = torch.from_numpy(basis.faces)
        self.shape = torch.from_numpy(basis.shape * basis.shape_deviations[:, None, None])
        self.albedo_mean = torch.from_numpy(basis.albedo_mean)
        self.colour = torch.from_numpy(basis.colour * basis.colour_deviations[:, None, None])
        self.expressions = torch.from_numpy(basis.expressions)  # [E, V, 3]
        self._anchors = torch.from_numpy(basis.landmark_anchors)
        self._weights = torch.from_numpy(basis.landmark_weights)

    def vertices(self, shape: Tensor, expression: Tensor | None = None) -> Tensor:
        """Vertices [V, 3] mm of shape coefficients [<= K] and expression weights [E] (1 is the full one)."""
        moved: Tensor = self.mean + torch.tensordot(shape, self.shape[: len(shape)], 1)
        return moved if expression is None else moved + torch.tensordot(expression, self.expressions, 1)

    def albedo(self, colour: Tensor) -> Tensor:
        """Linear RGB [V, 3] of colour coefficients [<= C]."""
        added = torch.tensordot(colour, self.colour[: len(colour)], 1)
        albedo: Tensor = (self.albedo_mean + added).clamp(DARKEST, LIGHTEST)
        return albedo

    def landmarks(self, vertices: Tensor) -> Tensor:
        """The 68 landmarks [68, 3] mm of vertices [V, 3]."""
        points: Tensor = (vertices[self._anchors] * self._weights[..., None]).sum(1)
        return points


def load_head_basis(path: Path) -> HeadBasis:
    """Read a basis from an NPZ of plain arrays, bounded before it is decoded.

    Raises:
        UserError: the file is missing, too large, no such NPZ, or its arrays do not fit each other.
    """
    remedy = "restore the shipped weights, or make it again with `idto3d-eval train head_basis`"
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise UserError(
                f"Found {size} bytes in '{path.name}', expected at most {MAX_FILE_BYTES}; {remedy}."
            )
        with np.load(path, allow_pickle=False) as stored:
            arrays = {entry.name: stored[entry.name] for entry in fields(HeadBasis)}
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"Found no readable head basis in '{path}' ({error}), expected an NPZ with "
            f"{', '.join(entry.name for entry in fields(HeadBasis)[:5])} and so on; {remedy}."
        ) from error
    names = tuple(str(name) for name in arrays.pop("expression_names"))
    typed: dict[str, Any] = {
        name: np.asarray(array, np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32)
        for name, array in arrays.items()
    }
    basis = HeadBasis(expression_names=names, **typed)
    fault = _fault(basis)
    if fault:
        raise UserError(f"Found {fault} in '{path.name}', expected a sound head basis; {remedy}.")
    return basis


def save_head_basis(path: Path, basis: HeadBasis) -> None:
    """Write what `load_head_basis` reads: components in half precision, indices in 16 bits."""
    arrays = {entry.name: getattr(basis, entry.name) for entry in fields(basis)}
    for name in ("shape", "colour", "albedo_mean", "expressions", "face_weight"):
        arrays[name] = arrays[name].astype(np.float16)
    for name in ("faces", "uv_faces", "source", "landmark_anchors"):
        arrays[name] = arrays[name].astype(np.uint16)
    arrays["part"] = arrays["part"].astype(np.uint8)
    arrays["expression_names"] = np.array(basis.expression_names)
    np.savez_compressed(path, **arrays)


def _fault(basis: HeadBasis) -> str:
    """What is wrong with a basis, in words; empty where nothing is."""
    count, split, faces = len(basis.mean), len(basis.source), len(basis.faces)
    parts, expressions = len(basis.shape), len(basis.expression_names)
    shapes = {
        "mean": (count, 3),
        "shape": (parts, count, 3),
        "shape_deviations": (parts,),
        "albedo_mean": (count, 3),
        "colour": (len(basis.colour), count, 3),
        "colour_deviations": (len(basis.colour),),
        "expressions": (expressions, count, 3),
        "faces": (faces, 3),
        "uv_faces": (faces, 3),
        "source": (split,),
        "uvs": (split, 2),
        "landmark_anchors": (68, 3),
        "landmark_weights": (68, 3),
        "face_weight": (count,),
        "part": (count,),
    }
    for name, expected in shapes.items():
        found = getattr(basis, name).shape
        if found != expected:
            return f"{name} of shape {list(found)} instead of {list(expected)}"
        if not np.isfinite(getattr(basis, name)).all():
            return f"NaN in {name}"
    if not 0 < count <= MAX_VERTICES or max(parts, len(basis.colour)) > MAX_COMPONENTS:
        return f"{count} vertices with {parts} and {len(basis.colour)} components"
    limits = {"faces": count, "source": count, "landmark_anchors": count, "uv_faces": split}
    for name, limit in limits.items():
        indices = getattr(basis, name)
        if indices.size and not (indices.min() >= 0 and indices.max() < limit):
            return f"{name} outside 0 to {limit - 1}"
    return ""
