"""A smooth, mirror-symmetric deformation of the mean head: Gaussian radial basis functions in two widths.

One photograph says little about depth and nothing about the far side, so the shape is moved by a few hundred
numbers instead of by its vertices: a coarse layer over the whole head, a fine one over the face, and every
control point acts together with its mirror image across x = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.errors import UserError
from idto3d.geometry.mesh import Mesh, load_mesh

Floats = NDArray[np.float64]

# Control points, their Gaussian's standard deviation (mm) and how far they usually move (mm).
COARSE = (40, 42.0, 5.0)
FINE = (80, 13.0, 2.0)
FACE_REACH = 30.0  # mm around the inner landmarks: where the fine layer lies


@dataclass(frozen=True)
class StartHead:
    """The shipped mean head: a closed neutral mesh, and its 68 landmarks [68, 3] mm."""

    mesh: Mesh
    landmarks: Floats


def load_start_head(path: Path) -> StartHead:
    """Read `mean_head.npz`.

    Raises:
        UserError: the file is missing, broken, or carries no landmarks.
    """
    mesh = load_mesh(path)
    with np.load(path, allow_pickle=False) as stored:
        landmarks = np.asarray(stored["landmarks"], np.float64) if "landmarks" in stored else np.zeros((0, 3))
    if landmarks.shape != (68, 3) or not np.isfinite(landmarks).all():
        raise UserError(
            f"Found landmarks of shape {landmarks.shape} in '{path.name}', expected 68 points in mm; "
            "restore the shipped weights."
        )
    return StartHead(mesh, landmarks)


@dataclass(frozen=True)
class Influence:
    """How much each control point moves each of N points: itself and through its mirror image; [N, K]."""

    own: Tensor
    mirrored: Tensor

    def displaced(self, points: Tensor, moves: Tensor) -> Tensor:
        """Points [N, 3] mm displaced by the control points' moves [K, 3] mm, symmetric across x = 0."""
        flip = torch.tensor([-1.0, 1.0, 1.0], dtype=moves.dtype)
        return points + self.own @ moves + self.mirrored @ (moves * flip)

    def spread(self, values: Tensor) -> Tensor:
        """Symmetric scalar fields: values [K, C] at the control points to [N, C]."""
        return (self.own + self.mirrored) @ values


class FaceWarp:
    """Control points on the mean head.

    Attributes:
        centres: [K, 3] mm, on the half x >= 0.
        widths: [K] mm, standard deviations.
        spreads: [K] mm, how far each usually moves.
    """

    def __init__(self, head: StartHead) -> None:
        vertices = head.mesh.vertices
        half = vertices[vertices[:, 0] >= 0.0]
        inner = head.landmarks[17:]
        reach = np.sqrt(((half[:, None] - inner[None]) ** 2).sum(-1).min(1))
        layers = ((half, COARSE), (half[reach < FACE_REACH], FINE))
        centres = [_far_apart(points, count) for points, (count, _, _) in layers]
        self.centres: Floats = np.concatenate(centres)
        self.widths: Floats = np.repeat([COARSE[1], FINE[1]], [len(c) for c in centres])
        self.spreads: Floats = np.repeat([COARSE[2], FINE[2]], [len(c) for c in centres])

    def influence(self, points: Floats) -> Influence:
        """Weights of the control points at points [N, 3] mm of the mean head."""
        flip = np.array([-1.0, 1.0, 1.0])
        own, mirrored = (
            torch.from_numpy(self._weights(points, centres).astype(np.float32))
            for centres in (self.centres, self.centres * flip)
        )
        return Influence(own, mirrored)

    def _weights(self, points: Floats, centres: Floats) -> Floats:
        squared = (points**2).sum(1)[:, None] + (centres**2).sum(1) - 2.0 * points @ centres.T
        return np.asarray(np.exp(-0.5 * np.maximum(squared, 0.0) / self.widths**2))


def upright(landmarks: Floats, target: Floats) -> Callable[[Floats], Floats]:
    """The nod and shift that bring landmarks [68, 3] closest to those of an upright head, as a function.

    A warp can nod and shift the whole head, which no photo tells from a pose; symmetry forbids it the rest.
    """
    centre, goal = landmarks.mean(0), target.mean(0)
    a, b = (landmarks - centre)[:, 1:], (target - goal)[:, 1:]
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum())
    c, s = np.cos(angle), np.sin(angle)
    nod = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    shift = (goal - nod @ centre) * [0.0, 1.0, 1.0]
    return lambda points: np.asarray(points @ nod.T + shift)


def _far_apart(points: Floats, count: int) -> Floats:
    """Farthest-point sample of [N, 3], beginning with the foremost point; [count, 3] or fewer."""
    chosen = [int(points[:, 2].argmax())]
    distance = ((points - points[chosen[0]]) ** 2).sum(1)
    for _ in range(min(count, len(points)) - 1):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(1))
    return np.asarray(points[chosen])
