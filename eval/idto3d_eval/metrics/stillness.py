"""Does an expression leave alone what no expression moves: the skull behind the face, its shape and colour.

The region is told by the head frame alone (origin between the eyes, +Y up, +Z out of the face, mm), so that
it is the same place on any topology. It holds the back of the skull, above the neck. On the true heads of the
twelve held-out people of `unseen_ids` no vertex of it moves by 0.01 mm under any of the 13 expressions; brow,
temples, cheeks and neck, which do move, lie outside of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement, MetricCard

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh
    from idto3d_eval.metrics.surface import Surface

Floats = NDArray[np.float64]

ABOVE, BEHIND = -30.0, -100.0  # mm, y and z: chosen on the true heads, see above
POINTS, SEED = 4000, 20_240_517  # area-uniform on the region; the same draw for every head
DIGITS = 6
FEWEST_POINTS = 100  # of the region that a head must have

_REGION = (
    f"the region that no expression moves: y above {ABOVE:g} mm and z behind {BEHIND:g} mm in the head "
    "frame, which is the back of the skull"
)

CARDS = (
    MetricCard(
        name="still_drift",
        title="Drift of the still region",
        definition=f"Mean distance between the neutral head and the head with an expression in {_REGION}: "
        f"{POINTS} area-uniform points of each surface to the nearest point of the other, the mean of both "
        "ways. Nothing is aligned again: all heads of an asset stand in one frame, so a head that moves as a "
        "whole drifts.",
        source="Definition of this toolkit.",
        unit="mm",
        low=0.0,
        high=math.inf,
        better="lower",
        family="expression",
        level="head",
        failure_modes=(
            "A nearest point hides sliding along the surface; the albedo drift shows it where there is a "
            "pattern.",
            "Undefined for heads without a back.",
            "A statue scores 0: read accuracy beside it.",
        ),
        preprocessing="Meshes as they are, mm, hidden surfaces included.",
    ),
    MetricCard(
        name="still_albedo_drift",
        title="Albedo drift of the still region",
        definition="Mean CIE 1976 colour difference between the albedo at each point of still_drift and at "
        "its nearest point on the other surface, the mean of both ways.",
        source="Definition of this toolkit; colour difference: CIE 015, L*a*b* under D65 of the sRGB "
        "texture.",
        unit="ΔE",
        low=0.0,
        high=math.inf,
        better="lower",
        family="expression",
        level="head",
        failure_modes=(
            "Where the surface moves, the nearest point has another colour: read still_drift first.",
            "A texture of one colour cannot drift.",
        ),
        preprocessing="Albedo read bilinearly through the UVs, 8-bit sRGB.",
    ),
)


def still_drift(neutral: TexturedMesh, expression: TexturedMesh) -> tuple[Measurement, Measurement]:
    """Drift of shape, mm, and of albedo, ΔE, between two heads of one asset in the still region.

    Args:
        neutral, expression: heads in the head frame, mm.

    Returns:
        Both NaN with a reason where either head has next to nothing in the region.
    """
    from idto3d_eval.metrics.surface import Surface

    surfaces = [Surface(mesh.vertices, mesh.faces) for mesh in (neutral, expression)]
    gaps, colours = [], []
    for own, other, surface in ((neutral, expression, surfaces[1]), (expression, neutral, surfaces[0])):
        points, own_colours = still_points(own)
        if len(points) < FEWEST_POINTS:
            lacking = Measurement(math.nan, "the head has no back of the skull")
            return lacking, lacking
        nearest, other_colours = _nearest(surface, other, points)
        gaps.append(float(np.linalg.norm(nearest - points, axis=1).mean()))
        colours.append(float(np.linalg.norm(lab(own_colours) - lab(other_colours), axis=1).mean()))
    # The nearest point is known to some 1e-9 mm: digits beyond DIGITS would order heads that do not drift.
    shape, albedo = (Measurement(round(float(np.mean(each)), DIGITS)) for each in (gaps, colours))
    return shape, albedo


def still_points(mesh: TexturedMesh) -> tuple[Floats, Floats]:
    """Area-uniform points [N, 3] mm of a head's still region and their sRGB [N, 3] in [0, 1]; N may be 0."""
    from idto3d_eval.metrics.surface import sample_triangles

    near = is_still(mesh.vertices)
    faces = mesh.faces[near[mesh.faces].any(axis=1)]
    if len(faces) == 0:
        return np.zeros((0, 3)), np.zeros((0, 3))
    try:
        triangle, weights = sample_triangles(mesh.vertices, faces, POINTS, SEED)
    except ValueError:  # triangles that span nothing
        return np.zeros((0, 3)), np.zeros((0, 3))
    corners = faces[triangle]  # [N, 3]
    points = np.einsum("nk,nkc->nc", weights, mesh.vertices[corners])
    inside = is_still(points)  # a large triangle reaches beyond the region
    return points[inside], _colours(mesh, corners[inside], weights[inside])


def is_still(points: Floats) -> NDArray[np.bool_]:
    """Which of points [N, 3] mm in the head frame lie in the still region."""
    inside: NDArray[np.bool_] = (points[:, 1] > ABOVE) & (points[:, 2] < BEHIND)
    return inside


def lab(srgb: Floats) -> Floats:
    """CIE L*a*b* under D65 of sRGB [N, 3] in [0, 1]."""
    from skimage.color import rgb2lab  # OpenCV's goes through a table and is off by up to 0.24

    converted: Floats = rgb2lab(srgb)
    return converted


def _nearest(surface: Surface, mesh: TexturedMesh, points: Floats) -> tuple[Floats, Floats]:
    """The nearest points [N, 3] of a mesh and their sRGB [N, 3]."""
    found = surface.closest(points)
    corners = mesh.faces[found.faces]
    return found.points, _colours(mesh, corners, barycentric(found.points, mesh.vertices[corners]))


def barycentric(points: Floats, corners: Floats) -> Floats:
    """Weights [N, 3] of triangles' corners [N, 3, 3] at points [N, 3] on them; thirds without an area."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    area = (normal**2).sum(axis=1)
    flat = area <= 0.0
    safe = np.where(flat, 1.0, area)
    at_a = (np.cross(c - b, points - b) * normal).sum(axis=1) / safe
    at_b = (np.cross(a - c, points - c) * normal).sum(axis=1) / safe
    weights = np.stack([at_a, at_b, 1.0 - at_a - at_b], axis=1)
    return np.where(flat[:, None], 1.0 / 3.0, np.clip(weights, 0.0, 1.0))


def _colours(mesh: TexturedMesh, corners: NDArray[np.int64], weights: Floats) -> Floats:
    """sRGB [N, 3] in [0, 1] of the albedo at barycentric places."""
    import torch

    from idto3d.render.views import sample_texture

    uv = np.einsum("nk,nkc->nc", weights, mesh.uvs[corners])
    return np.asarray(sample_texture(mesh.albedo, torch.from_numpy(uv), srgb=False).numpy(), np.float64)
