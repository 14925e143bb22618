"""The head as stage 2 shows it to the texture prior: shaded under a light, antialiased, on grey."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from idto3d.guidance.control import Drawn
from idto3d.render.antialias import antialias
from idto3d.render.camera import Camera
from idto3d.render.embree import Scene
from idto3d.render.light import EnvironmentLight
from idto3d.render.normals import vertex_normals
from idto3d.render.rasterise import Fragments, interpolate_hits, rasterise
from idto3d.render.shading import linear_to_srgb, shade
from idto3d.texture.material_field import Material, MaterialField


class ColouredHead:
    """A head with each of E expressions, in the colours of a field that may still change.

    Args:
        faces: [F, 3].
        vertices: of each expression [V, 3] mm.
        places: [V, 3] mm where the field is asked for each vertex.
        codes: of each expression [K].
        material: the field.
    """

    def __init__(
        self,
        faces: Tensor,
        vertices: Sequence[Tensor],
        places: Tensor,
        codes: Sequence[Tensor],
        material: MaterialField,
    ) -> None:
        self._faces, self._vertices, self._codes, self._material = faces, vertices, codes, material
        self._scenes = [Scene(posed.numpy(), faces.numpy()) for posed in vertices]
        self._layers = [torch.cat([places, posed, vertex_normals(posed, faces)], 1) for posed in vertices]

    def __len__(self) -> int:
        return len(self._vertices)

    def pictures(
        self, index: int, cameras: Sequence[Camera], lights: Sequence[Drawn]
    ) -> tuple[Tensor, Tensor]:
        """An expression by its index.

        Returns:
            pictures [B, 3, R, R] in the network's range, on grey, and the places that were seen [P, 3] mm.
        """
        images, places = [], []
        for camera, light in zip(cameras, lights, strict=True):
            fragments = rasterise(self._vertices[index], self._faces, camera, self._scenes[index])
            seen = interpolate_hits(fragments, self._faces, self._layers[index])  # [P, 9]
            colour = shaded(self._material(seen[:, :3], self._codes[index]), seen[:, 3:], camera, light)
            images.append(on_grey(colour, fragments, self._vertices[index], self._faces, camera))
            places.append(seen[:, :3])
        return torch.stack(images).permute(0, 3, 1, 2), torch.cat(places)


def shaded(material: Material, seen: Tensor, camera: Camera, light: Drawn) -> Tensor:
    """sRGB colour [P, 3] of surface points given as position and normal [P, 6]."""
    assert isinstance(light, EnvironmentLight)
    position, normal = seen[:, :3], seen[:, 3:]
    toward = torch.as_tensor(camera.position(), dtype=seen.dtype) - position
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
    image = torch.zeros(*fragments.mask.shape, 3)  # in the network's range grey is 0
    image[fragments.mask] = 2.0 * colour - 1.0
    return antialias(image, fragments, vertices, faces, camera)
