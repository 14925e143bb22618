"""The canonical views: one renderer for every method's heads, the same bytes on every run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.render.normals import face_normals, vertex_normals, weld
from idto3d.render.rasterise import interpolate_hits, rasterise
from idto3d.render.shading import linear_to_srgb, shade, srgb_to_linear
from idto3d.threads import torch_threads

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh
    from idto3d.render.camera import Camera
    from idto3d.render.light import EnvironmentLight

BACKGROUND = 0.5  # sRGB, all three channels: a grey that favours neither dark nor fair skin


@dataclass(frozen=True)
class View:
    """One picture of one head.

    Attributes:
        colour: [H, W, 3] uint8 sRGB on the fixed grey.
        normals: [H, W, 3] float32, camera space, unit length where the mask is set, else 0.
        mask: [H, W] bool, True where the head covers at least half of the pixel.
    """

    colour: NDArray[np.uint8]
    normals: NDArray[np.float32]
    mask: NDArray[np.bool_]


def render_view(mesh: TexturedMesh, camera: Camera, light: EnvironmentLight, supersample: int = 2) -> View:
    """Draw a textured head: box-filtered in linear light from `supersample`² samples a pixel.

    Runs on one thread, so that the machine's thread count changes no bit. Faces seen from behind (a cut
    neck, the inside of a mouth) are lit as if they were two-sided.

    Args:
        mesh: the head.
        camera: which view, at which resolution.
        light: the environment, fixed in world space.
        supersample: samples a pixel along each side, at least 1.

    Returns:
        The view, at the camera's resolution.

    Raises:
        ValueError: if supersample is below 1.
    """
    if supersample < 1:
        raise ValueError(f"Found supersample {supersample}, expected at least 1; pass 2 as usual.")
    fine = replace(camera, resolution=camera.resolution * supersample)
    with torch.no_grad(), torch_threads(1):
        vertices = torch.from_numpy(np.array(mesh.vertices, dtype=np.float32))
        faces = torch.from_numpy(np.array(mesh.faces, dtype=np.int64))
        eye = torch.from_numpy(camera.position().astype(np.float32))
        fragments = rasterise(vertices, faces, fine)
        uvs = torch.from_numpy(np.array(mesh.uvs, dtype=np.float32))
        layers = torch.cat([vertices, _smooth_normals(mesh, vertices), uvs], dim=1)
        # From here on only what was hit: most of a picture is background.
        seen = interpolate_hits(fragments, faces, layers)  # [N, 8]
        behind = _seen_from_behind(vertices, faces, eye)[fragments.triangle[fragments.mask]]
        normals = torch.nn.functional.normalize(seen[:, 3:6], dim=-1)
        normals = torch.where(behind[:, None], -normals, normals)
        albedo = sample_texture(mesh.albedo, seen[:, 6:], srgb=True)
        material = sample_texture(mesh.roughness_metallic, seen[:, 6:], srgb=False)
        view_dir = torch.nn.functional.normalize(eye - seen[:, :3], dim=-1)
        colour = shade(albedo, material[:, 1:2], material[:, 2:3], normals, view_dir, light).clamp_max(1.0)
        image = torch.zeros(*fragments.mask.shape, 7)
        image[..., :3] = srgb_to_linear(torch.tensor(BACKGROUND))
        local = _rotate(normals, torch.from_numpy(camera.rotation().astype(np.float32)))
        image[fragments.mask] = torch.cat([colour, local, torch.ones(len(colour), 1)], dim=1)
        pixels = _shrink(image, supersample)
        mask = pixels[..., 6] >= 0.5
        towards = torch.nn.functional.normalize(pixels[..., 3:6], dim=-1) * mask[..., None]
        srgb = (linear_to_srgb(pixels[..., :3]) * 255.0 + 0.5).floor().to(torch.uint8)
    return View(colour=srgb.numpy(), normals=towards.numpy(), mask=mask.numpy())


def sample_texture(texture: NDArray[np.uint8], uv: Tensor, srgb: bool) -> Tensor:
    """Bilinear lookup, filtered in linear light, clamped at the border.

    Args:
        texture: [T, U, C] uint8; the first row is v = 1.
        uv: [..., 2], u right and v up; texel centres lie at (i + 0.5) / size.
        srgb: True for colour textures, which are decoded to linear; False for data.

    Returns:
        [..., C] in [0, 1], `uv`'s dtype; not differentiable with respect to uv.
    """
    height, width, channels = texture.shape
    codes = torch.arange(256, dtype=torch.float64) / 255.0
    decoded = (srgb_to_linear(codes) if srgb else codes).to(uv.dtype)
    texels = torch.from_numpy(np.ascontiguousarray(texture)).reshape(height * width, channels)
    flat = uv.detach().reshape(-1, 2)
    x = (flat[:, 0] * width - 0.5).clamp(0.0, width - 1.0)
    y = ((1.0 - flat[:, 1]) * height - 0.5).clamp(0.0, height - 1.0)
    left, top = x.floor().long(), y.floor().long()
    right, bottom = (left + 1).clamp_max(width - 1), (top + 1).clamp_max(height - 1)
    across, down = (x - left)[:, None], (y - top)[:, None]

    def texel(row: Tensor, column: Tensor) -> Tensor:
        return decoded[texels.index_select(0, row * width + column).long()]

    upper = texel(top, left) * (1.0 - across) + texel(top, right) * across
    lower = texel(bottom, left) * (1.0 - across) + texel(bottom, right) * across
    filtered: Tensor = upper * (1.0 - down) + lower * down
    return filtered.reshape(*uv.shape[:-1], channels)


def _smooth_normals(mesh: TexturedMesh, vertices: Tensor) -> Tensor:
    """Vertex normals [V, 3] as if no texture seam split the surface."""
    welded, representative = weld(np.asarray(mesh.vertices), np.asarray(mesh.faces))
    normals = vertex_normals(vertices, torch.from_numpy(welded))
    return normals.index_select(0, torch.from_numpy(representative))


def _seen_from_behind(vertices: Tensor, faces: Tensor, eye: Tensor) -> Tensor:
    """Which faces [F] turn their back to the eye."""
    toward = eye - vertices.index_select(0, faces[:, 0])
    return (toward * face_normals(vertices, faces)).sum(-1) < 0.0


def _rotate(vectors: Tensor, rotation: Tensor) -> Tensor:
    """[..., 3] by a [3, 3] matrix, element by element: a matrix library's sums may depend on threads."""
    x, y, z = vectors[..., 0:1], vectors[..., 1:2], vectors[..., 2:3]
    return x * rotation[:, 0] + y * rotation[:, 1] + z * rotation[:, 2]


def _shrink(image: Tensor, factor: int) -> Tensor:
    """Mean over blocks of `factor`² pixels: [H f, W f, C] to [H, W, C]."""
    total = torch.zeros_like(image[::factor, ::factor])
    for row in range(factor):
        for column in range(factor):
            total += image[row::factor, column::factor]
    return total / factor**2
