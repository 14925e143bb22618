"""Heat maps of geometry: the true head, coloured by its distance to a method's head, with a bar in mm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.geometry_now import VARIANTS, now_errors
from idto3d_eval.metrics.surface import Surface
from idto3d_eval.picture_grid import Cell, grid_png

if TYPE_CHECKING:
    from idto3d_eval.reference import Truth

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]

FULL_MM = 5.0  # where the colours end; farther is as dark red
# ColorBrewer's RdYlBu from blue to red, which the colour-blind can read: sRGB at equal steps of distance.
COLOURS = np.array(
    [[49, 54, 149], [116, 173, 209], [224, 243, 248], [254, 224, 144], [244, 109, 67], [165, 0, 38]], float
)
VIEWS: Mapping[str, float] = {"right": -1.2, "front": 0.0, "left": 1.2, "back": 3.1}  # yaw, radians
SIDE, SUPERSAMPLE = 220, 2  # pixels of a picture, and samples a pixel along each side
FOVY, TARGET = 0.31, (0.0, -15.0, -75.0)  # radians and mm: the whole head, whatever the view
PAPER = 250


@dataclass(frozen=True)
class ErrorMap:
    """The true head's outer skin, [V, 3] mm and [F, 3], and the distance [V] mm of each vertex to the head
    laid on it; no distances, with a reason, where the head could not be laid. `face` are NoW's own distances
    [N] mm, of the area-uniform points in its face region."""

    vertices: Floats
    faces: NDArray[np.int64]
    distances: Floats | None
    reason: str = ""
    face: Floats | None = None

    def colours(self) -> NDArray[np.uint8]:
        """sRGB [V, 3] of the vertices; grey where there are no distances."""
        if self.distances is None:
            return np.full((len(self.vertices), 3), 190, np.uint8)
        return colours_of(self.distances)


def error_map(
    head: Surface, landmarks: Floats, truth: Truth, outside: NDArray[np.bool_] | None = None
) -> ErrorMap:
    """Lay a head on the truth as NoW's median does (scale free, no mirror); measure at the truth's vertices.

    Args:
        head: the method's mesh.
        landmarks: [7, 3] of it; NaN where unread.
        truth: with the same expression.
        outside: [F] faces seen from outside, where they are known.
    """
    used, place = np.unique(truth.faces, return_inverse=True)
    vertices, faces = truth.vertices[used], place.reshape(truth.faces.shape)
    known = outside is not None and len(outside) == len(head.faces)
    skin = head.only(outside) if known and outside is not None else head.outside()
    laid = now_errors(truth.points, truth.landmarks, skin, landmarks, VARIANTS["now"])
    if laid.alignment is None:
        return ErrorMap(vertices, faces, None, laid.reason)
    distances = laid.alignment.scale * skin.distance(laid.alignment.inverse(vertices))
    return ErrorMap(vertices, faces, distances, face=laid.distances)


def colours_of(distances: Floats) -> NDArray[np.uint8]:
    """sRGB [N, 3] of distances [N] mm."""
    place = np.clip(distances / FULL_MM, 0.0, 1.0) * (len(COLOURS) - 1)
    steps = np.arange(len(COLOURS))
    return (
        np.stack([np.interp(place, steps, channel) for channel in COLOURS.T], axis=1).round().astype(np.uint8)
    )


def pictures(found: ErrorMap, side: int = SIDE) -> dict[str, Picture]:
    """The head from each of `VIEWS`; [side, side, 3]."""
    return draw_coloured(found.vertices, found.faces, found.colours(), side)


def sheet(rows: Mapping[str, ErrorMap], title: str, side: int = SIDE) -> bytes:
    """A PNG: a row for each map (an expression, a person), views in columns, and the bar of colours."""
    cells = []
    for name, found in rows.items():
        drawn = pictures(found, side)
        median = "" if found.distances is None else f", median of all {np.median(found.distances):.2f} mm"
        words = [f"{name}{median}" if found.distances is not None else f"{name}: {found.reason}", *[""] * 9]
        cells.append([Cell(picture, words[column]) for column, picture in enumerate(drawn.values())])
    cells.append([Cell(colour_bar(side), title)])
    return grid_png(cells, side)


def colour_bar(side: int) -> Picture:
    """What the colours mean, [side, side, 3]: a bar from 0 to `FULL_MM` with its numbers."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (side, side), (PAPER, PAPER, PAPER))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    left, right, top = 14, side - 22, side // 2
    bar = colours_of(np.linspace(0.0, FULL_MM, right - left))
    image.paste(Image.fromarray(np.repeat(bar[None], 16, axis=0)), (left, top))
    for mm in np.arange(FULL_MM + 1.0):
        x = left + mm / FULL_MM * (right - left)
        text = f"{mm:g}" if mm < FULL_MM else f"{mm:g}+"
        draw.text((x - draw.textlength(text, font=font) / 2, top + 20), text, fill=(35, 38, 42), font=font)
    draw.text((left, top - 20), "distance to the head, mm", fill=(35, 38, 42), font=font)
    return np.asarray(image)


def coloured_glb(found: ErrorMap) -> bytes:
    """The coloured head as a GLB, in metres as glTF demands, with a colour a vertex."""
    import torch
    import trimesh
    from trimesh.exchange.gltf import export_glb

    from idto3d.render.shading import srgb_to_linear

    # A viewer takes COLOR_0 for linear light (glTF 2.0, section 3.9.2), and shows what the legend shows.
    linear = srgb_to_linear(torch.from_numpy(found.colours() / 255.0)).numpy()
    mesh = trimesh.Trimesh(
        found.vertices / 1000.0,
        found.faces,
        vertex_colors=np.rint(linear * 255.0).astype(np.uint8),
        process=False,
    )
    content: bytes = export_glb(trimesh.Scene(mesh), include_normals=True, tree_postprocessor=_matt)
    return content


def _matt(document: dict[str, Any]) -> None:
    """A surface without shine: glTF's own default is metal, which is dark under most lights."""
    document["materials"] = [{"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}}]
    document["meshes"][0]["primitives"][0]["material"] = 0


def draw_coloured(
    vertices: Floats, faces: NDArray[np.int64], colours: NDArray[np.uint8], side: int
) -> dict[str, Picture]:
    """A mesh [V, 3] mm, [F, 3] with sRGB colours [V, 3] of vertices, from each of `VIEWS`; [side, side, 3].

    Relief is shaded lightly, so that colours stay true.
    """
    import torch

    from idto3d.geometry.mesh import Mesh
    from idto3d.render.backend import scene_of
    from idto3d.render.camera import Camera

    smooth = _vertex_normals(faces, Mesh(vertices, faces).face_normals(), len(vertices))
    layers = np.concatenate([colours.astype(np.float64), smooth], axis=1)  # [V, 6]
    scene = scene_of(torch.from_numpy(vertices.astype(np.float32)), torch.from_numpy(faces))
    drawn = {}
    for name, yaw in VIEWS.items():
        camera = Camera(yaw, fovy=FOVY, target=TARGET, resolution=side * SUPERSAMPLE)
        seen = scene.visibility(camera)
        mask = seen.mask.numpy()
        weights = seen.barycentric.numpy()[mask].astype(np.float64)
        found = (layers[faces[seen.triangle.numpy()[mask]]] * weights[:, :, None]).sum(axis=1)  # [N, 6]
        length = np.linalg.norm(found[:, 3:], axis=1)
        facing = np.abs(found[:, 3:] @ camera.rotation()[2]) / np.maximum(length, 1e-12)
        image = np.full((*mask.shape, 3), float(PAPER))
        image[mask] = found[:, :3] * (0.55 + 0.45 * facing)[:, None]
        boxes = image.reshape(side, SUPERSAMPLE, side, SUPERSAMPLE, 3)
        drawn[name] = np.asarray(boxes.mean(axis=(1, 3)).round(), np.uint8)
    return drawn


def _vertex_normals(faces: NDArray[np.int64], normals: Floats, count: int) -> Floats:
    """Sums [V, 3] of the face normals [F, 3] about each vertex."""
    around = [
        np.bincount(faces.ravel(), np.repeat(normals[:, axis], 3), minlength=count) for axis in range(3)
    ]
    return np.stack(around, axis=1)
