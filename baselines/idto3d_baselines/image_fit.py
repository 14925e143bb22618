"""One photo, fitted: the mean head bent, lit and coloured until its render is the person's best photo.

The baseline that needs no diffusion model and no population: landmarks from the methods' reader, a smooth
symmetric warp, spherical-harmonics light, and the photo itself as texture. It knows nothing of expressions:
whatever is asked for, it answers with the one head it made, a statue, wearing what its photo wore.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d.asset import AssetManifest, TexturedMesh, write_head_asset
from idto3d.errors import UserError
from idto3d.identity.photo import photo_sha256, read_photo
from idto3d.identity.reader import FaceReading, NoFace, load_reader, read_faces
from idto3d.threads import torch_threads
from idto3d_baselines.face_warp import StartHead, load_start_head
from idto3d_baselines.photo_crop import head_crop
from idto3d_baselines.photo_fit import Fitted, fit_head
from idto3d_baselines.photo_texture import layout_of, textured_head
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import READER

SPEC = MethodSpec(
    name="image_fit",
    kind="native",
    summary="differentiable fitting of geometry and colour to one photo",
    conditioned_on=("one photo", "landmarks read from it", "expression name"),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="own",
    source="analysis by synthesis, this package's renderer",
)

MEAN_HEAD = "mean_head.npz"


@dataclass(frozen=True)
class FitSettings:
    """What `parameters` may change; pixels and texels along a side."""

    fit_resolution: int = 112
    colour_resolution: int = 320
    texture_size: int = 512


def generate(request: GenerateRequest) -> None:
    """Fit the best photo and write the same head for every expression asked for.

    Raises:
        UserError: no photo, an unreadable one, none with a face, or an unknown parameter.
    """
    settings = _settings(request)
    if not request.photos:
        raise UserError("Found 0 photos, expected at least 1; add photos of the person.")
    with torch_threads(request.budget.threads):
        images = [read_photo(path) for path in request.photos]
        readings = read_faces(load_reader(request.weights / READER), images)
        chosen, reading = best_photo([path.name for path in request.photos], readings)
        head = load_start_head(request.weights / MEAN_HEAD)

        def report(done: int, total: int) -> None:
            if request.progress:
                request.progress(done, total, "fitting")

        mesh, _ = fit_photo(
            head, images[chosen], reading.landmarks, request.budget.fit_steps, request.seed, settings, report
        )
    manifest = AssetManifest(
        method="image_fit",
        identity=request.identity,
        seed=request.seed,
        expressions=request.expressions,
        weights={
            name: hashlib.sha256((request.weights / name).read_bytes()).hexdigest()
            for name in (READER, MEAN_HEAD)
        },
        parameters={**vars(settings), "fit_steps": request.budget.fit_steps, "photo": chosen},
        photos=tuple(photo_sha256(path) for path in request.photos),
        threads=request.budget.threads,
    )
    write_head_asset(request.out, dict.fromkeys(request.expressions, mesh), manifest)


def best_photo(names: Sequence[str], readings: Sequence[FaceReading | NoFace]) -> tuple[int, FaceReading]:
    """Index and reading of the photo with the largest, most frontal and stillest face.

    Raises:
        UserError: no photo has a readable face.
    """
    found = [(k, r) for k, r in enumerate(readings) if isinstance(r, FaceReading)]
    if not found:
        first = next(r for r in readings if isinstance(r, NoFace))
        raise UserError(
            f"Found no readable face in {', '.join(repr(name) for name in names)} ({first.reason}), expected "
            "one clearly visible face in at least one photo; replace or remove the photos."
        )
    return max(found, key=lambda pair: photo_quality(pair[1]))


def photo_quality(reading: FaceReading) -> float:
    """How much a face tells: its size in pixels, less what is turned away or moved by an expression."""
    points = reading.landmarks.astype(np.float64)
    size = float((points.max(0) - points.min(0)).max())
    # From the nose's bridge to the outer eye corners.
    right, left = (float(np.linalg.norm(points[27:31].mean(0) - points[k])) for k in (36, 45))
    frontal = min(right, left) / max(right, left, 1e-6)
    still = 1.0 - 0.5 * float(reading.actions.max())
    return reading.presence * size * frontal * still


def fit_photo(
    head: StartHead,
    image: NDArray[np.uint8],
    landmarks: NDArray[np.floating],
    steps: int,
    seed: int = 0,
    settings: FitSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[TexturedMesh, Fitted]:
    """A textured head from one photo and its landmarks.

    Args:
        head: where the fit starts.
        image: uint8 [H, W, 3] sRGB.
        landmarks: [68, 2] pixels.
        steps, seed: of the optimiser.
        settings: resolutions; the defaults where None.
        progress: called with steps done and steps in all.

    Returns:
        The head, and how the photo saw it.
    """
    settings = settings or FitSettings()
    fitted = fit_head(head, head_crop(image, landmarks, settings.fit_resolution), steps, seed, progress)
    fine = head_crop(image, landmarks, settings.colour_resolution)
    layout = layout_of(head.mesh, settings.texture_size)
    return textured_head(fine, fitted, layout, head.mesh.faces, settings.texture_size), fitted


def _settings(request: GenerateRequest) -> FitSettings:
    known = vars(FitSettings())
    for name, value in request.parameters.items():
        if name not in known or isinstance(value, bool) or not isinstance(value, int) or value < 32:
            raise UserError(
                f"Found parameter {name}={value!r} for image_fit, expected one of {', '.join(known)} as a "
                "whole number of at least 32; correct the protocol."
            )
    return FitSettings(**{**known, **{k: int(v) for k, v in request.parameters.items()}})
