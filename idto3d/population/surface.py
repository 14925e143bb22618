"""The visible surface of a synthetic person: geometry with hair relief, and what each pixel sees."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from idto3d.expressions import preset
from idto3d.population.appearance import paint, relief
from idto3d.population.head_model import PARTS, HeadModel, load_head_model
from idto3d.population.people import Person, draw_person
from idto3d.render.camera import Camera
from idto3d.render.embree import Scene
from idto3d.render.light import EnvironmentLight

Floats = NDArray[np.float32]
MEAN_PEOPLE = 300


@functools.cache
def _incidence() -> scipy.sparse.csr_matrix:
    """Vertex-by-face incidence [V, F] of the head topology: sums face normals at vertices."""
    faces = load_head_model().faces
    rows, columns = faces.ravel(), np.repeat(np.arange(len(faces)), 3)
    count = len(load_head_model().mean)
    return scipy.sparse.csr_matrix((np.ones(rows.size, np.float32), (rows, columns)), (count, len(faces)))


@functools.cache
def eye_centres() -> Floats:
    """Centres of the left and the right eye ball on the mean head; [2, 3] mm."""
    model = load_head_model()
    eyes = np.unique(model.faces[model.part == PARTS.index("eye")])
    left = model.mean[eyes[model.mean[eyes, 0] > 0]]
    centre = 0.5 * (left.min(0) + left.max(0))
    return np.stack([centre, centre * np.array([-1, 1, 1], np.float32)]).astype(np.float32)


def vertex_normals(vertices: Floats) -> Floats:
    """Area-weighted unit normals [V, 3] of the head topology at vertices [V, 3]."""
    faces = load_head_model().faces
    corner = vertices[faces]
    normals = _incidence() @ np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.maximum(length, 1e-9), np.float32)


def person_vertices(person: Person, actions: Floats) -> Floats:
    """Skin with hair and beard relief; [V, 3] mm, for facial actions [52] in [0, 1]."""
    model = load_head_model()
    neutral = model.neutral(person.shape)
    height = relief(person.appearance, model.mean)
    return neutral + vertex_normals(neutral) * height[:, None] + np.tensordot(actions, model.actions, 1)


@functools.cache
def mean_vertices() -> NDArray[np.float64]:
    """Mean of the first guidance-training people, hair and beard included; [V, 3] mm."""
    people = (draw_person("guidance", index) for index in range(MEAN_PEOPLE))
    neutral = preset("neutral")
    return np.asarray(np.mean([person_vertices(person, neutral) for person in people], axis=0), np.float64)


@dataclass(frozen=True)
class GBuffer:
    """What the hit pixels of one view see; P is the number of hit pixels.

    mask [H, W] bool; canonical, position (mm) and normal (world, unit) [P, 3]; part [P]; depth [H, W] mm;
    triangle [P] that was hit, and where on it, weight [P, 3].
    """

    mask: NDArray[np.bool_]
    canonical: Floats
    position: Floats
    normal: Floats
    part: NDArray[np.int64]
    depth: Floats
    triangle: NDArray[np.int64]
    weight: Floats


def place_on_mean(seen: GBuffer) -> NDArray[np.float64]:
    """Where on the mean head that generation starts from the hit pixels lie; [P, 3] mm."""
    return np.asarray(
        np.einsum("pk,pkc->pc", seen.weight, mean_vertices()[load_head_model().faces[seen.triangle]])
    )


class Surface:
    """A person's surface with one expression, ready to be seen from many cameras."""

    def __init__(self, person: Person, actions: Floats) -> None:
        """Args: actions [52] in [0, 1]."""
        self.person = person
        self.model: HeadModel = load_head_model()
        self.vertices = person_vertices(person, actions)
        self.normals = vertex_normals(self.vertices)
        self._scene = Scene(self.vertices, self.model.faces)

    @property
    def landmarks(self) -> Floats:
        """The 68 landmarks; [68, 3] mm."""
        return self.vertices[self.model.landmark_index]

    def look(self, camera: Camera) -> GBuffer:
        """Cast one camera's rays and interpolate what they hit."""
        hits = self._scene.cast(camera)
        triangle = hits.triangle[hits.mask]
        corners = self.model.faces[triangle]
        weight = hits.barycentric[hits.mask]

        def mix(attribute: Floats) -> Floats:
            return np.asarray(np.einsum("pk,pkc->pc", weight, attribute[corners]), np.float32)

        normal = mix(self.normals)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        toward = camera.position().astype(np.float32) - mix(self.vertices)
        normal *= np.where(
            (normal * toward).sum(1, keepdims=True) < -0.25 * np.linalg.norm(toward, axis=1)[:, None], -1, 1
        )
        part = self.model.part[triangle]
        return GBuffer(
            hits.mask, mix(self.model.mean), mix(self.vertices), normal, part, hits.depth, triangle, weight
        )

    def colour(self, seen: GBuffer, camera: Camera, light: EnvironmentLight) -> Floats:
        """Shaded linear colour of the hit pixels; [P, 3]."""
        import torch

        from idto3d.render.shading import shade

        albedo, roughness = paint(self.person.appearance, seen.canonical, seen.part, eye_centres())
        toward = camera.position().astype(np.float32) - seen.position
        toward /= np.linalg.norm(toward, axis=1, keepdims=True)
        with torch.no_grad():
            linear = shade(
                torch.from_numpy(
                    np.where(albedo <= 0.04045, albedo / 12.92, ((albedo + 0.055) / 1.055) ** 2.4)
                ).float(),
                torch.from_numpy(roughness[:, None].astype(np.float32)),
                torch.zeros(len(albedo), 1),
                torch.from_numpy(seen.normal),
                torch.from_numpy(toward),
                light,
            )
        return linear.numpy()


def to_srgb(linear: Floats) -> Floats:
    """The sRGB transfer curve, clipped to [0, 1]."""
    x = np.clip(linear, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)
