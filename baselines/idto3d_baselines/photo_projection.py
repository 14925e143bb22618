"""The mean head with the best photo projected on it: no shape, no optimisation, and faces that look right.

What texture alone is worth. The mean head is posed by landmarks (PnP), each point takes the photo's colour
over the shading of a usual light, what is turned away takes its mirror image's, and the rest the nearest
known colour. The photo fit (`image_fit`) is this plus shape, light and colour that are looked for.

Deviations from projective texturing as in Debevec et al. 1996 ("Modeling and rendering architecture from
photographs"): one photo, and its colour is divided by a guessed shading. It is a statue: every expression is
the one head that it made, wearing what its photo wore.
"""

from __future__ import annotations

from idto3d.asset import write_head_asset
from idto3d.profile import load_profile
from idto3d.threads import torch_threads
from idto3d_baselines.face_warp import load_start_head
from idto3d_baselines.image_fit import fit_photo
from idto3d_baselines.photographs import best_of, photographs_of
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import manifest_of, read_photos

SPEC = MethodSpec(
    name="photo_projection",
    kind="native",
    summary="the mean head with the best photo projected on it",
    conditioned_on=("one photo", "landmarks read from it", "expression name"),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="own",
    source="projective texturing, this package's renderer",
)

NO_STEPS = 0  # of the fit: the mean head, posed


def generate(request: GenerateRequest) -> None:
    """Project the best photo and write the same head for every expression asked for."""
    found = read_photos(request)
    with torch_threads(request.budget.threads):
        head = load_start_head(request.weights / load_profile(request.weights).mean_head)
        number, photo = best_of(request, photographs_of(request, found, head.landmarks))
        mesh, _ = fit_photo(head, photo.image, photo.reading.landmarks, NO_STEPS, request.seed)
    manifest = manifest_of(request, SPEC.name, found)
    manifest = manifest.model_copy(
        update={
            "parameters": {**manifest.parameters, "photo": number},
            "threads": request.budget.threads,
            "guidance_calls": 0,
        }
    )
    write_head_asset(request.out, dict.fromkeys(request.expressions, mesh), manifest)
