"""What an embedding should give away of a face: its shape and colour, as far as a linear map can read them.

Principal components of four blocks of a person's neutral face are predicted from the unit embedding: where
the face's points lie (after the best similarity, which no photo shows), how its surface is turned there, its
colour, and where moles and freckles are. MICA (Zielonka 2022) reads FLAME's shape off ArcFace features in the
same way, after training.

A component of colour counts alike, whatever its variance: skin's tone holds nine tenths of the variance, and
another recogniser tells people apart by the rest as well. One of shape counts by its deviation, in between:
counted alike, what moves a face by hundredths of a millimetre, and cannot be seen, took from what can.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from idto3d.errors import UserError

# Components of each block. Sixty-four of colour hold all that recogniser B sees of it: painted with them
# alone, a true head scores 0.994 of itself (by a script that was not kept).
COMPONENTS = {"position": 48, "normal": 64, "albedo": 64, "marks": 96}
WEIGHTS = {"position": 1.5, "normal": 1.5, "albedo": 2.0, "marks": 0.5}
BY_DEVIATION = ("position", "normal")
LEAST = 1e-3  # of the first component's deviation, below which one is none
DARKEST = 0.02  # of a colour, below which its logarithm goes no further

# Positions near the mean face's nose tip count in full, hair and skull less: there lies the likeness.
FACE_RADIUS = 95.0  # mm, of NoW's crop (Sanyal 2019, sec. 4.2)
BESIDE_FACE = 0.25

Basis = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
Blocks = dict[str, NDArray[np.float32]]


class Likeness(nn.Module):
    """A linear reading of the unit embedding, and what it should read for each person of the training set.

    Args:
        dimension: D of the embedding.
        targets: [people, K], blocks side by side, each component divided by its standard deviation.
        bases: per block the mean [M * C], the components [K_b, M * C] and those deviations [K_b].
        onto: [M, 3] mm, `mean_shape` of the training people, whom others are brought onto.
    """

    def __init__(
        self, dimension: int, targets: Tensor, bases: dict[str, Basis], onto: NDArray[np.float32]
    ) -> None:
        super().__init__()
        self.read = nn.Linear(dimension, targets.shape[1])
        self._targets = targets
        self._bases, self._onto = bases, onto
        parts = []
        for name, (_, _, deviation) in bases.items():
            counts = deviation if name in BY_DEVIATION else np.ones_like(deviation)
            parts.append(WEIGHTS[name] * counts / counts.sum())
        weight = np.concatenate(parts)
        self._weight = torch.from_numpy(weight / weight.sum()).float()

    @classmethod
    def learned(cls, folder: Path, people: NDArray[np.integer], dimension: int) -> Likeness:
        """With components and targets of the named people of a folder of likenesses."""
        bases, targets = {}, []
        onto = mean_shape(folder, people)
        for name, values in read_likenesses(folder, people, onto).items():
            mean = values.mean(0)
            centred = values - mean
            components = _principal(centred, min(COMPONENTS[name], len(values) - 1))
            codes = centred @ components.T
            varies = codes.std(0) > LEAST * codes.std(0).max()
            deviation = codes.std(0)[varies]
            bases[name] = (mean, components[varies], deviation)
            targets.append(codes[:, varies] / deviation)
        return cls(dimension, torch.from_numpy(np.concatenate(targets, 1)).float(), bases, onto)

    def forward(self, embedding: Tensor, person: Tensor) -> Tensor:
        """Weighted mean of the components' unexplained shares; 1 where nothing is read, a scalar."""
        with torch.autocast("cpu", enabled=False):
            read = self._reading(functional.normalize(embedding.float()))
            error: Tensor = ((read - self._targets[person]).square() * self._weight).sum(1).mean()
        return error

    @torch.no_grad()
    def explained(
        self, embedded: NDArray[np.float32], person: NDArray[np.integer], folder: Path
    ) -> dict[str, float]:
        """Share of each block's variance that the mean embedding of a person's photos gives away, and the
        mean of its components' shares.

        Args:
            embedded: unit embeddings [N, D].
            person: whose photo each is [N].
            folder: these people's likenesses.
        """
        names = np.unique(person)
        means = np.stack([embedded[person == name].mean(0) for name in names])
        read = self._reading(functional.normalize(torch.from_numpy(means))).numpy()
        found, at = {}, 0
        for name, values in read_likenesses(folder, names, self._onto).items():
            mean, components, deviation = self._bases[name]
            said = read[:, at : at + len(components)]
            at += len(components)
            true = values - mean
            codes = true @ components.T / deviation
            missed = np.square(true - (said * deviation) @ components).sum()
            shares = 1.0 - np.square(codes - said).sum(0) / np.square(codes).sum(0)
            found[f"explained_{name}"] = 1.0 - float(missed / np.square(true).sum())
            found[f"components_{name}"] = float(shares.mean())
        return found

    def _reading(self, unit: Tensor) -> Tensor:
        # A unit vector of D numbers has entries near 1/sqrt(D); the layer likes entries near 1.
        return cast(Tensor, self.read(unit * unit.shape[1] ** 0.5))


def read_likenesses(
    folder: Path, people: NDArray[np.integer], onto: NDArray[np.float32] | None = None
) -> Blocks:
    """Blocks [people, M * C] of the named people of a folder.

    Args:
        folder: of a data set of likenesses.
        people: whose.
        onto: points [M, 3] that positions are brought onto; the mean of these people where None.

    Raises:
        UserError: no such folder, or a person whom it lacks.
    """
    rows = _rows(folder, people)
    blocks = {}
    for name in COMPONENTS:
        values = np.load(folder / f"{name}.npy", allow_pickle=False)[rows].astype(np.float32)
        blocks[name] = values
    blocks["albedo"] = np.log(np.maximum(blocks["albedo"], DARKEST))
    onto = _centred(blocks["position"]).mean(0) if onto is None else onto
    blocks["position"], turned = _aligned(blocks["position"], onto)
    nose = onto[onto[:, 2].argmax()]
    far = np.linalg.norm(onto - nose, axis=1) > FACE_RADIUS
    blocks["position"][:, far] *= BESIDE_FACE
    blocks["normal"] = np.einsum("nmc,ncd->nmd", blocks["normal"], turned)
    return {name: values.reshape(len(values), -1) for name, values in blocks.items()}


def mean_shape(folder: Path, people: NDArray[np.integer]) -> NDArray[np.float32]:
    """The mean [M, 3] mm of the named people's centred faces; errors as `read_likenesses`."""
    points = np.load(folder / "position.npy", allow_pickle=False)[_rows(folder, people)]
    return np.asarray(_centred(points.astype(np.float32)).mean(0))


def _rows(folder: Path, people: NDArray[np.integer]) -> NDArray[np.intp]:
    if not (folder / "position.npy").is_file():
        raise UserError(f"Found no likenesses in '{folder}', expected position.npy; draw the data first.")
    known = np.load(folder / "person.npy", allow_pickle=False)
    rows = np.searchsorted(known, people)
    if len(known) == 0 or rows.max() >= len(known) or (known[rows] != people).any():
        raise UserError(f"Found people without a likeness in '{folder}', expected all; draw the data again.")
    return rows


def _centred(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(points - points.mean(1, keepdims=True))


def _aligned(
    points: NDArray[np.float32], onto: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points [N, M, 3] after the similarity onto [M, 3] (Umeyama 1991), and the rotations [N, 3, 3]."""
    centred = _centred(points)
    left, size, right = np.linalg.svd(np.einsum("nmc,md->ncd", centred, onto))
    mirrored = np.linalg.det(left @ right) < 0
    left[mirrored, :, -1] *= -1
    size[mirrored, -1] *= -1
    turn = left @ right
    scale = size.sum(1) / np.square(centred).sum((1, 2))
    moved = scale[:, None, None] * np.einsum("nmc,ncd->nmd", centred, turn)
    return moved.astype(np.float32), turn.astype(np.float32)


def _principal(centred: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The first principal directions [count, D] of rows [N, D], by a randomised range (Halko 2011)."""
    probe = np.random.default_rng(0).standard_normal((centred.shape[1], count + 16)).astype(np.float32)
    for _ in range(3):
        probe = np.linalg.qr(centred.T @ (centred @ probe))[0]
    _, _, directions = np.linalg.svd(centred @ probe, full_matrices=False)
    return np.ascontiguousarray((directions @ probe.T)[:count])
