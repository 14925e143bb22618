"""A triangle mesh in the head frame (+Y up, face along +Z, origin between the eyes, millimetres)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


@dataclass(frozen=True)
class Mesh:
    """Triangles over shared vertices, wound counter-clockwise seen from outside.

    Args:
        vertices: [V, 3] mm.
        faces: [F, 3] indices into `vertices`.
    """

    vertices: FloatArray
    faces: IndexArray

    def face_normals(self) -> FloatArray:
        """Area-weighted outward normals, [F, 3] mm² (length = twice the area)."""
        a, b, c = (self.vertices[self.faces[:, corner]] for corner in range(3))
        return np.cross(b - a, c - a)

    def area(self) -> float:
        """Surface area in mm²."""
        return float(0.5 * np.linalg.norm(self.face_normals(), axis=1).sum())

    def volume(self) -> float:
        """Signed enclosed volume in mm³: positive when triangles wind outward (divergence theorem)."""
        a, b, c = (self.vertices[self.faces[:, corner]] for corner in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def load_mesh(path: Path) -> Mesh:
    """Read a mesh from an NPZ with arrays `vertices` [V, 3] mm and `faces` [F, 3].

    Raises:
        UserError: the file is missing, is no NPZ of plain arrays, or indexes vertices that are not there.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            mesh = Mesh(
                np.asarray(arrays["vertices"], dtype=np.float64), np.asarray(arrays["faces"], dtype=np.int64)
            )
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"Found no readable mesh in '{path}' ({error}), expected an NPZ with 'vertices' and 'faces'; "
            "reinstall the package or name another start mesh."
        ) from error
    if not np.isfinite(mesh.vertices).all() or mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise UserError(
            f"Found NaN vertices or face indices out of range in '{path}', "
            "expected finite millimetres and valid indices; rebuild the mesh."
        )
    return mesh


def save_mesh(path: Path, mesh: Mesh) -> None:
    """Write `mesh` as a compressed NPZ that `load_mesh` reads."""
    np.savez_compressed(path, vertices=mesh.vertices.astype(np.float32), faces=mesh.faces.astype(np.int32))
