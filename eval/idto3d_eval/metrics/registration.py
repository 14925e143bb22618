"""Laying one head on another: Procrustes on landmarks, then refinement of the scan-to-mesh distance.

Procrustes: Umeyama, "Least-Squares Estimation of Transformation Parameters Between Two Point Patterns", 1991.
Refinement: least squares of the unsigned scan-to-mesh distance over rotation, translation and, where the
variant frees it, scale, as the NoW benchmark does; solved by Levenberg and Marquardt's method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.surface import Surface
from idto3d_eval.metrics.triangles import cross, dot

Floats = NDArray[np.float64]

MAXIMUM_STEPS = 80
STEP_TOLERANCE = 1e-9  # of a step: radians, millimetres over the scan's radius, log scale
# Relative decrease of an accepted step below which it has converged. At 1e-7 the order of points and the
# triangulation moved a median of 1.6 mm by up to 0.04 mm, at 1e-8 by 0.0002 mm. Going most of the way with a
# part of the points saved no time and could end in another resting place.
COST_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Similarity:
    """x -> scale * orthogonal @ x + translation; `orthogonal` has determinant -1 for a mirrored fit."""

    scale: float
    orthogonal: Floats  # [3, 3]
    translation: Floats  # [3] mm

    @property
    def mirrored(self) -> bool:
        """Whether it turns left into right."""
        return bool(np.linalg.det(self.orthogonal) < 0.0)

    def apply(self, points: Floats) -> Floats:
        """Points [N, 3] carried over."""
        return self.scale * points @ self.orthogonal.T + self.translation

    def inverse(self, points: Floats) -> Floats:
        """Points [N, 3] carried back."""
        return (points - self.translation) @ self.orthogonal / self.scale


def procrustes(source: Floats, target: Floats, *, scale: bool, reflection: bool) -> Similarity:
    """The similarity that lays source on target with the least squared error.

    Args:
        source, target: [N, 3] corresponding points, N >= 3.
        scale: whether it may scale; else it is 1.
        reflection: whether it may mirror where that fits better.

    Returns:
        The transformation from source to target.

    Raises:
        ValueError: shapes differ, NaN, or all source points in one place.
    """
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 3 or len(source) < 3:
        raise ValueError(
            f"Found points {source.shape} and {target.shape}, expected two equal [N, 3] with N >= 3."
        )
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise ValueError(
            "Found NaN among the points to register, expected finite ones; leave out missing pairs."
        )
    centre_source, centre_target = source.mean(axis=0), target.mean(axis=0)
    spread = float(((source - centre_source) ** 2).sum())
    if not spread > 0.0:
        raise ValueError("Found all source points in one place, expected a spread; check the landmarks.")
    left, singular, right = np.linalg.svd((target - centre_target).T @ (source - centre_source))
    sign = np.ones(3)
    if not reflection and np.linalg.det(left @ right) < 0.0:
        sign[2] = -1.0
    orthogonal = (left * sign) @ right
    factor = float((singular * sign).sum() / spread) if scale else 1.0
    return Similarity(factor, orthogonal, centre_target - factor * orthogonal @ centre_source)


def refine(points: Floats, mesh: Surface, start: Similarity, *, scale: bool) -> Similarity:
    """Move the mesh so that the sum of squared distances from the scan's points to it is least.

    The tree stays where it is: points are carried back into the mesh's frame and the distance is scaled,
    which is the same number. A mirrored start stays mirrored.

    Args:
        points: [N, 3] mm, the cropped scan.
        mesh: the head to move.
        start: from the mesh's frame to the scan's.
        scale: whether the scale is free.

    Returns:
        The refined transformation from the mesh's frame to the scan's.
    """
    pivot = points.mean(axis=0)
    radius = float(np.sqrt(((points - pivot) ** 2).sum(axis=1).mean())) or 1.0
    free = 7 if scale else 6
    damping = 1e-4
    current = start
    cost, gradient, hessian = _normal_equations(points, mesh, current, pivot, radius, free)
    for _ in range(MAXIMUM_STEPS):
        step = np.asarray(
            np.linalg.solve(hessian + damping * np.diag(np.diag(hessian) + 1e-12), -gradient),
            dtype=np.float64,
        )
        proposal = _moved(current, step, pivot, radius)
        trial = _normal_equations(points, mesh, proposal, pivot, radius, free)
        if trial[0] < cost:
            converged = cost - trial[0] < COST_TOLERANCE * cost
            current, (cost, gradient, hessian) = proposal, trial
            damping = max(damping / 10.0, 1e-12)
        else:
            converged = damping > 1e8
            damping *= 10.0
        if converged or float(np.abs(step).max()) < STEP_TOLERANCE:
            break
    return current


def _normal_equations(
    points: Floats, mesh: Surface, pose: Similarity, pivot: Floats, radius: float, free: int
) -> tuple[float, Floats, Floats]:
    """Cost, gradient [free] and Gauss-Newton Hessian [free, free] at a pose.

    The closest point is held fixed under differentiation, which is exact to first order. Parameters: rotation
    vector about the pivot, translation in units of `radius`, log scale about the pivot.
    """
    found = mesh.closest(pose.inverse(points))
    landed = np.ascontiguousarray(pose.apply(found.points).T)  # [3, N]: closest points in the scan's frame
    gap = points.T - landed
    distance = np.sqrt(dot(gap, gap))
    # At distance 0 the direction of the gap is lost; the face's normal is its limit.
    normal = pose.orthogonal @ found.normals.T
    direction = np.where(distance > 1e-9, gap / np.maximum(distance, 1e-9), normal)
    residual = np.where(distance > 1e-9, distance, 0.0)
    arm = landed - pivot[:, None]
    rows = [-cross(arm, direction), -radius * direction]
    if free == 7:
        rows.append(-dot(direction, arm)[None])
    jacobian = np.concatenate(rows)  # [free, N]
    # Sums by numpy's own pairwise reduction: a BLAS product would round by the number of threads.
    gradient = (jacobian * residual).sum(axis=1)
    hessian = np.stack([(jacobian * jacobian[k]).sum(axis=1) for k in range(free)])
    return 0.5 * float((residual**2).sum()), gradient, hessian


def _moved(pose: Similarity, step: Floats, pivot: Floats, radius: float) -> Similarity:
    """The pose turned, shifted and scaled about the pivot by one step."""
    turn = rotation_matrix(step[:3])
    factor = float(np.exp(step[6])) if len(step) == 7 else 1.0
    offset = factor * turn @ (pose.translation - pivot) + pivot + radius * step[3:6]
    return Similarity(pose.scale * factor, turn @ pose.orthogonal, offset)


def rotation_matrix(vector: Floats) -> Floats:
    """Rotation [3, 3] by the length of a vector [3], in radians, about its direction (Rodrigues)."""
    angle = float(np.sqrt((vector**2).sum()))
    if angle == 0.0:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned: Floats = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return turned
