"""Self-checks of baked light: none where there is none, all where there is nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.identity import identity_similarity
from idto3d_eval.metrics.light import baked_light, explained_by_normals, relighting_drop
from idto3d_eval.selfcheck import drawn
from idto3d_eval.selfcheck.check import Check, Graded, Known

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh

Floats = NDArray[np.float64]

LAMP = (0.8, 0.3, 0.52)  # where a strong lamp stands: the person's left, a little above, in front
LAMP_RADIANCE, LAMP_WIDTH = 0.8, 0.35
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
LIT = (0, 3)  # people


def checks() -> Iterator[Check]:
    """All checks of the family."""
    yield from _closed_forms()
    yield from _heads()
    yield from _other_lights()


def with_light(mesh: TexturedMesh, share: float) -> TexturedMesh:
    """A head with a share of a lamp's shading multiplied into its albedo, texel by texel."""
    from idto3d.render.light import EnvironmentLight
    from idto3d.texture.bake import rasterise_atlas
    from idto3d.texture.unwrap import Unwrapped

    lamp = EnvironmentLight.from_lamps(
        np.array([LAMP]), np.full((1, 3), LAMP_RADIANCE), np.full(3, LAMP_WIDTH)
    )
    layout = Unwrapped(np.arange(len(mesh.vertices)), mesh.faces, mesh.uvs.astype(np.float32))
    texels = rasterise_atlas(layout, mesh.albedo.shape[0])
    corners = mesh.vertices[mesh.faces]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
    shading = (1.0 - share) + share * lamp.irradiance(facing[texels.triangle])
    linear = (mesh.albedo[texels.mask] / 255.0) ** 2.2 * shading
    albedo = mesh.albedo.copy()
    albedo[texels.mask] = np.rint(np.clip(linear, 0.0, 1.0) ** (1 / 2.2) * 255.0)
    return replace(mesh, albedo=albedo)


def _closed_forms() -> Iterator[Check]:
    from idto3d.render.light import sh_basis

    rng = np.random.default_rng(0)
    normals = rng.normal(size=(20_000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    shading = sh_basis(normals) @ rng.normal(size=9)
    noise = rng.normal(size=len(shading))

    def explained(
        case: str, values: Floats, expected: float, tolerance: float, at: Floats = normals
    ) -> Known:
        return Known("baked_light", case, explained_by_normals(values, at).value, expected, tolerance)

    yield explained("light and nothing else", shading, 1.0, 1e-9)
    yield explained("noise and no light", noise, 0.0, 0.005)  # nine weights fit 9 of 20,000 parts by chance
    half = shading + shading.std() * noise
    yield explained("as much noise as light", half, 0.5, 0.02)
    known = explained_by_normals(half, normals).value
    order = rng.permutation(len(half))
    yield explained("points in another order", half[order], known, 1e-9, normals[order])
    yield explained("brighter and of more contrast", 7.0 * half + 3.0, known, 1e-9)
    yield explained("one colour", np.ones(len(half)), math.nan, 0.0)


def _heads() -> Iterator[Check]:
    """A lamp baked into true heads by and by."""
    found = {
        index: [baked_light(with_light(drawn.head(index), share)).value for share in SHARES] for index in LIT
    }
    for index, values in found.items():
        own, who = baked_light(drawn.head(index)).value, drawn.names()[index]
        damage = f"share of a lamp in the albedo of {who}"
        yield Graded("baked_light", damage, SHARES, tuple(values), "rises")
        excess = tuple(value - own for value in values)
        yield Graded("baked_light_excess", damage, SHARES, excess, "rises")
        # Eight bits of albedo are rounded once more where a share of 0 is multiplied in.
        yield Known("baked_light_excess", f"the true head of {who}", excess[0], 0.0, 0.005)
    dark = drawn.head(0)
    moved = replace(dark, faces=dark.faces[np.random.default_rng(0).permutation(len(dark.faces))])
    yield Known("baked_light", "faces in another order", baked_light(moved).value, found[0][0], 0.01)
    elsewhere = baked_light(replace(dark, vertices=dark.vertices + 500.0)).value
    yield Known("baked_light", "no face where one is looked for", elsewhere, math.nan, 0.0)


def _other_lights() -> Iterator[Check]:
    """What is lost where the views under other lights are damaged and the first ones are not."""
    floor, ceiling = np.full((1, 3), 0.1), np.full((1, 3), 0.9)
    first = np.array([True, False, False])

    def drop(case: str, similarity: tuple[float, ...], expected: float) -> Known:
        found = relighting_drop([(np.array([similarity]), floor, ceiling)] * 2, first)
        return Known("relighting_drop", case, found.value, expected, 1e-12)

    yield drop("the same under every light", (0.7, 0.7, 0.7), 0.0)
    yield drop("at the floor under the others", (0.9, 0.1, 0.1), 1.0)
    yield drop("half way to the floor under the others", (0.9, 0.5, 0.5), 0.5)
    one = relighting_drop([(np.full((1, 3), 0.7), floor, ceiling)], np.ones(3, bool))
    yield Known("relighting_drop", "one light alone", one.value, math.nan, 0.0)

    lights = np.array([True, False])  # of the two views that are drawn
    values = tuple(_drop_at(pixels, lights).value for pixels in drawn.BLURS)
    yield Graded("relighting_drop", "blur under the second light, pixels", drawn.BLURS, values, "rises", 0.01)


def _drop_at(pixels: float, first: NDArray[np.bool_]) -> Measurement:
    parts = []
    for index in range(drawn.CALIBRATED):
        reference = drawn.references()[drawn.names()[index]]
        assert reference.floor is not None
        assert reference.ceiling is not None
        front, side = drawn.drawn(index)
        read = drawn.read({"neutral": [front, drawn.blurred(side, pixels)]})
        similarity = identity_similarity(read.embeddings, reference.photos)
        parts.append((similarity, reference.floor, reference.ceiling))
    return relighting_drop(parts, first)
