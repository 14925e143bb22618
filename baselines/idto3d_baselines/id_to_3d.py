"""ID-to-3D (arXiv 2405.16570), this project's reference generator: see `idto3d.generate`."""

from __future__ import annotations

from dataclasses import replace

from idto3d.generate import GeneratorSettings, OpenPrior, Subject, generate_head
from idto3d.guidance.priors import open_prior
from idto3d.profile import load_profile
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import Found, manifest_of, prompt_of, read_photos, subject_of

SPEC = MethodSpec(
    name="id_to_3d",
    kind="native",
    summary="ID-to-3D: SDS under geometry and texture priors conditioned on the identity embedding",
    conditioned_on=("identity embedding", "text attributes read from the photos", "expression name"),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="approximated",
    source="arXiv 2405.16570, re-implemented; its own weights and schedules are not public",
    needs_sds=True,
    takes_prompt=True,
)


def settings_of(request: GenerateRequest) -> GeneratorSettings:
    """The generator's defaults with what the weights ask for, the request's budget and its parameters."""
    settings = GeneratorSettings(
        geometry_steps=request.budget.geometry_steps,
        texture_steps=request.budget.texture_steps,
        geometry_batch=request.budget.geometry_batch,
        texture_batch=request.budget.texture_batch,
    )
    asked = {**load_profile(request.weights).settings, **request.parameters}
    return replace(settings, **asked)  # type: ignore[arg-type]


def generate(request: GenerateRequest) -> None:
    """Optimise a head under the identity's embedding, the attributes read from the photos, and a prompt."""
    prompt = prompt_of(request.prompt, request.weights, settings_of(request).prompt_loudness)
    found = read_photos(request)
    distil(request, "id_to_3d", subject_of(found, prompt), found)


def distil(
    request: GenerateRequest, method: str, subject: Subject, found: Found, opened: OpenPrior = open_prior
) -> None:
    """Run the generator for a subject and write the asset; `opened` reads a stage's prior."""
    generate_head(
        subject,
        request.expressions,
        request.weights,
        request.out,
        manifest_of(request, method, found),
        settings_of(request),
        request.seed,
        request.progress,
        request.kept,
        opened,
    )
