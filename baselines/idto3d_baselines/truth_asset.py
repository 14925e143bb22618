"""Heads that come from the population itself: how the brackets write them."""

from __future__ import annotations

from collections.abc import Mapping

from idto3d.asset import AssetManifest, TexturedMesh, write_head_asset
from idto3d.errors import UserError
from idto3d.population.people import Person, draw_person
from idto3d_baselines.specs import GenerateRequest


def person_of(request: GenerateRequest) -> Person:
    """The synthetic person that a request is about.

    Raises:
        UserError: the request names no true person, as with photographs of real people.
    """
    if request.truth is None:
        raise UserError(
            f"Found no true head for identity '{request.identity}', expected a synthetic person; "
            "leave this method out where people are photographed."
        )
    return draw_person(request.truth.split, request.truth.index, request.truth.population_seed)


def write_meshes(request: GenerateRequest, method: str, meshes: Mapping[str, TexturedMesh]) -> None:
    """Write the head asset of a method that optimises nothing."""
    manifest = AssetManifest(
        method=method, identity=request.identity, seed=request.seed, expressions=request.expressions
    )
    write_head_asset(request.out, meshes, manifest)
