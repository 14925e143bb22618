"""The canonical views once more, by another way to find and fill pixels, in float64 and numpy.

Visibility comes from a scene of one's choice (`bench.zbuffer` has no rays; nvdiffrast runs on a GPU);
weights, normals, texture lookup and filtering are written here anew. Shared with the first renderer is what
defines the picture: material and light (`render.shading.shade`), grey and sRGB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.render.backend import Scene
from idto3d.render.normals import weld
from idto3d.render.shading import linear_to_srgb, shade, srgb_to_linear
from idto3d.render.views import BACKGROUND
from idto3d.threads import torch_threads

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh
    from idto3d.render.camera import Camera
    from idto3d.render.light import EnvironmentLight

Floats = NDArray[np.float64]
SceneOf = Callable[[Tensor, Tensor], Scene]


def depth_buffer(vertices: Tensor, faces: Tensor) -> Scene:
    """Projected triangles and a depth buffer, without rays."""
    from idto3d_eval.bench import zbuffer

    return zbuffer.Scene(vertices, faces)


def nvdiffrast(vertices: Tensor, faces: Tensor) -> Scene:
    """NVIDIA's rasteriser.

    Raises:
        UserError: it is not installed, or there is no CUDA device.
    """
    from idto3d.errors import UserError
    from idto3d.render.backend import BACKENDS

    backend = BACKENDS["cuda"]
    missing = backend.missing() or (
        "" if torch.cuda.is_available() else "Found no CUDA device, expected one."
    )
    if missing:
        raise UserError(missing)
    return backend.scene(vertices.to("cuda"), faces.to("cuda"))


RENDERERS: dict[str, SceneOf] = {"zbuffer": depth_buffer, "nvdiffrast": nvdiffrast}


def render_again(
    mesh: TexturedMesh, camera: Camera, light: EnvironmentLight, scene_of: SceneOf, supersample: int = 2
) -> NDArray[np.uint8]:
    """A picture as `render.views.render_view` draws it.

    Args:
        mesh: the head.
        camera: which view, at which resolution.
        light: the environment.
        scene_of: what finds the nearest triangle of each pixel.
        supersample: samples a pixel along each side.

    Returns:
        [H, W, 3] uint8 sRGB on the fixed grey.
    """
    fine = replace(camera, resolution=camera.resolution * supersample)
    with torch.no_grad(), torch_threads(1):
        seen = scene_of(torch.from_numpy(np.array(mesh.vertices)), torch.from_numpy(np.array(mesh.faces)))
        visible = seen.visibility(fine)
        triangle = visible.triangle.cpu().numpy()
        hit = triangle >= 0
        corners = mesh.faces[triangle[hit]]  # [N, 3]
        weights = visible.barycentric.cpu().numpy()[hit].astype(np.float64)
        point, uv = (np.einsum("nk,nkc->nc", weights, of[corners]) for of in (mesh.vertices, mesh.uvs))
        normal = _unit(np.einsum("nk,nkc->nc", weights, _vertex_normals(mesh)[corners]))
        eye = camera.position()
        a, b, c = (mesh.vertices[corners[:, k]] for k in range(3))
        away = (np.cross(b - a, c - a) * (eye - a)).sum(axis=1) < 0.0
        normal[away] *= -1.0
        albedo = _lookup(mesh.albedo, uv, decode=True)
        material = _lookup(mesh.roughness_metallic, uv, decode=False)
        parts = (albedo, material[:, 1:2], material[:, 2:3], normal, _unit(eye - point))
        surface, rough, metal, facing, towards = (torch.from_numpy(part) for part in parts)
        colour = shade(surface, rough, metal, facing, towards, light).clamp_max(1.0).numpy()
        image = np.full((*hit.shape, 3), float(srgb_to_linear(torch.tensor(BACKGROUND, dtype=torch.float64))))
        image[hit] = colour
        size = camera.resolution
        pixels = image.reshape(size, supersample, size, supersample, 3).mean(axis=(1, 3))
        srgb = linear_to_srgb(torch.from_numpy(pixels)).numpy()
    drawn: NDArray[np.uint8] = np.floor(srgb * 255.0 + 0.5).astype(np.uint8)
    return drawn


def _vertex_normals(mesh: TexturedMesh) -> Floats:
    """[V, 3] unit, weighted by area, as if no seam split the surface."""
    welded, representative = weld(np.asarray(mesh.vertices), np.asarray(mesh.faces))
    a, b, c = (mesh.vertices[welded[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    corner = welded.ravel()
    sums = [np.bincount(corner, np.repeat(across[:, k], 3), minlength=len(mesh.vertices)) for k in range(3)]
    total: Floats = np.stack(sums, axis=1).astype(np.float64)
    return _unit(total)[representative]


def _lookup(texture: NDArray[np.uint8], uv: Floats, decode: bool) -> Floats:
    """Bilinear values [N, C] in [0, 1], filtered in linear light, clamped at the border."""
    from scipy.ndimage import map_coordinates

    codes = torch.arange(256, dtype=torch.float64) / 255.0
    table = (srgb_to_linear(codes) if decode else codes).numpy()
    height, width, channels = texture.shape
    at = np.stack([(1.0 - uv[:, 1]) * height - 0.5, uv[:, 0] * width - 0.5])
    layers = [
        map_coordinates(table[texture[..., channel]], at, order=1, mode="nearest")
        for channel in range(channels)
    ]
    found: Floats = np.stack(layers, axis=1)
    return found


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
