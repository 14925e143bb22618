"""The floor: the population's mean head with every expression as a preset; told nothing of the person."""

from __future__ import annotations

from idto3d.population.truth import mean_meshes
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.truth_asset import write_meshes

SPEC = MethodSpec(
    name="template_mean",
    kind="floor",
    summary="the mean head, with every expression as a preset: what knowing nobody scores",
    conditioned_on=("expression name",),
    knows_population=True,
    licence="Apache-2.0",
    commit=None,
    reproduction="own",
    source="the population's mean",
    profiles=("embedded",),
)


def generate(request: GenerateRequest) -> None:
    """Write the mean head with every expression asked for."""
    write_meshes(request, "template_mean", mean_meshes(request.expressions))
