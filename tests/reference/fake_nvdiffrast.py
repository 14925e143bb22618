"""A slow stand-in for `nvdiffrast.torch` on the CPU that keeps to its documented conventions.

Vertices come in OpenGL's clip space; row 0 of an image is the bottom; a pixel holds (u, v, z / w, triangle
+ 1), zero where nothing is hit; u belongs to the first corner, v to the second; faces are not culled, and
what lies outside -1 to 1 in z / w is cut off.
"""

from __future__ import annotations

import torch
from torch import Tensor


class RasterizeCudaContext:
    """Holds nothing: the real one holds buffers on its device."""

    def __init__(self, device: torch.device | str | None = None) -> None:
        self.device = device


def rasterize(
    glctx: RasterizeCudaContext,
    pos: Tensor,
    tri: Tensor,
    resolution: tuple[int, int],
    ranges: Tensor | None = None,
    grad_db: bool = True,
) -> tuple[Tensor, Tensor]:
    """Instanced mode: pos [B, V, 4] float32, tri [F, 3] int32, both contiguous; [B, H, W, 4] twice."""
    assert isinstance(glctx, RasterizeCudaContext)
    assert isinstance(grad_db, bool)
    assert ranges is None
    assert pos.dtype == torch.float32
    assert tri.dtype == torch.int32
    assert pos.ndim == 3
    assert pos.is_contiguous()
    assert tri.is_contiguous()
    images = torch.stack([_one(instance, tri.long(), *resolution) for instance in pos.double()])
    return images.float(), torch.zeros_like(images).float()


def antialias(color: Tensor, rast: Tensor, pos: Tensor, tri: Tensor) -> Tensor:
    """The image as it is, after the checks that the real operation makes of its arguments."""
    batch, height, width, _ = color.shape
    assert rast.shape == (batch, height, width, 4)
    assert pos.shape[0] == batch
    assert pos.shape[2] == 4
    for tensor in (color, rast, pos):
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
    assert tri.dtype == torch.int32
    return color.clone()


def _one(pos: Tensor, tri: Tensor, height: int, width: int) -> Tensor:
    """One image [H, W, 4]: homogeneous edge functions at every pixel centre, triangle after triangle."""
    y, x = torch.meshgrid(
        (2.0 * torch.arange(height, dtype=torch.float64) + 1.0) / height - 1.0,
        (2.0 * torch.arange(width, dtype=torch.float64) + 1.0) / width - 1.0,
        indexing="ij",
    )
    image = torch.zeros(height, width, 4, dtype=torch.float64)
    nearest = torch.full((height, width), torch.inf, dtype=torch.float64)
    for number, corners in enumerate(pos[tri]):
        # A point of the triangle at weights b has clip position Σ b corner; its x / w and y / w are given.
        across, upward = (
            corners[:, axis, None, None] - at * corners[:, 3, None, None] for axis, at in ((0, x), (1, y))
        )
        areas = torch.stack(
            [
                across[(k + 1) % 3] * upward[(k + 2) % 3] - upward[(k + 1) % 3] * across[(k + 2) % 3]
                for k in range(3)
            ]
        )
        weights = areas / areas.sum(0)
        z, w = (torch.einsum("khw,k->hw", weights, corners[:, axis]) for axis in (2, 3))
        reach = z / w
        hit = (weights >= 0.0).all(0) & (w > 0.0) & (reach.abs() <= 1.0) & (reach < nearest)
        values = torch.stack([weights[0], weights[1], reach, torch.full_like(reach, number + 1.0)], -1)
        image[hit], nearest[hit] = values[hit], reach[hit]
    return image
