"""Is light baked into the albedo: how much of its luminance the direction of the surface explains.

A distant light shades by the normal alone, and a diffuse surface under any such light lies within a percent
of the nine spherical harmonics of bands 0 to 2 (Ramamoorthi and Hanrahan, "An Efficient Representation for
Irradiance Environment Maps", SIGGRAPH 2001). True skin varies by place (lips, brows, beard), and so a little
by normal too: what counts is the excess over the true head.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement, MetricCard
from idto3d_eval.metrics.identity import calibrated_identity, identity_counted
from idto3d_eval.metrics.read_with import EMBEDDED, FACES, MESH_ALBEDO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from idto3d.asset import TexturedMesh

Floats = NDArray[np.float64]

POINTS = 20_000  # area-uniform on the part of the head in the ball, before what is hidden goes
# The face in the head frame, from the brows to the chin and from cheek to cheek; ours.
FACE_CENTRE, FACE_RADIUS = (0.0, -30.0, 10.0), 55.0  # mm
# Skin is what lies within this factor of the face's median luminance. Without it the white of the eyes on
# dark skin, and hair on light skin, outweigh all else: a strong lamp baked into validation-0000 moved R² from
# 0.01 to 0.08 only, and with it to 0.77.
SKIN_FACTOR = 3.0
VIEWERS, FOREMOST = 96, 0.5  # directions over the sphere, and the least z of those that look at the face
CLEARANCE = 0.05  # mm that an occlusion ray starts off the surface
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear RGB: ITU-R BT.709
MAXIMUM_EXCESS = 0.05  # the generator's bar, as is the next
MAXIMUM_DROP = 0.05
SEED = 0

_SOURCE = "Definition of this toolkit; nine harmonics after Ramamoorthi and Hanrahan, SIGGRAPH 2001."
_EXPLAINED = (
    "R² of the neutral head's linear albedo luminance on the nine spherical harmonics (bands 0 to 2) of the "
    "surface normal, over area-uniform points of the face's skin (luminance within a factor of 3 of the "
    "median) that can be seen from the front"
)

CARDS = (
    MetricCard(
        name="baked_light",
        title="Albedo explained by normals",
        definition=f"{_EXPLAINED}.",
        source=_SOURCE,
        unit="1",
        low=0.0,
        high=1.0,
        better="neither",
        family="light",
        level="identity",
        failure_modes=(
            "True albedo has some too: read the excess.",
            "Shadows that a head casts on itself are no function of the normal and stay unseen.",
        ),
        preprocessing=MESH_ALBEDO,
    ),
    MetricCard(
        name="baked_light_excess",
        title="Baked light",
        definition=f"{_EXPLAINED}; minus the same of the person's true head.",
        source=_SOURCE,
        unit="1",
        low=-1.0,
        high=1.0,
        better="lower",
        family="light",
        level="identity",
        failure_modes=(
            "A head whose shape is wrong has other normals: light baked for the true shape shows less.",
            "A texture of noise hides baked light, since R² is a share.",
        ),
        preprocessing=MESH_ALBEDO,
    ),
    MetricCard(
        name="relighting_drop",
        title="Lost under other lights",
        definition="Calibrated identity in the views under the protocol's first light, minus calibrated "
        "identity in the views under its other lights, floor and ceiling measured under each.",
        source="Definition of this toolkit.",
        unit="1",
        low=-math.inf,
        high=math.inf,
        better="lower",
        family="light",
        level="method",
        failure_modes=(
            "Undefined under one light; fair only where each light has the same cameras.",
            "A head that looks like nobody loses nothing.",
        ),
        preprocessing=EMBEDDED,
        networks=FACES,
    ),
)


def baked_light(mesh: TexturedMesh) -> Measurement:
    """R² of albedo luminance on second-order spherical harmonics of the normals, over the visible face.

    Args:
        mesh: a neutral head in the head frame, mm.

    Returns:
        In [0, 1]; NaN with a reason where no face is to be seen, or it has one colour alone.
    """
    luminance, normals = face_albedo(mesh)
    return explained_by_normals(luminance, normals)


def explained_by_normals(values: Floats, normals: Floats) -> Measurement:
    """R² of values [N] on the nine spherical harmonics of unit normals [N, 3], by least squares."""
    from idto3d.render.light import sh_basis

    if len(values) < 100:
        return Measurement(math.nan, f"only {len(values)} points of the face can be seen, expected 100")
    centred = values - values.mean()
    total = float((centred**2).sum())
    if total <= 1e-12 * len(values):
        return Measurement(math.nan, "the face's albedo has one luminance everywhere")
    basis = sh_basis(normals)
    weights = np.linalg.lstsq(basis, values, rcond=None)[0]
    rest = float(((values - basis @ weights) ** 2).sum())
    return Measurement(max(0.0, 1.0 - rest / total))


def face_albedo(mesh: TexturedMesh) -> tuple[Floats, Floats]:
    """Linear albedo luminance [N] and unit normals [N, 3] at area-uniform points of visible face skin."""
    import torch

    from idto3d.render.views import sample_texture
    from idto3d_eval.metrics.surface import Surface, sample_triangles, sphere_directions

    surface = Surface(mesh.vertices, mesh.faces)
    near = np.linalg.norm(mesh.vertices - np.array(FACE_CENTRE), axis=1) <= FACE_RADIUS
    faces = mesh.faces[near[mesh.faces].all(axis=1)]
    if len(faces) == 0:
        return np.zeros(0), np.zeros((0, 3))
    triangle, weights = sample_triangles(mesh.vertices, faces, POINTS, SEED)
    chosen = faces[triangle]  # [N, 3]
    points = np.einsum("nk,nkc->nc", weights, mesh.vertices[chosen])
    a, b, c = (mesh.vertices[chosen[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    normals = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    around = sphere_directions(VIEWERS)
    seen = surface.seen_from_outside(points, around[around[:, 2] > FOREMOST], CLEARANCE)
    uv = np.einsum("nk,nkc->nc", weights[seen], mesh.uvs[chosen[seen]])
    linear = sample_texture(mesh.albedo, torch.from_numpy(uv), srgb=True).numpy()
    luminance = linear @ np.array(LUMINANCE)
    if len(luminance) == 0:
        return luminance, normals[seen]
    middle = float(np.median(luminance))
    skin = (luminance * SKIN_FACTOR >= middle) & (luminance <= SKIN_FACTOR * middle)
    return luminance[skin], normals[seen][skin]


def relighting_drop(parts: Sequence[tuple[Floats, Floats, Floats]], first: NDArray[np.bool_]) -> Measurement:
    """Calibrated identity under the first light minus that under the others.

    Args:
        parts: for each identity, similarity, floor and ceiling [E, V] of its views.
        first: [V] which views are under the protocol's first light.

    Returns:
        The difference; NaN with a reason where there is one light alone, or one of the two is undefined.
    """
    if first.all():
        return Measurement(math.nan, "the protocol has one light")
    found = []
    for chosen in (first, ~first):
        counted = [identity_counted(*(part[:, chosen] for part in three)) for three in parts]
        s, floor, ceiling = np.asarray(counted, dtype=np.float64).reshape(-1, 3).T
        found.append(calibrated_identity(s, floor, ceiling))
    undefined = next((measured for measured in found if math.isnan(measured.value)), None)
    return undefined or Measurement(found[0].value - found[1].value)
