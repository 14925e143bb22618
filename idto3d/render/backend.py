"""One contract for what finds the triangle that a pixel sees, and the table of what fulfils it.

The device on which a mesh lies chooses, once: Embree on the CPU, nvdiffrast on CUDA. Nothing after it knows
which one it was: barycentric coordinates and depth are computed again in torch from the triangle alone
(`rasterise`), so both give the same picture and the same gradient. `idto3d-eval bench rasterisers` measures
how far they agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from idto3d.errors import UserError

if TYPE_CHECKING:
    from idto3d.render.camera import Camera
    from idto3d.render.rasterise import Fragments


@dataclass(frozen=True)
class Visibility:
    """First hits of one view, without gradient, on the mesh's device.

    Attributes:
        triangle: [H, W] int64 face index, -1 where nothing is hit.
        barycentric: [H, W, 3] float32 weights of the face's corners, zero there.
        depth: [H, W] float32 mm along the optical axis, infinite there.
    """

    triangle: Tensor
    barycentric: Tensor
    depth: Tensor

    @property
    def mask(self) -> Tensor:
        """[H, W] bool, True where a triangle is hit."""
        return self.triangle >= 0


class Scene(Protocol):
    """A mesh made ready to be seen from many cameras."""

    def visibility(self, camera: Camera) -> Visibility:
        """The nearest triangle at every pixel centre, seen from either side."""
        ...


Antialias = Callable[[Tensor, "Fragments", Tensor, Tensor, "Camera"], Tensor]


@dataclass(frozen=True)
class Backend:
    """A rasteriser.

    Attributes:
        name: what tables call it.
        scene: vertices [V, 3] mm and faces [F, 3] int64 of one device to a `Scene`.
        antialias: the arguments and the answer of `idto3d.render.antialias.antialias`.
        missing: why it cannot be used here and what to do, in one sentence; "" where it can.
    """

    name: str
    scene: Callable[[Tensor, Tensor], Scene]
    antialias: Antialias
    missing: Callable[[], str]


def backend_of(device: torch.device) -> Backend:
    """The backend of a device.

    Raises:
        UserError: no rasteriser knows this kind of device.
    """
    if device.type not in BACKENDS:
        raise UserError(
            f"Found a mesh on the device '{device}', expected one of {', '.join(BACKENDS)}; move it there."
        )
    return BACKENDS[device.type]


def scene_of(vertices: Tensor, faces: Tensor) -> Scene:
    """A mesh made ready by the backend of its device.

    Args:
        vertices: [V, 3] mm; its gradient is not followed.
        faces: [F, 3] int64, on the same device.

    Raises:
        UserError: the backend of that device is not installed.
    """
    return backend_of(vertices.device).scene(vertices.detach(), faces)


def _embree_scene(vertices: Tensor, faces: Tensor) -> Scene:
    from idto3d.render.embree import Scene as EmbreeScene

    return EmbreeScene(vertices.numpy(), faces.numpy())


def _embree_antialias(
    image: Tensor, fragments: Fragments, vertices: Tensor, faces: Tensor, camera: Camera
) -> Tensor:
    from idto3d.render.antialias import blend_outlines

    return blend_outlines(image, fragments, vertices, faces, camera)


def _embree_missing() -> str:
    from importlib.util import find_spec

    if find_spec("open3d") is None:
        return "Found no open3d, expected it for meshes on the CPU; pip install 'idto3d-eval[generate]'."
    return ""


def _nvdiffrast_scene(vertices: Tensor, faces: Tensor) -> Scene:
    from idto3d.render.nvdiffrast import Scene as NvdiffrastScene

    return NvdiffrastScene(vertices, faces)


def _nvdiffrast_antialias(
    image: Tensor, fragments: Fragments, vertices: Tensor, faces: Tensor, camera: Camera
) -> Tensor:
    from idto3d.render.nvdiffrast import antialias

    return antialias(image, fragments, vertices, faces, camera)


def _nvdiffrast_missing() -> str:
    from idto3d.render.nvdiffrast import missing

    return missing()


BACKENDS: dict[str, Backend] = {
    "cpu": Backend("embree", _embree_scene, _embree_antialias, _embree_missing),
    "cuda": Backend("nvdiffrast", _nvdiffrast_scene, _nvdiffrast_antialias, _nvdiffrast_missing),
}
"""By torch's name of the kind of device."""
