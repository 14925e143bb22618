"""The ceiling: the person's own true head. What it loses is lost by the measuring."""

from __future__ import annotations

from idto3d.population.truth import true_meshes
from idto3d_baselines.specs import GenerateRequest
from idto3d_baselines.truth_asset import person_of, write_meshes


def generate(request: GenerateRequest) -> None:
    """Write the true head with every expression asked for."""
    write_meshes(request, "oracle", true_meshes(person_of(request), request.expressions))
