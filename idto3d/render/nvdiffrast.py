"""Which triangle each pixel sees on a CUDA device: nvdiffrast, in this project's conventions.

Laine et al., "Modular Primitives for High-Performance Differentiable Rendering", SIGGRAPH Asia 2020;
conventions as the documentation of NVlabs/nvdiffrast 0.4.0 has them. Clip space is OpenGL's: x right, y up,
z / w from -1 at the near plane to 1 at the far one. A pixel holds (u, v, z / w, triangle + 1), all zero where
nothing is hit; the first corner of a triangle has (u, v) = (1, 0), the second (0, 1), the third (0, 0). Faces
are not culled. Images are bottom-up: row 0 lies at the least y.

Here row 0 is the top, so y is turned around on the way into clip space, and no image has to be flipped.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from idto3d.errors import UserError
from idto3d.render.backend import Visibility

if TYPE_CHECKING:
    from idto3d.render.camera import Camera
    from idto3d.render.rasterise import Fragments

INSTALL = (
    "pip install setuptools wheel ninja && "
    "pip install git+https://github.com/NVlabs/nvdiffrast.git --no-build-isolation"
)
NEAREST = 1.0  # mm before the camera; what lies nearer, or behind, is cut off
SLACK = 0.01  # of the depth, between the mesh and the near and far planes


class Scene:
    """A mesh on its CUDA device; there is no tree to build."""

    def __init__(self, vertices: Tensor, faces: Tensor) -> None:
        """Args: vertices [V, 3] mm; faces [F, 3] int64.

        Raises:
            UserError: nvdiffrast is not installed.
        """
        self._library = load()
        self._vertices = vertices.detach().float()
        self._faces = faces
        self._indices = faces.to(torch.int32).contiguous()

    def visibility(self, camera: Camera) -> Visibility:
        """First hit of every pixel of the camera."""
        size = camera.resolution
        raster, _ = self._library.rasterize(
            _context(self._vertices.device),
            clip_positions(self._vertices, camera)[None].contiguous(),
            self._indices,
            (size, size),
            grad_db=False,
        )
        return read_raster(raster[0], self._vertices, self._faces, camera)


def antialias(image: Tensor, fragments: Fragments, vertices: Tensor, faces: Tensor, camera: Camera) -> Tensor:
    """nvdiffrast's own blending of outlines, with the arguments of `idto3d.render.antialias.antialias`.

    It knows the edges of triangles that a pixel centre hit, and no others: enough at 512², where triangles
    are as large as pixels.
    """
    blended: Tensor = load().antialias(
        image.float()[None].contiguous(),
        write_raster(fragments, vertices, camera)[None].contiguous(),
        clip_positions(vertices.float(), camera)[None].contiguous(),
        faces.to(torch.int32).contiguous(),
    )
    return blended[0].to(image.dtype)


def clip_positions(vertices: Tensor, camera: Camera) -> Tensor:
    """Homogeneous clip coordinates [V, 4] of vertices [V, 3] mm, y downward; w is the depth in mm."""
    local, depth = _local(vertices, camera)
    scale = 2.0 * camera.focal / camera.resolution
    slope, offset = _planes(depth.detach())
    return torch.stack([scale * local[:, 0], -scale * local[:, 1], slope * depth + offset, depth], -1)


def read_raster(raster: Tensor, vertices: Tensor, faces: Tensor, camera: Camera) -> Visibility:
    """What nvdiffrast says of one image [H, W, 4], in this project's terms."""
    triangle = raster[..., 3].long() - 1
    hit = triangle >= 0
    u, v = raster[..., 0], raster[..., 1]
    barycentric = torch.stack([u, v, 1.0 - u - v], -1) * hit[..., None]
    _, depths = _local(vertices, camera)
    corners = depths[faces[triangle.clamp_min(0)]]  # [H, W, 3]
    depth = torch.where(hit, (barycentric * corners).sum(-1), torch.inf)
    return Visibility(triangle, barycentric, depth)


def write_raster(fragments: Fragments, vertices: Tensor, camera: Camera) -> Tensor:
    """The image [H, W, 4] that nvdiffrast would have given for these fragments; without gradient."""
    with torch.no_grad():
        slope, offset = _planes(_local(vertices.float(), camera)[1])
        depth = torch.where(fragments.mask, fragments.depth, 1.0).float()
        reach = (slope + offset / depth) * fragments.mask  # z / w
        layers = [fragments.barycentric[..., 0], fragments.barycentric[..., 1], reach]
        return torch.stack([*(layer.float() for layer in layers), (fragments.triangle + 1).float()], -1)


def load() -> Any:
    """The library `nvdiffrast.torch`.

    Raises:
        UserError: it is not installed.
    """
    try:
        import nvdiffrast.torch as library
    except ImportError as error:
        raise UserError(
            f"Found no usable nvdiffrast ({error}), expected it for meshes on a CUDA device (it is in no "
            f"package registry, and its licence allows research only); run {INSTALL}."
        ) from None
    return library


def missing() -> str:
    """Why it cannot be used here, in one sentence; "" where it can."""
    if not torch.cuda.is_available():
        return "Found no CUDA device, expected one for nvdiffrast; the CPU's rasteriser is used."
    try:
        load()
    except UserError as error:
        return str(error)
    return ""


@functools.cache
def _context(device: torch.device) -> Any:
    """Buffers on one device, made once."""
    return load().RasterizeCudaContext(device=device)


def _local(vertices: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Camera coordinates [V, 3] mm and depth [V] mm; differentiable."""
    rotation = torch.as_tensor(camera.rotation(), dtype=vertices.dtype, device=vertices.device)
    position = torch.as_tensor(camera.position(), dtype=vertices.dtype, device=vertices.device)
    local = (vertices - position) @ rotation.T
    return local, -local[:, 2]


def _planes(depth: Tensor) -> tuple[Tensor, Tensor]:
    """Clip z is slope · depth + offset, with near and far planes close around the mesh.

    They stay tensors: asking for their values would make the CPU wait for the device.
    """
    near = ((1.0 - SLACK) * depth.min()).clamp_min(NEAREST)
    far = torch.maximum((1.0 + SLACK) * depth.max(), (1.0 + SLACK) * near)
    return (far + near) / (far - near), -2.0 * far * near / (far - near)
