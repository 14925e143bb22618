"""The floor: the population's mean head with every expression as a preset; told nothing of the person."""

from __future__ import annotations

from idto3d.population.truth import mean_meshes
from idto3d_baselines.specs import GenerateRequest
from idto3d_baselines.truth_asset import write_meshes


def generate(request: GenerateRequest) -> None:
    """Write the mean head with every expression asked for."""
    write_meshes(request, "template_mean", mean_meshes(request.expressions))
