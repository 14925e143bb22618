"""The ceiling: the person's own true head. What it loses is lost by the measuring."""

from __future__ import annotations

from idto3d.population.truth import true_meshes
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.truth_asset import person_of, write_meshes

SPEC = MethodSpec(
    name="oracle",
    kind="ceiling",
    summary="the person's own true head: what the measuring itself allows",
    conditioned_on=("truth", "expression name"),
    knows_population=True,
    licence="Apache-2.0",
    commit=None,
    reproduction="own",
    source="the population",
    profiles=("embedded",),
)


def generate(request: GenerateRequest) -> None:
    """Write the true head with every expression asked for."""
    write_meshes(request, "oracle", true_meshes(person_of(request), request.expressions))
