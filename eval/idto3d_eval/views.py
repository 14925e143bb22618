"""The images that every method is measured on: one canonical renderer, views fixed before anything is made.

A views folder holds `<expression>/<view>.png` (uint8 sRGB), `<expression>/<view>.npz` (camera-space normals,
and the mask) and `views.json` (schema, expressions, and the camera, light and filter of every view).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh
    from idto3d.population.people import Person
    from idto3d.render.camera import Camera
    from idto3d.render.light import EnvironmentLight
    from idto3d_protocols.schema import Protocol

SCHEMA_VERSION = 1
SUPERSAMPLE = 2  # rays a pixel's side, averaged in linear light by the renderer: one filter for everybody
MANIFEST = "views.json"


@dataclass(frozen=True)
class ViewSpec:
    """One image of a head: a name, a camera, a light, and whether it counts as frontal."""

    name: str
    camera: Camera
    light: EnvironmentLight
    frontal: bool


@dataclass(frozen=True)
class RenderedViews:
    """What a views folder holds, without the pixels."""

    folder: Path
    expressions: tuple[str, ...]
    views: tuple[ViewSpec, ...]

    def colour(self, expression: str, view: str) -> NDArray[np.uint8]:
        """The image [H, W, 3] uint8 sRGB.

        Raises:
            UserError: the file is missing or is no image.
        """
        from PIL import Image

        path = self.folder / expression / f"{view}.png"
        try:
            with Image.open(path) as image:
                return np.asarray(image.convert("RGB"), dtype=np.uint8)
        except OSError as error:
            raise UserError(
                f"Found no readable image at {path} ({error}), expected a PNG; render again."
            ) from error

    def normals(self, expression: str, view: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Camera-space normals [H, W, 3] in [-1, 1], kept to 5e-4, and the mask [H, W]."""
        with np.load(self.folder / expression / f"{view}.npz", allow_pickle=False) as stored:
            return stored["normals"].astype(np.float32), stored["mask"]


def view_specs(protocol: Protocol) -> tuple[ViewSpec, ...]:
    """The protocol's views as cameras and lights, in the protocol's order."""
    from idto3d.render.camera import Camera
    from idto3d.render.light import EnvironmentLight

    specs = []
    for view in protocol.views:
        camera, light = protocol.camera(view.camera), protocol.light(view.light)
        specs.append(
            ViewSpec(
                name=view.name,
                camera=Camera(
                    yaw=float(np.radians(camera.yaw_deg)),
                    pitch=float(np.radians(camera.pitch_deg)),
                    roll=0.0,
                    distance=camera.distance_mm,
                    fovy=float(np.radians(camera.fovy_deg)),
                    target=camera.target_mm,
                    resolution=protocol.resolution,
                ),
                light=EnvironmentLight(sh=np.asarray(light.sh, dtype=np.float64)),
                frontal=view.frontal,
            )
        )
    return tuple(specs)


def render_asset(asset_folder: Path, views: Sequence[ViewSpec], out_folder: Path) -> None:
    """Draw a method's head in every expression that it has.

    Args:
        asset_folder: a HeadAsset.
        views: as `view_specs` returns them.
        out_folder: created if missing; what a writer asks of atomicity is the caller's.

    Raises:
        AssetError: a file of the asset is missing, truncated, or holds what no renderer should see.
    """
    from idto3d.asset import read_expression, read_manifest

    expressions = tuple(read_manifest(asset_folder).expressions)
    render_head(lambda expression: read_expression(asset_folder, expression), expressions, views, out_folder)


def render_true_head(
    person: Person,
    expressions: Sequence[str],
    views: Sequence[ViewSpec],
    out_folder: Path,
    *,
    buffers: bool = True,
) -> None:
    """Draw a synthetic person's true head: the ceiling, or with an impostor for `person`, part of a floor."""
    from idto3d.population.truth import true_meshes

    meshes = true_meshes(person, expressions)
    render_head(lambda expression: meshes[expression], expressions, views, out_folder, buffers=buffers)


def render_head(
    mesh_of: Callable[[str], TexturedMesh],
    expressions: Sequence[str],
    views: Sequence[ViewSpec],
    out_folder: Path,
    *,
    buffers: bool = True,
) -> None:
    """Draw a head, whoever made it.

    Args:
        mesh_of: expression name -> mesh in millimetres, in the head frame.
        expressions: names, one subfolder each.
        views: cameras and lights; names are unique.
        out_folder: created if missing.
        buffers: whether to keep normals and masks beside the colour.
    """
    from PIL import Image

    from idto3d.render.views import render_view

    for expression in expressions:
        folder = out_folder / expression
        folder.mkdir(parents=True, exist_ok=True)
        mesh = mesh_of(expression)
        for spec in views:
            view = render_view(mesh, spec.camera, spec.light, supersample=SUPERSAMPLE)
            Image.fromarray(view.colour).save(folder / f"{spec.name}.png", compress_level=4)
            if buffers:
                normals = np.asarray(view.normals, dtype=np.float16)
                np.savez_compressed(folder / f"{spec.name}.npz", normals=normals, mask=np.asarray(view.mask))
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "supersample": SUPERSAMPLE,
        "buffers": buffers,
        "expressions": list(expressions),
        "views": [_as_json(spec) for spec in views],
    }
    (out_folder / MANIFEST).write_text(
        json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )


def read_views(folder: Path) -> RenderedViews:
    """Open a views folder.

    Raises:
        UserError: the manifest is missing or of another schema.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"Found no readable {MANIFEST} in {folder} ({error}); render the head again."
        ) from error
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise UserError(
            f"Found views of schema {manifest.get('schema_version')!r} in {folder}, expected "
            f"{SCHEMA_VERSION}; "
            "render the head again."
        )
    return RenderedViews(
        folder=folder,
        expressions=tuple(manifest["expressions"]),
        views=tuple(_from_json(view) for view in manifest["views"]),
    )


def _as_json(spec: ViewSpec) -> dict[str, Any]:
    camera = spec.camera
    return {
        "name": spec.name,
        "frontal": spec.frontal,
        "camera": {
            "yaw": camera.yaw,
            "pitch": camera.pitch,
            "roll": camera.roll,
            "distance_mm": camera.distance,
            "fovy": camera.fovy,
            "target_mm": [float(value) for value in camera.target],
            "resolution": camera.resolution,
        },
        "light": {"sh": np.asarray(spec.light.sh, dtype=np.float64).tolist()},
    }


def _from_json(view: dict[str, Any]) -> ViewSpec:
    from idto3d.render.camera import Camera
    from idto3d.render.light import EnvironmentLight

    stored = view["camera"]
    return ViewSpec(
        name=view["name"],
        camera=Camera(
            yaw=stored["yaw"],
            pitch=stored["pitch"],
            roll=stored["roll"],
            distance=stored["distance_mm"],
            fovy=stored["fovy"],
            target=(stored["target_mm"][0], stored["target_mm"][1], stored["target_mm"][2]),
            resolution=stored["resolution"],
        ),
        light=EnvironmentLight(sh=np.asarray(view["light"]["sh"], dtype=np.float64)),
        frontal=view["frontal"],
    )
