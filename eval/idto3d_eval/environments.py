"""A head seen in a small fixed set of other renderings, read by the networks that score: are its figures the
head's, or the rendering's?

The set is the same for every protocol but for its first light and first frontal camera: two other
resolutions, three lights that no network was trained under, and a second renderer (a third where nvdiffrast
is installed).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d_eval.features import ScoringModels, read_images
from idto3d_eval.views import SUPERSAMPLE, ViewSpec

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh

Floats = NDArray[np.float32]

FILE = "environments.npz"
EXPRESSIONS = 3  # neutral and the next ones of the protocol
RESOLUTION, RESOLUTIONS = 192, (128, 256)  # pixels: the usual, and the others
FIRST, RESOLUTION_AXIS, LIGHT_AXIS, RENDERER_AXIS = "first", "resolution", "light", "renderer"
EMBREE = "embree"

# Three of the five lights of the protocol `lights` that no network was trained under (training's lamps stand
# in front and above, and are nearly white); rows as `LightView.sh`.
LIGHTS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "below": (
        (2.13, 2.08, 2.11), (-0.74, -0.68, -0.61), (0.55, 0.51, 0.46),
        (0.00, 0.00, 0.00), (0.00, 0.00, 0.00), (-0.99, -0.91, -0.82),
        (0.05, 0.04, 0.04), (0.00, 0.00, 0.00), (-0.66, -0.60, -0.55),
    ),
    "right": (
        (1.86, 1.95, 2.15), (0.14, 0.17, 0.22), (0.22, 0.26, 0.32),
        (-0.72, -0.87, -1.08), (-0.30, -0.36, -0.46), (0.09, 0.11, 0.14),
        (-0.38, -0.45, -0.57), (-0.46, -0.55, -0.68), (0.73, 0.87, 1.09),
    ),
    "top": (
        (2.13, 2.14, 2.25), (0.91, 0.88, 0.82), (0.14, 0.13, 0.12),
        (0.00, 0.00, 0.00), (0.00, 0.00, 0.00), (0.30, 0.29, 0.27),
        (-0.56, -0.54, -0.50), (0.00, 0.00, 0.00), (-1.01, -0.97, -0.91),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Environment:
    """One rendering: what it is called, along which axis it departs from the first, and how it is drawn."""

    name: str
    axis: str
    view: ViewSpec
    renderer: str = EMBREE


@dataclass(frozen=True)
class EnvironmentReadings:
    """What was read of one head.

    Attributes:
        names, axes: N environments, the first one first.
        expressions: E names.
        embeddings: [N, E, D]; actions: [N, E, 52]; NaN where no face was read.
        reasons: [N, E] why not, "" where it was.
    """

    names: tuple[str, ...]
    axes: tuple[str, ...]
    expressions: tuple[str, ...]
    embeddings: Floats
    actions: Floats
    reasons: NDArray[np.str_]


def environments_of(views: Sequence[ViewSpec], renderers: Sequence[str]) -> tuple[Environment, ...]:
    """The fixed set, about the first frontal view of a protocol.

    Args:
        views: as `views.view_specs` returns them.
        renderers: names of `second_renderer.RENDERERS`.
    """
    from idto3d.render.light import EnvironmentLight

    front = next(view for view in views if view.frontal)
    light = views[0].light

    def seen(pixels: int, under: EnvironmentLight) -> ViewSpec:
        return replace(front, camera=replace(front.camera, resolution=pixels), light=under)

    first = seen(RESOLUTION, light)
    lights = {name: EnvironmentLight(sh=np.array(rows)) for name, rows in LIGHTS.items()}
    return (
        Environment("first", FIRST, first),
        *(Environment(f"{pixels}px", RESOLUTION_AXIS, seen(pixels, light)) for pixels in RESOLUTIONS),
        *(Environment(name, LIGHT_AXIS, seen(RESOLUTION, under)) for name, under in lights.items()),
        *(Environment(name, RENDERER_AXIS, first, name) for name in renderers),
    )


def read_environments(
    asset: Path,
    expressions: Sequence[str],
    environments: Sequence[Environment],
    models: ScoringModels,
    out: Path,
) -> None:
    """Draw a stored head in every environment and read it.

    Args:
        asset: a HeadAsset.
        expressions: the protocol's; the first few that the head has are drawn.
        environments: as `environments_of` returns them.
        models: the scoring networks.
        out: npz, written whole.

    Raises:
        UserError: the asset cannot be read, or a renderer is not there.
    """
    from idto3d.asset import read_expression, read_manifest

    made = read_manifest(asset).expressions
    wanted = ["neutral", *(name for name in expressions if name != "neutral")]
    chosen = [name for name in wanted if name in made][:EXPRESSIONS]
    meshes = [read_expression(asset, name) for name in chosen]
    images = [draw(mesh, environment) for environment in environments for mesh in meshes]
    read = read_images(images, models)
    shape = (len(environments), len(chosen))
    with out.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            names=np.array([environment.name for environment in environments]),
            axes=np.array([environment.axis for environment in environments]),
            expressions=np.array(chosen, dtype=np.str_),
            embeddings=read.embeddings.reshape(*shape, -1),
            actions=read.actions.reshape(*shape, -1),
            reasons=np.array(read.reasons, dtype=np.str_).reshape(shape),
            cards=np.array(json.dumps(models.cards, sort_keys=True)),
        )


def draw(mesh: TexturedMesh, environment: Environment) -> NDArray[np.uint8]:
    """One picture [H, W, 3] uint8 sRGB of a head in an environment."""
    from idto3d.render.views import render_view
    from idto3d_eval.second_renderer import RENDERERS, render_again

    view = environment.view
    if environment.renderer == EMBREE:
        return render_view(mesh, view.camera, view.light, supersample=SUPERSAMPLE).colour
    return render_again(mesh, view.camera, view.light, RENDERERS[environment.renderer], SUPERSAMPLE)


def load_environments(path: Path) -> EnvironmentReadings:
    """Load what `read_environments` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(f"Found no readable environments at {path} ({error}); read them again.") from error
    return EnvironmentReadings(
        names=tuple(str(name) for name in arrays["names"]),
        axes=tuple(str(name) for name in arrays["axes"]),
        expressions=tuple(str(name) for name in arrays["expressions"]),
        embeddings=arrays["embeddings"],
        actions=arrays["actions"],
        reasons=arrays["reasons"],
    )
