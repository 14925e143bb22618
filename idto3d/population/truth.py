"""The true head of a synthetic person as a textured mesh, and the mean head that knows nobody."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from idto3d.asset import TexturedMesh
from idto3d.cache import cache_folder
from idto3d.expressions import preset
from idto3d.population.appearance import paint
from idto3d.population.head_model import SCHEMA, load_head_model
from idto3d.population.people import Person, draw_person
from idto3d.population.surface import Floats, eye_centres, person_vertices

TEXTURE_SIZE = 384


@functools.cache
def _layout() -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """UV layout of the head topology: source vertex of each split vertex, split faces, UVs; kept on disk."""
    from idto3d.geometry.mesh import Mesh
    from idto3d.texture.unwrap import unwrap

    path = cache_folder() / f"head-layout-{SCHEMA}.npz"
    if not path.exists():
        model = load_head_model()
        unwrapped = unwrap(Mesh(model.mean.astype(np.float64), model.faces), TEXTURE_SIZE)
        temporary = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(temporary, source=unwrapped.source, faces=unwrapped.faces, uvs=unwrapped.uvs)
        temporary.replace(path)
    with np.load(path, allow_pickle=False) as stored:
        return stored["source"], stored["faces"], stored["uvs"]


@functools.cache
def _texels() -> tuple[NDArray[np.bool_], NDArray[np.int64], Floats]:
    """Covered texels of the layout: mask [T, T], triangle [N] and canonical position [N, 3] mm of each."""
    from idto3d.texture.bake import rasterise_atlas
    from idto3d.texture.unwrap import Unwrapped

    source, faces, uvs = _layout()
    texels = rasterise_atlas(Unwrapped(source, faces, uvs), TEXTURE_SIZE)
    return texels.mask, texels.triangle, texels.gather(faces, load_head_model().mean[source])


def true_maps(person: Person) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Albedo and roughness-metallic maps of a person, each [T, T, 3] uint8."""
    from idto3d.texture.bake import dilate

    mask, triangle, canonical = _texels()
    rgb, rough = paint(person.appearance, canonical, load_head_model().part[triangle], eye_centres())
    albedo = np.zeros((*mask.shape, 3), np.float32)
    surface = np.zeros((*mask.shape, 3), np.float32)
    albedo[mask] = rgb
    surface[mask, 1] = rough
    return _bytes(dilate(albedo, mask)), _bytes(dilate(surface, mask))


def _bytes(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray((np.clip(image, 0, 1) * 255).round(), np.uint8)


def true_meshes(person: Person, expressions: Sequence[str]) -> dict[str, TexturedMesh]:
    """The true head with each named expression; all share one topology and one texture."""
    albedo, surface = true_maps(person)
    source, faces, uvs = _layout()
    return {
        name: TexturedMesh(
            vertices=person_vertices(person, preset(name))[source].astype(np.float64),
            faces=faces,
            uvs=uvs.astype(np.float64),
            albedo=albedo,
            roughness_metallic=surface,
        )
        for name in expressions
    }


def true_mesh(person: Person, expression: str) -> TexturedMesh:
    """The true head with one named expression."""
    return true_meshes(person, [expression])[expression]


def outer_skin(person: Person, expression: str) -> tuple[Floats, NDArray[np.int64]]:
    """Vertices [V, 3] mm and the faces of the outer skin alone, the ground truth of geometry metrics."""
    model = load_head_model()
    return person_vertices(person, preset(expression)), model.faces[model.outer]


@functools.cache
def mean_person_maps(people: int = 48) -> tuple[Floats, NDArray[np.uint8], NDArray[np.uint8]]:
    """The mean of the first guidance-training people: vertices [V, 3] mm, albedo, roughness-metallic."""
    drawn = [draw_person("guidance", k) for k in range(people)]
    vertices = np.mean([person_vertices(p, preset("neutral")) for p in drawn], axis=0)
    maps = [true_maps(p) for p in drawn]
    albedo = np.mean([m[0] for m in maps], axis=0)
    surface = np.mean([m[1] for m in maps], axis=0)
    return vertices.astype(np.float32), albedo.round().astype(np.uint8), surface.round().astype(np.uint8)


def mean_meshes(expressions: Sequence[str]) -> dict[str, TexturedMesh]:
    """The mean head with each named expression as a preset."""
    vertices, albedo, surface = mean_person_maps()
    source, faces, uvs = _layout()
    actions = load_head_model().actions
    return {
        name: TexturedMesh(
            vertices=(vertices + np.tensordot(preset(name), actions, 1))[source].astype(np.float64),
            faces=faces,
            uvs=uvs.astype(np.float64),
            albedo=albedo,
            roughness_metallic=surface,
        )
        for name in expressions
    }
