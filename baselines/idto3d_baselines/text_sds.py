"""Text-only score distillation (DreamFusion, arXiv 2209.14988) in the same pipeline, with the same budget.

The same priors, renderer and schedules as `id_to_3d`; the identity embedding is left out, so that only the
attributes read from the photos, in words, tell who it is.
"""

from __future__ import annotations

from idto3d.generate import without_identity
from idto3d_baselines.id_to_3d import distil, settings_of
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import prompt_of, read_photos, subject_of

SPEC = MethodSpec(
    name="text_sds",
    kind="adapted",
    summary="the same pipeline with text attributes and no identity embedding",
    conditioned_on=("text attributes read from the photos", "expression name"),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="own",
    source="DreamFusion, arXiv 2209.14988, in this pipeline",
    needs_sds=True,
    takes_prompt=True,
)


def generate(request: GenerateRequest) -> None:
    """Optimise a head under the attributes alone, and a prompt."""
    prompt = prompt_of(request.prompt, request.weights, settings_of(request).prompt_loudness)
    found = read_photos(request)
    distil(request, "text_sds", without_identity(subject_of(found, prompt)), found)
