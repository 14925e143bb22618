"""A bracket: the true head of another person with the same sex, age band, skin bin, hair and beard."""

from __future__ import annotations

from idto3d.population.people import matched_impostors
from idto3d.population.truth import true_meshes
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.truth_asset import person_of, write_meshes

SPEC = MethodSpec(
    name="impostor",
    kind="bracket",
    summary="the true head of another person with the same attributes",
    conditioned_on=("truth", "expression name"),
    knows_population=True,
    licence="Apache-2.0",
    commit=None,
    reproduction="own",
    source="the population",
    profiles=("embedded",),
)

# Beyond the impostors that the floor is measured on, so that this row is not its own floor.
INDEX = 40


def generate(request: GenerateRequest) -> None:
    """Write the head of a matched impostor with every expression asked for."""
    impostor = matched_impostors(person_of(request), INDEX + request.seed + 1)[-1]
    write_meshes(request, "impostor", true_meshes(impostor, request.expressions))
