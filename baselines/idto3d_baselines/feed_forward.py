"""One linear map from the identity embedding to a head, nothing optimised: also the control for circularity.

Paper: Zielonka, Bolkart and Thies, "Towards Metrical Reconstruction of Human Faces" (MICA), ECCV 2022: an
ArcFace embedding is mapped to the coefficients of a head model.

The adaptation: the embedding is that of the photos by the recogniser that conditions every method; the map is
a ridge regression learned on the people of `head_basis.npz` (200 of them, 4 photos each), its strength chosen
on validation people; it says the basis' shape, how far hair and beard stand out, and the colour of the whole
head, hair included. Expressions are displacements of the mean head.

Deviations: MICA refines ArcFace's last blocks and trains an MLP on eight scan data sets; here the recogniser
is fixed and the map linear. MICA says shape alone; colour and hair are added, since heads are compared in
colour. Photos are joined in the embedding, not after the regression.

As a control: the embedding is all that this method is given, as it is all that SDS distils from. What it
reaches is what the embedding gives away without any distillation, and a method that asks the diffusion model
hundreds of times must be better than that, or its score tells of the embedding alone.

Its file belongs to one recogniser. The shipped one is the embedded profile's; another recogniser's embedding
has another length or meaning, so that the method stands aside in the paper profile unless a map of that
recogniser lies in the folder of weights.
"""

from __future__ import annotations

import numpy as np
import torch

from idto3d.asset import AssetManifest, write_head_asset
from idto3d.errors import UserError
from idto3d.geometry.head_basis import load_head_basis
from idto3d.geometry.head_regression import load_head_regression
from idto3d.profile import load_profile
from idto3d.render.normals import vertex_normals
from idto3d.threads import torch_threads
from idto3d_baselines.basis_asset import BASIS, basis_meshes, file_hashes
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import read_photos

SPEC = MethodSpec(
    name="feed_forward",
    kind="adapted",
    summary="a linear map from the identity embedding to a head; nothing is optimised",
    conditioned_on=(
        "identity embedding of the photos",
        "a linear basis of 200 training people",
        "expression name",
    ),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="approximated",
    source="Zielonka et al. (MICA), ECCV 2022",
    profiles=("embedded",),
)

REGRESSION = "feed_forward.npz"


def generate(request: GenerateRequest) -> None:
    """Embed the photos, apply the map and write the head.

    Raises:
        UserError: no photo, one without a face, a parameter, or a map of another recogniser or basis.
    """
    if request.parameters:
        raise UserError(
            f"Found parameter {next(iter(request.parameters))!r} for {SPEC.name}, expected none: nothing of "
            "it can be set; remove it from the protocol."
        )
    with torch_threads(request.budget.threads):
        found = read_photos(request)
        basis = load_head_basis(request.weights / BASIS)
        regression = load_head_regression(request.weights / REGRESSION)
        hashes = file_hashes(request.weights, (BASIS, REGRESSION))
        if regression.basis_sha256 != hashes[BASIS]:
            raise UserError(
                f"Found {REGRESSION} learned over another basis than {BASIS}, expected the two to belong "
                "together; train feed_forward again."
            )
        head = regression.head(found.vector)
        bare = basis.vertices(head.shape)
        normals = vertex_normals(torch.from_numpy(bare), torch.from_numpy(basis.faces)).numpy()
        neutral = bare + np.asarray(head.relief, np.float64)[:, None] * normals
        meshes = basis_meshes(basis, neutral, head.albedo, request.expressions)
    profile = load_profile(request.weights)
    readers = [name for name in (profile.reader, profile.recogniser) if name is not None]
    manifest = AssetManifest(
        method=SPEC.name,
        identity=request.identity,
        seed=request.seed,
        expressions=request.expressions,
        weights={**file_hashes(request.weights, readers), **hashes},
        photos=tuple(photo.sha256 for photo in found.photos),
        threads=request.budget.threads,
    )
    write_head_asset(request.out, meshes, manifest)
