"""Can a texture's seams be seen: how much further colours jump across UV seams than beside them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement, MetricCard

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# As shares of a triangle's height over the seam: where the colour beside the seam is read, and where the one
# is with which it is compared. Near enough to see what bleeds in from beyond the chart; ours.
NEAR, FAR = 0.1, 0.3
VIEWERS = 96  # directions over the sphere
CLEARANCE = 0.05  # mm that an occlusion ray starts off the surface
SAME_UV = 1e-6

CARDS = (
    MetricCard(
        name="seam_visibility",
        title="Seam visibility",
        definition="Over the points of the neutral mesh's UV seams that can be seen from outside (three an "
        "edge, "
        "weighted by length): the colour difference between the albedo a tenth of the triangle's height on "
        "either side of the seam, minus what equally long steps that cross no seam give there (from a tenth "
        "to "
        "three tenths of the height on both sides, scaled by length).",
        source="Definition of this toolkit; difference: CIE 1976 ΔE*ab.",
        unit="ΔE",
        low=-math.inf,
        high=math.inf,
        better="lower",
        family="appearance",
        level="identity",
        failure_modes=(
            "About 2 is just visible side by side; a seam across hair or neck hides more.",
            "A texture of noise hides its seams: steps beside them jump as far.",
            "0 where there are no seams; small negative figures are noise of a seamless texture.",
        ),
        preprocessing="Vertices at one place are one; albedo read bilinearly as it is stored, in CIELAB "
        "(D65).",
    ),
)


def seam_visibility(mesh: TexturedMesh) -> Measurement:
    """Excess of the colour jump across seams.

    Args:
        mesh: a head in the head frame, mm.

    Returns:
        ΔE; 0 for a mesh without seams, NaN with a reason where none can be seen.
    """
    from idto3d_eval.metrics.surface import Surface, sphere_directions

    first, second, length = seam_edges(mesh)
    if len(first) == 0:
        return Measurement(0.0)
    shares = np.array([0.25, 0.5, 0.75])
    near = [_points(mesh, side, shares, NEAR) for side in (first, second)]
    far = [_points(mesh, side, shares, FAR) for side in (first, second)]
    seen = Surface(mesh.vertices, mesh.faces).seen_from_outside(
        near[0][0], sphere_directions(VIEWERS), CLEARANCE
    )
    if not seen.any():
        return Measurement(math.nan, "no seam can be seen from outside")
    across = _difference(mesh, near[0], near[1])
    step = np.linalg.norm(near[0][0] - near[1][0], axis=1)
    beside = np.zeros(len(step))
    for close, away in zip(near, far, strict=True):
        distance = np.linalg.norm(close[0] - away[0], axis=1)
        beside += 0.5 * _difference(mesh, close, away) * step / np.maximum(distance, 1e-9)
    weights = np.repeat(length, len(shares)) * seen
    if weights.sum() <= 0.0:
        return Measurement(math.nan, "the seams that can be seen have no length")
    return Measurement(float(((across - beside) * weights).sum() / weights.sum()))


def seam_edges(mesh: TexturedMesh) -> tuple[Ints, Ints, Floats]:
    """Edges on which two triangles meet in space and not in the texture.

    Returns:
        For each of S seams, a corner triple (start, end, opposite) of vertex indices [S, 3] on either side,
        in which start and end are the same places; and lengths [S] mm.
    """
    from idto3d.render.normals import weld

    _, representative = weld(np.asarray(mesh.vertices), np.asarray(mesh.faces))
    place = np.asarray(representative)
    faces = np.asarray(mesh.faces)
    corners = np.concatenate([faces[:, [0, 1, 2]], faces[:, [1, 2, 0]], faces[:, [2, 0, 1]]])  # [3F, 3]
    ends = place[corners[:, :2]]
    swapped = ends[:, 0] > ends[:, 1]
    corners[swapped] = corners[swapped][:, [1, 0, 2]]
    ends = np.sort(ends, axis=1)
    corners, ends = corners[ends[:, 0] != ends[:, 1]], ends[ends[:, 0] != ends[:, 1]]
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    corners, ends = corners[order], ends[order]
    starts = np.flatnonzero(np.r_[True, (ends[1:] != ends[:-1]).any(axis=1)])
    sizes = np.diff(np.r_[starts, len(ends)])
    two = starts[sizes == 2]  # a border has one side, and more than two are no surface
    first, second = corners[two], corners[two + 1]
    apart = np.abs(mesh.uvs[first[:, :2]] - mesh.uvs[second[:, :2]]).max(axis=(1, 2)) > SAME_UV
    first, second = first[apart], second[apart]
    length = np.linalg.norm(mesh.vertices[first[:, 0]] - mesh.vertices[first[:, 1]], axis=1)
    return first, second, length


def _points(mesh: TexturedMesh, corners: Ints, along: Floats, height: float) -> tuple[Floats, Floats]:
    """Places [S * K, 3] mm and their UVs [S * K, 2] at shares `along` an edge and a share of the height."""
    start = (1.0 - along) * (1.0 - height)
    end = along * (1.0 - height)
    weights = np.stack([start, end, np.full(len(along), height)], axis=1)  # [K, 3]
    at = np.einsum("kc,scx->skx", weights, mesh.vertices[corners]).reshape(-1, 3)
    uv = np.einsum("kc,scx->skx", weights, mesh.uvs[corners]).reshape(-1, 2)
    return at, uv


def _difference(mesh: TexturedMesh, one: tuple[Floats, Floats], other: tuple[Floats, Floats]) -> Floats:
    found: Floats = np.linalg.norm(_lab(mesh, one[1]) - _lab(mesh, other[1]), axis=1)
    return found


def _lab(mesh: TexturedMesh, uv: Floats) -> Floats:
    """CIELAB [N, 3] of the albedo, as bilinear filtering in linear light reads it."""
    import torch
    from skimage.color import xyz2lab

    from idto3d.render.views import sample_texture

    linear = sample_texture(mesh.albedo, torch.from_numpy(uv), srgb=True).numpy()
    to_xyz = np.array(  # IEC 61966-2-1, D65
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    lab: Floats = xyz2lab(linear @ to_xyz.T)
    return lab
