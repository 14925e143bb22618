"""From a protocol to jobs: what has to be made, from what, and everything that can change the result.

    identity ─► generate ─► render ─► read ─┐
       └──────► photos ─────────────────────┼─► score (one a method row)
    gallery, reference ─────────────────────┘

Where `appearance` or `stability` is asked for, further stages read heads and views (`family_stages`). Other
recognisers that a protocol lists read the same views, photos, gallery and references in jobs of their own.

A stage receives what its key covers and nothing else, so a result cannot depend on an input that the key
does not know.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from idto3d.errors import UserError
from idto3d_baselines.external_files import content_hashes, reads_weights
from idto3d_baselines.specs import METHODS, MethodSpec
from idto3d_eval.added_identities import added_identity, require_photos
from idto3d_eval.code_version import code_version, library_versions
from idto3d_eval.collection import collected_later
from idto3d_eval.family_stages import head_stages, identity_stages, needs_of, renderers
from idto3d_eval.keys import KeyInputs, SharedFields, weights_sha256
from idto3d_eval.leaks import refuse_conflicts
from idto3d_eval.named_networks import named_networks
from idto3d_eval.plan_fields import method_fields, protocol_fields, spec_of
from idto3d_eval.plan_recognisers import other_jobs
from idto3d_eval.plan_scores import SCORED, score_jobs, scored_rows
from idto3d_eval.recognisers import find_recogniser
from idto3d_eval.resources import NOTHING_BESIDE, Resources, resources_of
from idto3d_eval.sessions import session_labels
from idto3d_eval.stage import Stage
from idto3d_eval.stages import STAGES
from idto3d_protocols.schema import MethodRow, Protocol


@dataclass(frozen=True)
class Job:
    """One artefact to make; its name is its folder under the run's."""

    name: str
    stage: str
    key_inputs: KeyInputs  # all but the digests of what it needs
    needs: tuple[str, ...] = ()
    label: str = ""  # the method row it belongs to
    threads: int = 1
    origin: str = ""  # the folder of a method from outside; moving it changes no head
    weights: str = ""  # folder of weights that only this row uses; "" for the run's
    resources: Resources = NOTHING_BESIDE

    def key(self, digests: Mapping[str, str]) -> str:
        """The content key, once the digests of all that the job needs are known."""
        return self.key_inputs.key_with({need: digests[need] for need in self.needs})


@dataclass(frozen=True)
class Plan:
    """All jobs of a protocol, each after those that it needs."""

    protocol: Protocol
    jobs: tuple[Job, ...]
    rows: Mapping[str, MethodRow]  # of the result table, by label; see `scored_rows`
    specs: Mapping[str, MethodSpec]  # by the same labels
    weights: Path

    def of_stage(self, stage: str) -> tuple[Job, ...]:
        """The jobs of one stage, in the plan's order."""
        return tuple(job for job in self.jobs if job.stage == stage)

    def scores(self) -> tuple[Job, ...]:
        """The jobs that make the rows of the result table, one a label."""
        return tuple(job for job in self.jobs if job.stage in SCORED)


@collected_later
def plan_run(
    protocol: Protocol,
    weights: Path,
    methods: Mapping[str, MethodSpec] = METHODS,
    stages: Mapping[str, Stage] = STAGES,
) -> Plan:
    """Lays out a protocol's jobs; reads weights' bytes and code, imports nothing heavy.

    Args:
        protocol: what to run.
        weights: folder of the weights that methods and readers use.
        methods: the table that the protocol's method names refer to.
        stages: what each stage runs.

    Raises:
        UserError: a method that is unknown, does not exist in the protocol's profile, or needs a truth that
            the population does not have; weights that are missing.
    """
    specs = {row.label: spec_of(row, protocol, methods) for row in protocol.methods}
    _require_weights(weights, stages)
    hashes = _hashes(weights)
    refuse_conflicts(protocol, specs, weights, hashes)
    named = named_networks(protocol).sha256() if "appearance" in protocol.metrics else {}
    laying = _Layer(protocol, stages, hashes, named)
    identities = protocol.population.identities
    jobs = [_identity_job(laying, name) for name in identities]
    jobs += [
        laying.job("photos", f"photos/{name}", needs=(f"identities/{name}",), identity=name)
        for name in identities
    ]
    for row in protocol.methods:
        method = SharedFields(method_fields(specs[row.label]))
        asked = SharedFields(
            parameters=dict(row.parameters),
            budget=protocol.budget_of(row).model_dump(),
            photos_of=row.photos_of,
        )
        for name in identities:
            for seed in protocol.seeds:
                jobs += _head_jobs(laying, row, specs[row.label], method, asked, name, seed)
    common = [job for job in jobs if job.stage == "photos"]
    if protocol.population.label == "synthetic":
        references = [
            laying.job("reference", f"references/{name}", needs=(f"photos/{name}",), identity=name)
            for name in identities
        ]
        measures = [laying.job("gallery", "gallery"), *references]
        jobs += measures
        common += measures
    references = [
        laying.job(stage, f"{stage}/{name}", needs=(f"identities/{name}",), identity=name)
        for stage in identity_stages(protocol)
        for name in identities
    ]
    jobs += _family_jobs(laying, protocol)
    jobs += references
    common += references
    for name in protocol.recognisers:
        jobs += other_jobs(laying.job, find_recogniser(name, weights), jobs)
    common += [job for job in jobs if job.stage in {"photos_by", "gallery_by", "reference_by"}]
    rows = scored_rows(protocol)
    by_label: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_label[job.label].append(job)
    for label, row in rows.items():
        jobs += score_jobs(laying.job, protocol, row, label, by_label, common)
    return Plan(
        protocol, tuple(jobs), rows, {label: specs[row.label] for label, row in rows.items()}, weights
    )


def _identity_job(laying: _Layer, name: str) -> Job:
    """Draws a synthetic person's photos, or copies those that a person was added with."""
    if laying.protocol.population.label == "synthetic":
        return laying.job("identity", f"identities/{name}", identity=name)
    person = added_identity(name)
    require_photos(laying.protocol, person)
    parameters = {"photos": person.photos, "facts": person.told}
    job = laying.job("photographs", f"identities/{name}", identity=name, parameters=parameters)
    return replace(job, origin=str(person.path.absolute()))


def _head_jobs(
    laying: _Layer,
    row: MethodRow,
    spec: MethodSpec,
    method: SharedFields,
    asked: SharedFields,
    identity: str,
    seed: int,
) -> list[Job]:
    """Generate, render and read one head.

    Args:
        laying: of the plan.
        row, spec: of the method.
        method, asked: what of the spec and of the row stands in the keys of all the row's heads.
        identity, seed: of the head.
    """
    protocol = laying.protocol
    files = _foreign_files(spec, identity, seed, protocol.expressions)
    place = f"{row.label}/{identity}/seed-{seed}"
    heads = laying.job(
        "generate",
        f"heads/{place}",
        needs=(f"identities/{protocol.conditioning_identity(row, identity)}",),
        identity=identity,
        label=row.label,
        seed=seed,
        method=method,
        parameters={**asked, **files} if files else asked,
        entry=spec.entry,
        threads=protocol.budget_of(row).threads,
        repeat=row.repeat,
    )
    heads = replace(heads, resources=resources_of(spec, protocol.profile))
    if spec.outside:
        # A day on somebody's GPU is not spent anew because a prior of ours was trained again.
        kept = {file: sha for file, sha in heads.key_inputs.weights.items() if reads_weights(file)}
        heads = replace(heads, origin=spec.origin, key_inputs=replace(heads.key_inputs, weights=kept))
    if row.weights is not None:
        found = {f: sha for f, sha in _hashes(Path(row.weights)).items() if laying.reads("generate", f)}
        heads = replace(heads, weights=row.weights, key_inputs=replace(heads.key_inputs, weights=found))
    views = laying.job(
        "render", f"views/{place}", needs=(heads.name,), identity=identity, label=row.label, seed=seed
    )
    features = laying.job(
        "read", f"features/{place}", needs=(views.name,), identity=identity, label=row.label, seed=seed
    )
    return [heads, views, features]


def _family_jobs(laying: _Layer, protocol: Protocol) -> list[Job]:
    """What the families of appearance and stability read of each head."""
    jobs = []
    for row in protocol.methods:
        first = session_labels(protocol, row)[0]
        for stage in head_stages(protocol, row):
            for identity in protocol.population.identities:
                for seed in protocol.seeds:
                    own, other = (f"{label}/{identity}/seed-{seed}" for label in (row.label, first))
                    parameters: dict[str, Any] = {"first": other, "own": own} if stage == "sessions" else {}
                    if stage == "environments":
                        parameters = {"renderers": renderers()}
                    jobs.append(
                        laying.job(
                            stage,
                            f"{stage}/{own}",
                            needs=needs_of(stage, own, other),
                            identity=identity,
                            label=row.label,
                            seed=seed,
                            parameters=parameters,
                        )
                    )
    return jobs


@dataclass(frozen=True)
class _Layer:
    """Fills in what all jobs of a stage have in common, once for all of them."""

    protocol: Protocol
    stages: Mapping[str, Stage]
    hashes: Mapping[str, str]
    named: Mapping[str, str]  # of the networks that a user brings for appearance
    _alike: dict[str, tuple[SharedFields, SharedFields]] = field(default_factory=dict)

    def alike(self, stage: str) -> tuple[SharedFields, SharedFields]:
        """The protocol's fields and the weights in the key of every job of a stage."""
        if stage not in self._alike:
            table = self.stages[stage]
            fields = protocol_fields(self.protocol, table.fields)
            read = {file: sha for file, sha in self.hashes.items() if table.reads_weights(file)}
            self._alike[stage] = (
                SharedFields(name=self.protocol.name, version=self.protocol.version, **fields),
                SharedFields({**read, **(self.named if "appearance" in table.fields else {})}),
            )
        return self._alike[stage]

    def reads(self, stage: str, file: str) -> bool:
        """Whether a weight file can change what a stage makes."""
        return self.stages[stage].reads_weights(file)

    def job(
        self,
        stage: str,
        name: str,
        needs: tuple[str, ...] = (),
        identity: str = "",
        label: str = "",
        seed: int = 0,
        method: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        entry: str = "",
        threads: int | None = None,
        repeat: int = 0,
    ) -> Job:
        table = self.stages[stage]
        pinned = self.protocol.budget.threads if threads is None else threads
        entries = [table.entry, *([entry] if entry else [])]
        shared, weights = self.alike(stage)
        inputs = KeyInputs(
            stage=stage,
            protocol=shared,
            method=method or _NOTHING,
            parameters=parameters or _NOTHING,
            weights=weights,
            identity=identity,
            seed=seed,
            repeat=repeat,
            code=" ".join(code_version(name) for name in entries),
            libraries=_libraries(),
            threads=pinned,
        )
        return Job(name, stage, inputs, needs, label, pinned)


_NOTHING = SharedFields()


@functools.cache
def _libraries() -> SharedFields:
    return SharedFields(library_versions())


def _hashes(weights: Path) -> dict[str, str]:
    return weights_sha256([weights]) if weights.exists() else {}


def _foreign_files(
    spec: MethodSpec, identity: str, seed: int, expressions: Sequence[str]
) -> dict[str, dict[str, str]]:
    return {"files": content_hashes(spec, identity, seed, expressions)} if spec.outside else {}


def _require_weights(weights: Path, stages: Mapping[str, Stage]) -> None:
    """Tells before hours of work that nothing could be scored at their end."""
    for name in sorted({name for stage in stages.values() for name in stage.needs_weights}):
        if not (weights / name).is_file():
            raise UserError(
                f"Found no {name} in {weights}, expected the networks that score to be there; "
                f"train it with 'idto3d-eval train {Path(name).stem}', or name another folder."
            )
