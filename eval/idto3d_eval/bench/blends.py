"""Heads between two expressions of an asset, and whether they are sound and still the person.

The generator's expressions share faces and UVs, and its vertices are linear in an expression's latent code
(`HeadField.mesh`: the grid's points move by code times basis, and a crossing is a mean of two of them), so
blending vertices blends the codes. Maps are blended as they lie in the files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from idto3d.errors import UserError
from idto3d_eval.bench.bars import Bar, write_figures, write_json
from idto3d_eval.bench.measured_heads import calibrated, count_identity, draw, fixed_views, person_reference
from idto3d_eval.code_version import code_version
from idto3d_eval.features import ScoringModels, load_scoring_models
from idto3d_eval.keys import content_key
from idto3d_eval.reference import Reference

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh

Told = Callable[[str, int, int], None]

STEPS = 11
FALL = 0.05  # calibrated identity that a step may lie below the lower of its two ends
UNSCORED = "no scoring photos: the head is of nobody in the synthetic population"


@dataclass(frozen=True)
class Blends:
    """The steps between two expressions.

    Attributes:
        first, second: their names.
        identity: calibrated identity at each step, ends included; NaN where it is undefined.
        problems: what keeps each step from being a sound mesh, in words; "" where nothing does, "unknown"
            where this installation cannot tell.
    """

    first: str
    second: str
    identity: tuple[float, ...]
    problems: tuple[str, ...]

    @property
    def fall(self) -> float:
        """How far the lowest step lies below the lower end; NaN where no face was read."""
        lowest = min(self.identity, key=lambda value: math.inf if math.isnan(value) else value)
        return min(self.identity[0], self.identity[-1]) - lowest

    @property
    def valid(self) -> int:
        """Number of steps that are sound meshes."""
        return sum(problem == "" for problem in self.problems)

    @property
    def badness(self) -> tuple[int, float]:
        """The worst pair comes first where pairs are sorted by it."""
        return self.valid, -self.fall if math.isfinite(self.fall) else math.inf

    def row(self) -> dict[str, str]:
        """The pair as a table shows it."""
        lowest = min(self.identity, key=lambda value: math.inf if math.isnan(value) else value)
        shown = {name: "undefined" if math.isnan(v) else f"{v:.3f}" for name, v in
                 (("lowest identity", lowest), ("below the lower end", self.fall))}  # fmt: skip
        worst = next((problem for problem in self.problems if problem), "")
        pair = {"from": self.first, "to": self.second}
        return {**pair, "sound meshes": f"{self.valid} of {len(self.problems)}", **shown, "problem": worst}


def measure_asset(
    asset: Path,
    names: Sequence[str],
    pairs: int,
    root: Path,
    weights: Path,
    impostors: int,
    told: Told | None = None,
) -> list[Blends]:
    """Every pair of an asset's expressions, measured once and kept in `root`.

    Args:
        asset: a HeadAsset whose expressions share their faces.
        names: expressions to blend, as far as the asset has them.
        pairs: how many pairs, evenly chosen; 0 is all.
        root: folder of what was measured.
        weights: folder of the scoring networks.
        impostors: true heads behind a floor.
        told: called with what is being done, pairs done and pairs in all.

    Raises:
        UserError: expressions that do not share faces and UVs, or fewer than two.
    """
    from idto3d.asset import read_expression, read_manifest

    manifest = read_manifest(asset)
    meshes = {name: read_expression(asset, name) for name in names if name in manifest.expressions}
    check_shared(meshes, asset)
    models = load_scoring_models(weights)
    reference = _reference(manifest.identity, tuple(meshes), root, models, impostors)
    key = content_key(
        {
            "files": manifest.files,
            "networks": models.cards,
            "impostors": impostors if reference else 0,
            "names": list(meshes),
            "code": code_version("idto3d_eval.bench.blends:measure_pair"),
        }
    )
    kept = root / "blends" / f"{asset.name}-{key[:16]}.json"
    known: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    chosen = evenly(list(combinations(meshes, 2)), pairs)
    for number, (first, second) in enumerate(chosen):
        name = f"{first}-{second}"
        if name not in known:
            known[name] = asdict(measure_pair(meshes, first, second, reference, models))
            write_json(kept, known)
        if told is not None:
            told(f"pairs of {asset.name}", number + 1, len(chosen))
    return [_blends(known[f"{first}-{second}"]) for first, second in chosen]


def measure_pair(
    meshes: Mapping[str, TexturedMesh],
    first: str,
    second: str,
    reference: Reference | None,
    models: ScoringModels,
) -> Blends:
    """All steps between two expressions; without a reference, identity is NaN."""
    identity, problems = [], []
    for share in np.linspace(0.0, 1.0, STEPS):
        mesh = blended(meshes[first], meshes[second], float(share))
        problems.append(mesh_problems(mesh))
        value = math.nan
        if reference is not None:
            shares = {first: 1.0 - float(share), second: float(share)}
            value = calibrated([count_identity(draw(mesh, fixed_views()), reference, models, shares)])
        identity.append(value)
    return Blends(first, second, tuple(identity), tuple(problems))


def blended(first: TexturedMesh, second: TexturedMesh, share: float) -> TexturedMesh:
    """A mesh `share` in [0, 1] of the way from one expression to another of the same head."""
    from idto3d.asset import TexturedMesh

    def between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (1.0 - share) * one.astype(np.float64) + share * other.astype(np.float64)

    return TexturedMesh(
        between(first.vertices, second.vertices),
        first.faces,
        first.uvs,
        between(first.albedo, second.albedo).round().astype(np.uint8),
        between(first.roughness_metallic, second.roughness_metallic).round().astype(np.uint8),
    )


def mesh_problems(mesh: TexturedMesh) -> str:
    """What keeps a mesh from being a sound head, in words; "" where nothing does."""
    try:
        health = import_module("idto3d.geometry.health")
    except ImportError:
        return "unknown: this installation cannot check meshes"
    return "; ".join(health.mesh_health(mesh.vertices, mesh.faces).problems)


def check_shared(meshes: Mapping[str, TexturedMesh], asset: Path) -> None:
    """Refuse expressions that cannot be blended vertex by vertex.

    Raises:
        UserError: fewer than two, or faces, UVs or maps that differ in shape.
    """
    if len(meshes) < 2:
        raise UserError(
            f"Found {len(meshes)} of the expressions in '{asset}', expected at least two; name them."
        )
    first, *others = meshes.values()
    for name, mesh in zip(list(meshes)[1:], others, strict=True):
        same = np.array_equal(first.faces, mesh.faces) and np.array_equal(first.uvs, mesh.uvs)
        if not (
            same and first.vertices.shape == mesh.vertices.shape and first.albedo.shape == mesh.albedo.shape
        ):
            raise UserError(
                f"Found '{name}' in '{asset}' with faces of its own, expected expressions that share them; "
                "only such heads can be blended."
            )


def evenly(pairs: list[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    """`count` of the pairs, evenly spread over them; all for 0."""
    if count == 0 or count >= len(pairs):
        return pairs
    return [pairs[int(place)] for place in np.linspace(0, len(pairs) - 1, count).round()]


def interpolation_bars(measured: Mapping[str, Sequence[Blends]]) -> tuple[Bar, ...]:
    """The two bars over all heads and pairs."""
    pairs = [pair for found in measured.values() for pair in found]
    steps = sum(len(pair.problems) for pair in pairs)
    unknown = any(problem.startswith("unknown") for pair in pairs for problem in pair.problems)
    sound = math.nan if unknown or not steps else sum(pair.valid for pair in pairs) / steps
    falls = [pair.fall for pair in pairs]
    undefined = [fall for fall in falls if math.isnan(fall)]
    note = UNSCORED if len(undefined) == len(falls) else f"{len(pairs)} pairs of {len(measured)} heads"
    return (
        Bar("sound meshes", sound, 1.0, least=True, note=f"{steps} meshes"),
        Bar(
            "identity below the lower end",
            math.nan if undefined or not falls else max(falls),
            FALL,
            note=note,
        ),
    )


def write_interpolation(path: Path, bars: Sequence[Bar], measured: Mapping[str, Sequence[Blends]]) -> None:
    """Write figures and all steps as JSON."""
    heads = {
        name: [{**asdict(pair), "fall": pair.fall} for pair in found] for name, found in measured.items()
    }
    write_figures(path, bars, steps=STEPS, heads=heads)


def _reference(
    identity: str, expressions: tuple[str, ...], root: Path, models: ScoringModels, impostors: int
) -> Reference | None:
    """The reference of a synthetic person; None for anybody else."""
    from idto3d.population.people import find_person

    try:
        person = find_person(identity)
    except UserError:
        return None
    names = expressions if "neutral" in expressions else ("neutral", *expressions)
    return person_reference(person, names, root, models, impostors)


def _blends(stored: Mapping[str, Any]) -> Blends:
    identity = tuple(math.nan if value is None else float(value) for value in stored["identity"])
    return Blends(stored["first"], stored["second"], identity, tuple(stored["problems"]))
