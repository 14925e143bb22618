"""From files that another program wrote to a HeadAsset: read bounded, placed by landmarks, written anew."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from idto3d.asset import AssetError, AssetManifest, TexturedMesh, write_head_asset
from idto3d.foreign.folder import inside
from idto3d.foreign.head_frame import Placement, place_head
from idto3d.foreign.meshes import read_foreign_mesh
from idto3d_baselines.external_files import MEAN_HEAD, READER
from idto3d_baselines.external_spec import ExternalSpec
from idto3d_baselines.specs import GenerateRequest

# Adults' and children's faces of the synthetic population were read as 0.90 to 1.19 times the mean head's; a
# wrong unit is off by ten or more.
SIZES = (0.6, 1.7)


def write_foreign_head(
    request: GenerateRequest, spec: ExternalSpec, folder: Path, files: Mapping[str, str]
) -> None:
    """Write the asset at `request.out`; where and how its meshes were moved stands in its parameters.

    All expressions make the neutral one's move: what an expression does to a face is not undone.

    Args:
        request: whose head, with the weights of the methods' own reader.
        spec: units and axes.
        folder: what holds the files.
        files: expression -> name relative to the folder; neutral among them.

    Raises:
        AssetError: a file that must not be trusted, no readable face, or a face of no human's size.
    """
    if "neutral" not in files:
        raise AssetError(
            f"Found no neutral head of {request.identity} by {spec.name}, expected its file; "
            "make it, or name another with neutral: in the spec."
        )
    read = {name: read_foreign_mesh(folder, file, spec.unit) for name, file in files.items()}
    placement = _placement(request, spec, read["neutral"].mesh)
    notes = sorted({note for found in read.values() for note in found.notes})
    facts: dict[str, JsonValue] = {
        "kind": spec.kind,
        "commit": spec.commit,
        "unit": spec.unit,
        "normalise": spec.normalise,
        "guidance_calls": spec.guidance_calls,
        "notes": list(notes),
        "sources": {file: _sha256(inside(folder, file)) for file in files.values()},
    }
    if placement is not None:
        facts["placement"] = dict(placement.facts())
    manifest = AssetManifest(
        method=spec.name,
        identity=request.identity,
        seed=request.seed,
        expressions=tuple(name for name in request.expressions if name in files),
        parameters={**request.parameters, "external": facts},
        guidance_calls=spec.guidance_calls if isinstance(spec.guidance_calls, int) else 0,
        threads=request.budget.threads,
    )
    meshes = {name: _moved(found.mesh, placement) for name, found in read.items()}
    write_head_asset(request.out, meshes, manifest)


def _placement(request: GenerateRequest, spec: ExternalSpec, neutral: TexturedMesh) -> Placement | None:
    """The neutral head's move; None where the spec wants none."""
    from idto3d.geometry.mean_head import load_mean_head
    from idto3d.identity.reader import load_reader

    if spec.normalise == "none":
        return None
    declared = (spec.up, spec.forward) if spec.up is not None and spec.forward is not None else None
    placement = place_head(
        neutral,
        load_reader(request.weights / READER),
        load_mean_head(request.weights / MEAN_HEAD),
        scale=spec.normalise == "scale",
        declared=declared,
    )
    if spec.normalise == "pose" and not SIZES[0] <= placement.size <= SIZES[1]:
        raise AssetError(
            f"Found a face {placement.size:.3g} times the mean head's in unit {spec.unit}, expected "
            f"{SIZES[0]:g} to {SIZES[1]:g}; mend unit: in the spec, or say normalise: scale."
        )
    return placement


def _moved(mesh: TexturedMesh, placement: Placement | None) -> TexturedMesh:
    return mesh if placement is None else placement.apply(mesh)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
