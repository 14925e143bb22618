"""Priors on a head's shape, each a named function that returns a mean per element."""

import torch
from torch import Tensor
from torch.nn import functional

from idto3d.geometry.head_field import HeadField


def sign_change_loss(field: HeadField) -> Tensor:
    """Cross entropy between the signs at both ends of every crossed edge: removes floaters and inner sheets.

    Source: nvdiffrec (Munkberg et al. 2022), equation 2. Distances are divided by the cell first.
    """
    edges = field.surface().edges
    scaled = field.signed_distance() / field.grid.cell
    first, second = scaled[edges[:, 0]], scaled[edges[:, 1]]
    return functional.binary_cross_entropy_with_logits(
        first, (second > 0).float()
    ) + functional.binary_cross_entropy_with_logits(second, (first > 0).float())


def eikonal_loss(field: HeadField) -> Tensor:
    """(|∇ sdf| − 1)² in the cells at the surface, by finite differences (Gropp et al. 2020, equation 1)."""
    corners = field.signed_distance()[field.grid.cells[field.surface().cells]]  # [A, 8]
    slopes = []
    for axis in (1, 2, 4):
        low = [corner for corner in range(8) if not corner & axis]
        slopes.append(
            torch.stack([corners[:, corner | axis] - corners[:, corner] for corner in low], 1).mean(1)
        )
    gradient = torch.stack(slopes, dim=1) / field.grid.spacing[field.surface().cells]  # [A, 3]
    length = torch.linalg.vector_norm(gradient, dim=1)
    loss: Tensor = (length - 1.0).square().mean()
    return loss


def laplacian_loss(vertices: Tensor, faces: Tensor) -> Tensor:
    """Mean squared distance (mm²) of each vertex to its neighbours' mean (uniform Laplacian, closed mesh)."""
    source, target = (
        faces.t().reshape(-1),
        faces.roll(-1, dims=1).t().reshape(-1),
    )  # closed: each neighbour once
    total = torch.zeros_like(vertices).index_add(0, source, vertices.index_select(0, target))
    count = torch.bincount(source, minlength=len(vertices)).clamp_min(1).unsqueeze(1)
    return (total / count - vertices).square().sum(dim=1).mean()


def face_pairs(faces: Tensor) -> Tensor:
    """The two faces at every inner edge of a closed mesh, [P, 2]; a function of the topology alone."""
    ends = torch.stack([faces, faces.roll(-1, dims=1)], dim=-1).reshape(-1, 2)  # [3F, 2]
    low, high = ends.min(dim=1).values, ends.max(dim=1).values
    key, order = torch.sort(low * (int(faces.max()) + 1) + high)
    owner = torch.div(order, 3, rounding_mode="floor")
    same = torch.nonzero(key[1:] == key[:-1]).squeeze(1)
    return torch.stack([owner[same], owner[same + 1]], dim=1)


def normal_consistency_loss(vertices: Tensor, faces: Tensor, pairs: Tensor) -> Tensor:
    """Mean 1 − cosine between the normals of neighbouring faces; `pairs` from `face_pairs`."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normals = functional.normalize(torch.linalg.cross(b - a, c - a), dim=1, eps=1e-8)
    return (1.0 - (normals[pairs[:, 0]] * normals[pairs[:, 1]]).sum(dim=1)).mean()
