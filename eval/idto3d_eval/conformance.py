"""The ladder that a method climbs before a protocol trusts it: one person, two expressions, made twice."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from idto3d.errors import UserError
from idto3d_baselines.discovery import KnownMethods, known_methods
from idto3d_baselines.specs import MethodSpec
from idto3d_eval import stages
from idto3d_eval.plan_fields import method_fields
from idto3d_eval.stage import StageCall
from idto3d_protocols.loader import load_protocol
from idto3d_protocols.schema import Protocol

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh

RUNGS = ("spec", "environment", "one person", "assets", "same seed, same result", "budget")
EXPRESSIONS = ("neutral", "smile")
DISTINCT = 0.1  # mm, by which some point of two expressions must differ
REPEATED = 1.0  # mm: GPU programs that repeat within this are told to, ours repeat to the byte
# A head that another program placed is read within these of the head frame; see `head_frame`.
LARGEST_TURN, LARGEST_SHIFT, SIZES = 20.0, 40.0, (0.6, 1.7)  # degrees, mm, times the mean head
LOG = "check.log"


@dataclass(frozen=True)
class Rung:
    """One step: "ok", "failed" (and why) or "skipped" (after a failure)."""

    name: str
    state: Literal["ok", "failed", "skipped"]
    told: str = ""


def climb(
    name: str,
    *,
    protocol: str = "smoke",
    identity: str | None = None,
    keep: Path | None = None,
    methods: KnownMethods | None = None,
    weights: Path | None = None,
) -> Iterator[Rung]:
    """Climb the ladder, rung by rung as each is done; after a failed one the others are skipped.

    Args:
        name: of the method.
        protocol: whose first person and budget are used.
        identity: another person than the protocol's first.
        keep: a folder to leave the heads and what the method printed in.
        methods: the table; what is discovered where None.
        weights: the shipped ones where None.
    """
    from idto3d_eval.run import shipped_weights

    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        ladder = _Ladder(
            name,
            load_protocol(protocol),
            identity,
            folder,
            known_methods() if methods is None else methods,
            weights or shipped_weights(),
        )
        failed = ""
        for rung, step in zip(RUNGS, ladder.steps(), strict=True):
            if failed:
                yield Rung(rung, "skipped", f"after {failed}")
                continue
            try:
                yield Rung(rung, "ok", step())
            except Exception as error:  # a foreign method's code: whatever it raises is how far it got
                failed = rung
                yield Rung(rung, "failed", _sentence(error))


class _Ladder:
    """What the rungs pass on to each other."""

    def __init__(
        self,
        name: str,
        protocol: Protocol,
        identity: str | None,
        folder: Path,
        methods: KnownMethods,
        weights: Path,
    ) -> None:
        self.name, self.folder, self.methods, self.weights = name, folder, methods, weights
        self.identity = identity or protocol.population.identities[0]
        population = protocol.population.model_copy(update={"identities": (self.identity,)})
        self.protocol = protocol.model_copy(update={"population": population, "expressions": EXPRESSIONS})
        self.seconds = 0.0
        self.made: stages.MadeHead | None = None

    def steps(self) -> tuple[Callable[[], str], ...]:
        return (self.spec, self.environment, self.person, self.assets, self.repeat, self.budget)

    @property
    def method(self) -> MethodSpec:
        return self.methods.spec(self.name)

    def spec(self) -> str:
        method = self.method
        if method.needs_truth and self.protocol.population.label != "synthetic":
            raise UserError(f"Found {self.name} needing true heads, expected a synthetic population.")
        return f"{method.kind}, {method.reproduction}"

    def environment(self) -> str:
        from idto3d_baselines.external_command import find_environment
        from idto3d_baselines.external_files import assets_folder
        from idto3d_baselines.external_spec import AssetsSpec, spec_of

        method = self.method
        if not method.outside:
            method.load()
            return "its code imports"
        spec, origin = spec_of(method.settings), Path(method.origin)
        if not isinstance(spec, AssetsSpec):
            return find_environment(spec, origin)
        if not assets_folder(spec, origin).is_dir():
            raise UserError(f"Found no folder '{spec.folder}', expected its heads there; mend folder:.")
        return f"folder {spec.folder}"

    def person(self) -> str:
        started = time.perf_counter()
        shutil.rmtree(self.folder / "identity", ignore_errors=True)
        (self.folder / "identity").mkdir()
        stages.make_identity(self._call("identity", {}))
        drawn = time.perf_counter()
        self.made = self._make("first")
        self.seconds = time.perf_counter() - drawn
        return f"{self.identity} in {self.seconds:.1f} s (its photos in {drawn - started:.1f} s)"

    def assets(self) -> str:
        from idto3d.asset import AssetError
        from idto3d.foreign.head_frame import place_head
        from idto3d.geometry.mean_head import load_mean_head
        from idto3d.identity.reader import load_reader

        meshes = self._meshes("first")
        told = [f"{len(meshes['neutral'].faces):,} faces"]
        # What `normalise` did is in the asset; here the written head is read anew, as for every method.
        placement = place_head(
            meshes["neutral"],
            load_reader(self.weights / "reader_methods.onnx"),
            load_mean_head(self.weights / "mean_head.npz"),
            scale=False,
        )
        if placement.turn > LARGEST_TURN or placement.shift > LARGEST_SHIFT:
            raise AssetError(
                f"Found a head turned by {placement.turn:.0f} degrees and {placement.shift:.0f} mm off the "
                f"head frame, expected at most {LARGEST_TURN:.0f} and {LARGEST_SHIFT:.0f}; let it be "
                "normalised."
            )
        if not SIZES[0] <= placement.size <= SIZES[1]:
            raise AssetError(
                f"Found a face {placement.size:.3g} times the mean head's, expected {SIZES[0]:g} to "
                f"{SIZES[1]:g}; mend the unit."
            )
        told.append(f"face read {placement.residual:.1f} mm from the mean head's landmarks")
        told.append(self._applied())
        told.append(_distinct(meshes))
        return ", ".join(part for part in told if part)

    def repeat(self) -> str:
        self._make("second")
        first, second = self.folder / "first", self.folder / "second"
        names = sorted(path.name for path in first.glob("*.glb"))
        if names != sorted(path.name for path in second.glob("*.glb")):
            raise UserError("Found other expressions the second time, expected the same; seed the method.")
        if all((first / each).read_bytes() == (second / each).read_bytes() for each in names):
            return "to the byte"
        distance = max(
            _vertex_distance(mesh, again)
            for mesh, again in zip(
                self._meshes("first").values(), self._meshes("second").values(), strict=True
            )
        )
        if distance > REPEATED:
            raise UserError(
                f"Found vertices {distance:.2f} mm apart the second time, expected at most {REPEATED:g}; "
                "seed every random number from the request's."
            )
        return f"vertices within {distance:.3f} mm"

    def budget(self) -> str:
        from idto3d_baselines.external_spec import CommandSpec, spec_of

        assert self.made is not None
        declared = self.protocol.budget.guidance_calls
        if not self.made.outside:
            needs = self.method.needs_sds
            stages.check_budget(self.made.spent, self.made.told, declared, exactly=needs)
            if declared is None:
                return f"{self.made.spent} guidance calls measured; {self.protocol.name} declares none"
            limit = f"{'exactly' if needs else 'at most'} {declared}"
            return f"{self.made.spent} guidance calls measured, {limit} declared"
        spec = spec_of(self.method.settings)
        told = f"{spec.guidance_calls} guidance calls declared, not measured"
        if isinstance(spec, CommandSpec):
            facts = self.made.facts
            told += (
                f"; {facts['command_seconds']:.1f} of {spec.timeout_s:g} s, {facts['disk_mib']:.1f} of "
                f"{spec.disk_mib:g} MiB, {facts['peak_memory_mib']:.0f} MiB of memory"
            )
        return told

    def _make(self, name: str) -> stages.MadeHead:
        """The head again, what the method prints in the log."""
        out = self.folder / name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                return stages.make_head(self._call(name, {"identity": self.folder / "identity"}))
        finally:
            with (self.folder / LOG).open("a", encoding="utf-8") as log:
                log.write(said.getvalue())

    def _call(self, name: str, inputs: dict[str, Path]) -> StageCall:
        method = self.method
        return StageCall(
            job=name,
            label=self.name,
            identity=self.identity,
            seed=self.protocol.seeds[0],
            protocol=self.protocol,
            method=method_fields(method),
            parameters={"parameters": {}, "budget": self.protocol.budget.model_dump()},
            inputs=inputs,
            failures={},
            weights=self.weights,
            out=self.folder / name,
            progress=lambda *_: None,
            origin=Path(method.origin),
        )

    def _meshes(self, name: str) -> dict[str, TexturedMesh]:
        from idto3d.given_asset import read_given, read_given_manifest

        folder = self.folder / name
        return {each: read_given(folder, each) for each in read_given_manifest(folder).expressions}

    def _applied(self) -> str:
        """What normalisation did to a head from outside."""
        from idto3d.asset import read_manifest

        facts = read_manifest(self.folder / "first").parameters.get("external")
        placement = facts.get("placement") if isinstance(facts, dict) else None
        if not isinstance(placement, dict):
            return ""
        if not placement["moved"]:
            return "it stood in the head frame"
        return (
            f"moved from up {placement['up']} forward {placement['forward']}, scaled by "
            f"{placement['scale']}, residual {placement['residual_mm']} mm"
        )


def _distinct(meshes: dict[str, TexturedMesh]) -> str:
    """How far the expressions lie apart.

    Raises:
        UserError: two are the same.
    """
    if len(meshes) < 2:
        return f"{len(meshes)} expression provided"
    first, second = (meshes[name] for name in EXPRESSIONS)
    distance = _vertex_distance(first, second)
    if distance < DISTINCT:
        raise UserError(
            f"Found {' and '.join(EXPRESSIONS)} {distance:.3f} mm apart, expected {DISTINCT:g} or more; let "
            "the method make each expression it is asked for."
        )
    return f"expressions up to {distance:.1f} mm apart"


def _vertex_distance(first: TexturedMesh, second: TexturedMesh) -> float:
    """The largest distance between two meshes' vertices, in mm; nearest ones where their counts differ."""
    if first.vertices.shape == second.vertices.shape:
        return float(np.linalg.norm(first.vertices - second.vertices, axis=1).max())
    from scipy.spatial import cKDTree

    pairs = ((first.vertices, second.vertices), (second.vertices, first.vertices))
    return max(float(cKDTree(a).query(b)[0].max()) for a, b in pairs)


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())[:500]
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
