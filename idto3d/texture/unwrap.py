"""UV unwrapping by xatlas, with vertices split at the seams so that every vertex has one UV."""

from dataclasses import dataclass

import numpy as np
import xatlas
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d.geometry.mesh import Mesh


@dataclass(frozen=True)
class Unwrapped:
    """A mesh's UV layout.

    Args:
        source: [W] int64, the original vertex of each split vertex: `vertices[source]` gives positions.
        faces: [F, 3] int64 into split vertices, in the order of the original faces.
        uvs: [W, 2] float32 in [0, 1], v up.
    """

    source: NDArray[np.int64]
    faces: NDArray[np.int64]
    uvs: NDArray[np.float32]


def unwrap(mesh: Mesh, texture_size: int = 512, padding: int = 2) -> Unwrapped:
    """Cut a mesh into charts and pack them.

    Args:
        mesh: positions in mm; degenerate triangles allowed, they keep a UV of no area.
        texture_size: texels along a side; sets the packing's resolution.
        padding: empty texels between charts.

    Raises:
        UserError: the mesh has no faces.
    """
    if len(mesh.faces) == 0:
        raise UserError("Found a mesh without faces, expected a head; check the geometry stage's result.")
    atlas = xatlas.Atlas()
    atlas.add_mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    charts = xatlas.ChartOptions()
    charts.max_iterations = 1
    pack = xatlas.PackOptions()
    pack.resolution = texture_size
    pack.padding = padding
    pack.bilinear = True
    pack.rotate_charts_to_axis = False
    atlas.generate(charts, pack)
    source, faces, uvs = atlas[0]
    return Unwrapped(
        source=source.astype(np.int64),
        faces=faces.astype(np.int64),
        uvs=np.clip(uvs, 0.0, 1.0).astype(np.float32),
    )
