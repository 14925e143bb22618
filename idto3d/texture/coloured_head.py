"""The head as stage 2 shows it to the texture prior: shaded under a light, antialiased, on grey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from idto3d.guidance.control import UNIT, Drawn
from idto3d.guidance.shown import Shown
from idto3d.render.antialias import antialias
from idto3d.render.backend import Scene, scene_of
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterise import Fragments, interpolate_hits, rasterise
from idto3d.render.shading import linear_to_srgb, shade
from idto3d.texture.material_field import Material, MaterialField


@dataclass(frozen=True)
class Posed:
    """Where a head's vertices are, [V, 3] mm; what rays meet; and what a pixel hears of a vertex, [V, 12]:
    the place whose colour it has, its position and its normal, and its place on the mean head."""

    vertices: Tensor
    scene: Scene
    layers: Tensor


class ColouredHead:
    """One topology in the colours of a field that may still change, with any expression.

    Args:
        faces: [F, 3].
        places: [V, 3] mm where the field is asked for each vertex.
        on_mean: [V, 3] mm where each vertex lies on the mean head.
        material: the field.
    """

    def __init__(self, faces: Tensor, places: Tensor, on_mean: Tensor, material: MaterialField) -> None:
        self._faces, self._places, self._material = faces, places, material
        self._on_mean = on_mean / UNIT

    def posed(self, vertices: Tensor) -> Posed:
        """The head with its vertices [V, 3] mm there; differentiable."""
        normals = vertex_normals(vertices, self._faces)
        layers = torch.cat([self._places, vertices, normals, self._on_mean], 1)
        return Posed(vertices, scene_of(vertices, self._faces), layers)

    def pictures(
        self, posed: Posed, code: Tensor, cameras: Sequence[Camera], lights: Sequence[Drawn]
    ) -> Shown:
        """An expression by its latent code [K], seen from some cameras, each with its light."""
        images, places, on_mean = [], [], []
        for camera, light in zip(cameras, lights, strict=True):
            fragments = rasterise(posed.vertices, self._faces, camera, posed.scene)
            seen = interpolate_hits(fragments, self._faces, posed.layers)  # [P, 12]
            colour = shaded(self._material(seen[:, :3], code), seen[:, 3:9], camera, light)
            images.append(on_grey(colour, fragments, posed.vertices, self._faces, camera))
            places.append(seen[:, :3].detach())
            image = seen.new_zeros(*fragments.mask.shape, 3)
            image[fragments.mask] = seen[:, 9:]
            on_mean.append(image)
        pictures, maps = (torch.stack(parts).permute(0, 3, 1, 2) for parts in (images, on_mean))
        return Shown(pictures, maps, torch.cat(places))


def shaded(material: Material, seen: Tensor, camera: Camera, light: Drawn) -> Tensor:
    """sRGB colour [P, 3] of surface points given as position and normal [P, 6]."""
    assert isinstance(light, EnvironmentLight)
    position, normal = seen[:, :3], seen[:, 3:]
    toward = torch.as_tensor(camera.position(), dtype=seen.dtype, device=seen.device) - position
    linear = shade(
        material.albedo,
        material.roughness,
        material.metallic,
        torch.nn.functional.normalize(normal, dim=-1),
        torch.nn.functional.normalize(toward, dim=-1),
        light,
    )
    return linear_to_srgb(linear.clamp(0.0, 1.0))


def on_grey(colour: Tensor, fragments: Fragments, vertices: Tensor, faces: Tensor, camera: Camera) -> Tensor:
    """The antialiased picture [R, R, 3], in [-1, 1], of the sRGB colours [P, 3] that a view hits."""
    image = colour.new_zeros(*fragments.mask.shape, 3)  # in the network's range grey is 0
    image[fragments.mask] = 2.0 * colour - 1.0
    return antialias(image, fragments, vertices, faces, camera)
