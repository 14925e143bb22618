"""The expressions of a head as shapes of one mesh: what morph targets and sliders between them need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from idto3d.asset import TexturedMesh
from idto3d.errors import UserError
from idto3d.export.registration import Residual, register, residual
from idto3d.geometry.mesh import FloatArray, Mesh
from idto3d.given_asset import read_given, read_given_manifest

Told = Callable[[str, int, int], None]
NEUTRAL = "neutral"


@dataclass(frozen=True)
class Blendshapes:
    """A head whose expressions share the neutral mesh's faces, UVs and maps.

    Args:
        neutral: the base mesh.
        shapes: per expression, the places [V, 3] mm of the neutral's vertices.
        residuals: per expression, how far its shape lies from the expression's own mesh.
    """

    neutral: TexturedMesh
    shapes: Mapping[str, FloatArray]
    residuals: Mapping[str, Residual]


def read_blendshapes(asset: Path, expressions: Sequence[str] = (), told: Told | None = None) -> Blendshapes:
    """A HeadAsset's expressions on the topology of its neutral.

    Args:
        asset: the HeadAsset folder.
        expressions: which, besides neutral; all of the asset's by default.
        told: called with what is being registered, steps done and steps in all.

    Raises:
        AssetError: a file that is missing or must not be trusted.
        UserError: the asset has no neutral, or not one of the expressions.
    """
    chosen = chosen_expressions(asset, expressions)
    if NEUTRAL not in read_given_manifest(asset).expressions:
        raise UserError(
            f"Found no '{NEUTRAL}' in '{asset}', expected one as the base of all other expressions; "
            "generate the head with it."
        )
    others = {name: read_given(asset, name) for name in chosen if name != NEUTRAL}
    return blendshapes(read_given(asset, NEUTRAL), others, told)


def chosen_expressions(asset: Path, expressions: Sequence[str] = ()) -> tuple[str, ...]:
    """The asked expressions, or all of an asset's where none is asked, in the asset's order.

    Raises:
        AssetError: the folder is no asset.
        UserError: the asset has not got one of them.
    """
    there = read_given_manifest(asset).expressions
    missing = [name for name in expressions if name not in there]
    if missing:
        raise UserError(
            f"Found no expression {missing[0]!r} in '{asset}', expected some of {', '.join(there)}; "
            "name one of these."
        )
    return tuple(name for name in there if name in expressions or not expressions)


def blendshapes(
    neutral: TexturedMesh, others: Mapping[str, TexturedMesh], told: Told | None = None
) -> Blendshapes:
    """Expressions on the neutral's topology: as they are where they share its faces, else registered.

    Args:
        neutral: the base mesh.
        others: the other expressions.
        told: called with what is being registered, steps done and steps in all.
    """
    shapes, residuals = {}, {}
    for name, mesh in others.items():
        if _same_topology(neutral, mesh):
            shapes[name], residuals[name] = mesh.vertices, Residual(0.0, 0.0, exact=True)
            continue

        def advance(done: int, total: int, name: str = name) -> None:
            if told:
                told(f"registering {name}", done, total)

        shapes[name], residuals[name] = _registered(neutral, mesh, advance)
    return Blendshapes(neutral, shapes, residuals)


def blend(head: Blendshapes, weights: Mapping[str, float]) -> TexturedMesh:
    """The mesh neutral + Σ w (expression − neutral), as an engine blends morph targets.

    A slider from one expression to another at t has the weights {one: 1 − t, other: t}. Weights below 0 and
    above 1 extrapolate. Topology, UVs and maps are the neutral's.

    Args:
        head: from `blendshapes`.
        weights: per expression; neutral's changes nothing, and those left out are 0.

    Raises:
        UserError: an expression that the head has not got, or a weight that is no finite number.
    """
    base = head.neutral.vertices
    vertices = base.copy()
    for name, weight in weights.items():
        if name != NEUTRAL and name not in head.shapes:
            known = ", ".join((NEUTRAL, *head.shapes))
            raise UserError(f"Found a weight for {name!r}, expected some of {known}; name one of these.")
        if not np.isfinite(weight):
            raise UserError(f"Found weight {weight} for {name!r}, expected a finite number.")
        if name != NEUTRAL:
            vertices += weight * (head.shapes[name] - base)
    return replace(head.neutral, vertices=vertices)


def _same_topology(one: TexturedMesh, other: TexturedMesh) -> bool:
    """Whether vertex k of both is the same point of the head; equal face lists are no coincidence."""
    return one.vertices.shape == other.vertices.shape and np.array_equal(one.faces, other.faces)


def _registered(
    neutral: TexturedMesh, mesh: TexturedMesh, told: Callable[[int, int], None]
) -> tuple[FloatArray, Residual]:
    """The neutral's vertices laid on another expression's surface; seams stay closed."""
    places, place = np.unique(neutral.vertices, axis=0, return_inverse=True)
    place = place.reshape(-1)
    used, compact = np.unique(place[neutral.faces], return_inverse=True)
    source, target = Mesh(places[used], compact.reshape(-1, 3)), Mesh(mesh.vertices, mesh.faces)
    moved = register(source, target, told)
    places[used] = moved
    return places[place], residual(Mesh(moved, source.faces), target)
