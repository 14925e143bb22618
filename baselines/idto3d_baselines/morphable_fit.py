"""A morphable model fitted to all photos: the classical answer, which has geometry and no hair.

Papers: Blanz and Vetter, "A Morphable Model for the Synthesis of 3D Faces", SIGGRAPH 1999 (the model, and
analysis by synthesis under Gaussian priors); Deng et al., "Accurate 3D Face Reconstruction with
Weakly-Supervised Learning: From Single Image to Image Set", CVPR Workshops 2019 (68 landmarks, a robust
photometric term on the face, spherical-harmonics light, one identity for a set of photos).

The adaptation: the photos' landmarks come from the methods' reader, the model is `head_basis.npz` (200
training people, another topology than theirs), the renderer is this package's, and `fit_steps` of the budget
are Adam's steps; there are no guidance calls. The head gets every expression that is asked for as a
displacement of the mean head, as FLAME and the Basel model's expressions are added.

Deviations: Blanz and Vetter descend stochastically through pixels alone, from a pose set by hand, with
Phong's light; here landmarks find the pose, light is diffuse, and colour and lights are solved by
Gauss-Newton every few steps. Deng et al. train a network to say the coefficients, with a perceptual loss by a
recogniser, a skin detector and photos weighted by confidence; here the coefficients are descended themselves,
no recogniser takes part, outliers weigh less instead of being masked, and all photos weigh the same. Their
focal length is fixed, ours is fitted. In the embedded population every head moves alike with an expression,
so the transferred displacements are exact there, as they would not be on people. Nothing of a photo is
pasted: the texture is the model's albedo, and outside the face's crop it is the skin's mean colour.
"""

from __future__ import annotations

from dataclasses import dataclass

from idto3d.asset import AssetManifest, write_head_asset
from idto3d.errors import UserError
from idto3d.geometry.head_basis import load_head_basis
from idto3d.identity.embedding import read_photos
from idto3d.identity.photo import photo_sha256
from idto3d.identity.reader import FaceReading, NoFace, read_faces
from idto3d.profile import load_profile
from idto3d.threads import torch_threads
from idto3d_baselines.basis_asset import BASIS, basis_meshes, file_hashes
from idto3d_baselines.basis_fit import fit_basis
from idto3d_baselines.photo_crop import Crop, head_crop
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import face_finders

SPEC = MethodSpec(
    name="morphable_fit",
    kind="adapted",
    summary="a linear face basis fitted to landmarks and pixels of all photos; no hair",
    conditioned_on=(
        "photos",
        "landmarks read from them",
        "a linear basis of 200 training people",
        "expression name",
    ),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="approximated",
    source="Blanz and Vetter, SIGGRAPH 1999; Deng et al., CVPR Workshops 2019",
)


@dataclass(frozen=True)
class FitSettings:
    """What `parameters` may change; pixels and texels along a side."""

    fit_resolution: int = 112
    texture_size: int = 512


def generate(request: GenerateRequest) -> None:
    """Fit the basis to every photo with a readable face and write the head.

    Raises:
        UserError: no photo, none with a face, no reader of landmarks, or an unknown parameter.
    """
    settings = _settings(request)
    with torch_threads(request.budget.threads):
        crops = _crops(request, settings.fit_resolution)
        basis = load_head_basis(request.weights / BASIS)

        def report(done: int, total: int) -> None:
            if request.progress:
                request.progress(done, total, "fitting")

        fitted = fit_basis(basis, crops, request.budget.fit_steps, request.seed, report)
        meshes = basis_meshes(
            basis,
            basis.vertices(fitted.shape),
            basis.albedo(fitted.colour),
            request.expressions,
            settings.texture_size,
        )
    reader = load_profile(request.weights).reader
    manifest = AssetManifest(
        method=SPEC.name,
        identity=request.identity,
        seed=request.seed,
        expressions=request.expressions,
        weights=dict(file_hashes(request.weights, (str(reader), BASIS))),
        parameters={**vars(settings), "fit_steps": request.budget.fit_steps, "photos_read": len(crops)},
        photos=tuple(photo_sha256(path) for path in request.photos),
        threads=request.budget.threads,
    )
    write_head_asset(request.out, meshes, manifest)


def _crops(request: GenerateRequest, size: int) -> list[Crop]:
    """The photos in which a face can be read, cut to the head."""
    images = read_photos(request.photos)
    reader, detector = face_finders(request.weights)
    if reader is None:
        raise UserError(
            f"Found no reader of landmarks in profile '{load_profile(request.weights).name}', expected one: "
            "a morphable model is fitted to 68 landmarks; name a reader in profile.json."
        )
    readings = read_faces(reader, images, detector)
    found = [
        head_crop(image, reading.landmarks, size)
        for image, reading in zip(images, readings, strict=True)
        if isinstance(reading, FaceReading)
    ]
    if not found:
        first = next(reading for reading in readings if isinstance(reading, NoFace))
        raise UserError(
            f"Found no readable face in {', '.join(repr(path.name) for path in request.photos)} "
            f"({first.reason}), expected one clearly visible face in at least one photo; replace the photos."
        )
    return found


def _settings(request: GenerateRequest) -> FitSettings:
    known = vars(FitSettings())
    for name, value in request.parameters.items():
        if name not in known or isinstance(value, bool) or not isinstance(value, int) or value < 32:
            raise UserError(
                f"Found parameter {name}={value!r} for {SPEC.name}, expected one of {', '.join(known)} as a "
                "whole number of at least 32; correct the protocol."
            )
    return FitSettings(**{**known, **{k: int(v) for k, v in request.parameters.items()}})
