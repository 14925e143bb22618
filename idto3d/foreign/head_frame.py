"""Where a foreign head stands: its landmarks are read on renders, lifted by ray casting, and laid onto those
of the mean head (the closed form of Umeyama 1991, eq. 40 to 42)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from idto3d.asset import AssetError, TexturedMesh
from idto3d.geometry.mean_head import MeanHead
from idto3d.identity.reader import FaceReading, Reader, read_faces
from idto3d.render.camera import HEAD_CENTRE, Camera
from idto3d.render.embree import Scene
from idto3d.render.light import EnvironmentLight
from idto3d.render.views import render_view

Floats = NDArray[np.float64]

# Nose, eyes and mouth corners: they neither move much with an expression nor slide along an outline.
FIRM = (*range(27, 48), 48, 54)
SEARCH_SIDE, FINAL_SIDE = 160, 256  # pixels
FINAL_YAWS = (-0.35, 0.0, 0.35)  # radians, as the canonical frontal views that metrics read
FOVY = 0.32
# Residual, spread between views and distance to the mean head's front together. Measured on three synthetic
# heads and a real scan: 12 to 19 mm where the face is, 33 mm and more where one was read that is none.
LARGEST_MISFIT = 26.0  # mm
FRONT = (-40.0, -110.0)  # mm: the mean head's front lies beyond these z and y
# Heads that stood in the frame were read as turned by 3 to 9 degrees and moved by up to 6 mm: what is within
# that is the reader's error and no convention.
READ_TURN, READ_SHIFT = 12.0, 20.0  # degrees, mm
CROPS = (1.05, 0.6, 0.38)  # of the mesh's height: a head, a bust, a half body
AXES = {
    "+x": (1, 0, 0),
    "-x": (-1, 0, 0),
    "+y": (0, 1, 0),
    "-y": (0, -1, 0),
    "+z": (0, 0, 1),
    "-z": (0, 0, -1),
}
# (up, forward): glTF's, Blender's, OpenCV's, then what else programs write.
ORIENTATIONS = (
    ("+y", "+z"),
    ("+z", "-y"),
    ("-y", "-z"),
    ("+y", "-z"),
    ("+z", "+y"),
    ("+y", "+x"),
    ("+y", "-x"),
    ("+z", "+x"),
    ("+z", "-x"),
    ("-y", "+z"),
    ("-z", "+y"),
    ("-z", "-y"),
)


@dataclass(frozen=True)
class Placement:
    """How a head is moved into the head frame: x' = scale · rotation @ x + translation.

    Args:
        rotation: [3, 3].
        scale: 1 unless it was asked for.
        translation: [3] mm.
        residual: root mean square distance of the landmarks to the mean head's after the move, mm.
        size: how many times as large as the mean head's the face was found, whatever `scale` is.
        orientation: the (up, forward) under which the face was found.
        views: in how many of the three final views a face was read.
        misfit: residual, spread of the landmarks between views and mean distance of the mean head's front
            to the head, at the mean head's size; mm. What tells a face from a reading where none is.
    """

    rotation: Floats
    scale: float
    translation: Floats
    residual: float
    size: float
    orientation: tuple[str, str]
    views: int
    misfit: float

    def apply(self, mesh: TexturedMesh) -> TexturedMesh:
        """The mesh in the head frame; as it is where it stands there already."""
        if self.stands:
            return mesh
        return replace(mesh, vertices=self.points(mesh.vertices))

    def points(self, points: Floats) -> Floats:
        """Points [N, 3] mm in the head frame."""
        return self.scale * points @ self.rotation.T + self.translation

    @property
    def stands(self) -> bool:
        """Whether the head stood in the head frame already, as nearly as landmarks can tell."""
        return self.scale == 1.0 and self.turn <= READ_TURN and self.shift <= READ_SHIFT

    @property
    def shift(self) -> float:
        """How far the head frame's origin moves, mm."""
        return float(np.linalg.norm(self.translation))

    @property
    def turn(self) -> float:
        """The angle of the rotation, degrees."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.rotation) - 1.0) / 2.0, -1.0, 1.0))))

    def facts(self) -> dict[str, JsonValue]:
        """The move as JSON can carry it, rounded to what matters."""
        return {
            "moved": not self.stands,
            "rotation": np.round(self.rotation, 6).tolist(),
            "scale": round(self.scale, 6),
            "translation_mm": np.round(self.translation, 3).tolist(),
            "residual_mm": round(self.residual, 3),
            "face_size": round(self.size, 4),
            "up": self.orientation[0],
            "forward": self.orientation[1],
            "views_read": self.views,
            "landmarks": len(FIRM),
        }


def place_head(
    mesh: TexturedMesh,
    reader: Reader,
    mean: MeanHead,
    *,
    scale: bool,
    declared: tuple[str, str] | None = None,
) -> Placement:
    """Find a mesh's face and how the mesh moves into the head frame.

    Args:
        mesh: mm as its author declared them, in any frame.
        reader: what methods read landmarks with; never a network that scores.
        mean: whose landmarks are the target.
        scale: whether its size is changed too.
        declared: (up, forward) of `AXES`; a few usual ones are tried where None.

    Raises:
        AssetError: no face can be read in any orientation.
    """
    least = np.inf
    for orientation in (declared,) if declared else ORIENTATIONS:
        first = _first_fit(mesh, reader, mean, orientation)
        if first is None:
            continue
        found = _final_fit(mesh, reader, mean, first, orientation, scale=scale)
        if found is not None and found.misfit <= LARGEST_MISFIT:
            return found
        least = min(least, np.inf if found is None else found.misfit)
    tried = "the declared orientation" if declared else f"{len(ORIENTATIONS)} orientations"
    nearest = f" (the nearest reading fits to {least:.0f} mm)" if np.isfinite(least) else ""
    raise AssetError(
        f"Found no readable face on renders in {tried}{nearest}, expected one; declare up and forward, or "
        "say normalise: none for a head that already stands in the head frame."
    )


def turned(up: str, forward: str) -> Floats:
    """The rotation [3, 3] that takes `up` to +Y and `forward` to +Z.

    Raises:
        AssetError: the two are not perpendicular.
    """
    y, z = (np.array(AXES[name], np.float64) for name in (up, forward))
    if y @ z != 0.0:
        raise AssetError(
            f"Found up {up} and forward {forward}, expected two perpendicular axes; mend the spec."
        )
    return np.stack([np.cross(y, z), y, z])


def fit_similarity(source: Floats, target: Floats, *, scale: bool) -> tuple[Floats, float, Floats]:
    """Rotation, scale and translation that lay source [N, 3] onto target [N, 3] in the least squares."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, values, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    factor = float((values * sign).sum() / (a**2).sum()) if scale else 1.0
    return rotation, factor, target.mean(axis=0) - factor * rotation @ source.mean(axis=0)


Move = tuple[Floats, float, Floats]  # rotation, scale, translation


def _first_fit(
    mesh: TexturedMesh, reader: Reader, mean: MeanHead, orientation: tuple[str, str]
) -> Move | None:
    """The best move by one view of one orientation, over a few crops; None where no face was read."""
    turn, target = turned(*orientation), _target(mean)
    stood = replace(mesh, vertices=mesh.vertices @ turn.T)
    best, least = None, np.inf
    for camera in _crops(stood.vertices):
        seen = _lifted(stood, [camera], reader)
        if not len(seen) or not np.isfinite(seen).all():
            continue
        rotation, scale, move = fit_similarity(seen[0], target, scale=True)
        residual = _distance(scale * seen[0] @ rotation.T + move, target)
        if residual < least:
            best, least = (rotation @ turn, scale, move), residual
    return best


def _final_fit(
    mesh: TexturedMesh,
    reader: Reader,
    mean: MeanHead,
    first: Move,
    orientation: tuple[str, str],
    *,
    scale: bool,
) -> Placement | None:
    """The move by the canonical frontal views of the head as the first one placed it."""
    rotation, factor, move = first
    placed = replace(mesh, vertices=factor * mesh.vertices @ rotation.T + move)
    cameras = [Camera(yaw=yaw, fovy=FOVY, resolution=FINAL_SIDE) for yaw in FINAL_YAWS]
    stack = _lifted(placed, cameras, reader)  # [K, N, 3]
    whole = np.isfinite(stack).all(axis=(0, 2))
    if len(stack) < 2 or whole.sum() < len(FIRM) // 2:
        return None
    middle, target = np.median(stack[:, whole], axis=0), _target(mean)[whole]
    spread = float(np.median(np.linalg.norm(stack[:, whole] - middle, axis=2).max(axis=0)))
    source = (middle - move) @ rotation / factor  # back in the file's frame
    free = fit_similarity(source, target, scale=True)
    front = _front_distance(mesh, mean, free)
    alike = _distance(free[1] * source @ free[0].T + free[2], target)
    rotation, factor, move = free if scale else fit_similarity(source, target, scale=False)
    return Placement(
        rotation,
        factor,
        move,
        residual=_distance(factor * source @ rotation.T + move, target),
        size=1.0 / free[1],
        orientation=orientation,
        views=len(stack),
        misfit=alike + spread + front,
    )


def _target(mean: MeanHead) -> Floats:
    return mean.landmarks[list(FIRM)].astype(np.float64)


def _front_distance(mesh: TexturedMesh, mean: MeanHead, move: Move) -> float:
    """Mean distance of the mean head's front to a moved mesh, mm."""
    import open3d as o3d

    rotation, factor, translation = move
    points = np.asarray(mean.mesh.vertices, np.float64)
    front = points[(points[:, 2] > FRONT[0]) & (points[:, 1] > FRONT[1])]
    back = (front - translation) @ rotation / factor  # in the mesh's own frame
    middle = mesh.vertices.mean(axis=0)  # single precision is kept small numbers
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        o3d.core.Tensor((mesh.vertices - middle).astype(np.float32)),
        o3d.core.Tensor(mesh.faces.astype(np.uint32)),
    )
    distance = scene.compute_distance(o3d.core.Tensor((back - middle).astype(np.float32)), nthreads=1)
    return float(distance.numpy().mean() * factor)


def _distance(points: Floats, target: Floats) -> float:
    """Root mean square distance of points [N, 3] to their targets."""
    return float(np.sqrt(((points - target) ** 2).sum(axis=1).mean()))


def _crops(vertices: Floats) -> Iterator[Camera]:
    """Cameras before a mesh that stands upright: where a head would be, the whole, then its upper parts."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    middle, height = (low + high) / 2.0, float((high - low)[1])
    depth = float((high - low)[2])
    if (low < HEAD_CENTRE).all() and (high > HEAD_CENTRE).all() and 150.0 < height < 700.0:
        yield Camera(fovy=FOVY, resolution=SEARCH_SIDE)
    for crop in CROPS:
        side = crop * height
        distance = side / (2.0 * np.tan(FOVY / 2.0)) + depth
        target = (float(middle[0]), float(high[1] - side / 2.0), float(middle[2]))
        yield Camera(distance=distance, fovy=FOVY, target=target, resolution=SEARCH_SIDE)


def _lifted(mesh: TexturedMesh, cameras: Sequence[Camera], reader: Reader) -> Floats:
    """The firm landmarks [K, N, 3] mm of the K views in which a face was read; NaN beside the head."""
    light = EnvironmentLight.uniform(0.9)
    images = [render_view(mesh, camera, light, supersample=1).colour for camera in cameras]
    scene = Scene(mesh.vertices, mesh.faces)
    found = [
        _on_surface(scene, mesh, camera, reading.landmarks[list(FIRM)])
        for camera, reading in zip(cameras, read_faces(reader, images), strict=True)
        if isinstance(reading, FaceReading)
    ]
    return np.stack(found) if found else np.zeros((0, len(FIRM), 3))


def _on_surface(scene: Scene, mesh: TexturedMesh, camera: Camera, pixels: NDArray[np.floating]) -> Floats:
    """The surface's points [N, 3] under pixels [N, 2]; NaN beside the head."""
    hits = scene.cast(camera)
    column, row = np.clip(np.floor(pixels).astype(np.int64), 0, camera.resolution - 1).T
    triangle = hits.triangle[row, column]
    corners = mesh.vertices[mesh.faces[np.maximum(triangle, 0)]]  # [N, 3, 3]
    points = (hits.barycentric[row, column][:, :, None] * corners).sum(axis=1)
    return np.where((triangle >= 0)[:, None], points, np.nan)
