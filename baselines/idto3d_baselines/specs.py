"""The table of methods, readable without importing any: what each is, was given, and how it came here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Literal, cast

from idto3d.errors import UserError
from idto3d_protocols.schema import Budget, Parameter

Kind = Literal["native", "adapted", "external-command", "external-assets", "floor", "bracket", "ceiling"]
Reproduction = Literal["own", "measured", "approximated", "not-reproduced"]
Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is being done)."""


@dataclass(frozen=True)
class PersonReference:
    """Which synthetic person a head is of; only methods whose kind is bracket or ceiling receive it."""

    split: str
    index: int
    population_seed: int


@dataclass(frozen=True)
class GenerateRequest:
    """All that a method gets to make one identity's heads; it writes a HeadAsset folder at `out`.

    `weights` is the folder of shipped weights; `photos` are the conditioning photos and never the scoring
    ones; `truth` is None for every method that has to find out from photos.
    """

    identity: str
    photos: tuple[Path, ...]
    expressions: tuple[str, ...]
    seed: int
    budget: Budget
    weights: Path
    out: Path
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    truth: PersonReference | None = None
    progress: Progress | None = None
    prompt: str = ""
    """What a user asks for beyond the photos; only methods that take prompts receive one."""
    kept: Path | None = None
    """A folder for checkpoints and a preview, from which a method that keeps some goes on."""


@dataclass(frozen=True)
class MethodSpec:
    """What a reader of the result table must know about a method."""

    name: str
    kind: Kind
    summary: str
    entry: str
    """`module:function`, where the function takes a GenerateRequest; imported only when heads are made."""
    conditioned_on: tuple[str, ...]
    """What it receives of the person; "truth" is the person's own parameters."""
    knows_population: bool
    """Whether it knows the generating family (topology, axes or action presets): such rows stand apart."""
    licence: str
    commit: str | None
    """The pinned commit of foreign code; None where the code is this package's."""
    reproduction: Reproduction
    source: str
    needs_sds: bool = False
    takes_prompt: bool = False
    profiles: tuple[str, ...] = ("embedded", "paper")

    @property
    def needs_truth(self) -> bool:
        """Whether requests carry the person's reference."""
        return "truth" in self.conditioned_on

    def load(self) -> Callable[[GenerateRequest], None]:
        """The method's function; this imports what the method needs."""
        module, function = self.entry.split(":")
        return cast(Callable[[GenerateRequest], None], getattr(import_module(module), function))


def method_spec(name: str) -> MethodSpec:
    """The method called `name`.

    Raises:
        UserError: no method has that name.
    """
    if name not in METHODS:
        raise UserError(f"Found no method called {name!r}, expected one of {', '.join(METHODS)}.")
    return METHODS[name]


_SPECS = (
    MethodSpec(
        name="id_to_3d",
        kind="native",
        summary="ID-to-3D: SDS under geometry and texture priors conditioned on the identity embedding",
        entry="idto3d_baselines.id_to_3d:generate",
        conditioned_on=("identity embedding", "text attributes read from the photos", "expression name"),
        knows_population=False,
        licence="Apache-2.0",
        commit=None,
        reproduction="approximated",
        source="arXiv 2405.16570, re-implemented; its own weights and schedules are not public",
        needs_sds=True,
        takes_prompt=True,
    ),
    MethodSpec(
        name="text_sds",
        kind="native",
        summary="the same pipeline with text attributes and no identity embedding",
        entry="idto3d_baselines.text_sds:generate",
        conditioned_on=("text attributes read from the photos", "expression name"),
        knows_population=False,
        licence="Apache-2.0",
        commit=None,
        reproduction="own",
        source="DreamFusion, arXiv 2209.14988, in this pipeline",
        needs_sds=True,
        takes_prompt=True,
    ),
    MethodSpec(
        name="noise_sds",
        kind="native",
        summary="a control: the same pipeline under a denoiser that answers noise",
        entry="idto3d_baselines.noise_sds:generate",
        conditioned_on=("nothing: the answers are noise",),
        knows_population=False,
        licence="Apache-2.0",
        commit=None,
        reproduction="own",
        source="this project",
        needs_sds=True,
    ),
    MethodSpec(
        name="image_fit",
        kind="native",
        summary="differentiable fitting of geometry and colour to one photo",
        entry="idto3d_baselines.image_fit:generate",
        conditioned_on=("one photo", "landmarks read from it", "expression name"),
        knows_population=False,
        licence="Apache-2.0",
        commit=None,
        reproduction="own",
        source="analysis by synthesis, this package's renderer",
    ),
    MethodSpec(
        name="template_mean",
        kind="floor",
        summary="the mean head, with every expression as a preset: what knowing nobody scores",
        entry="idto3d_baselines.template_mean:generate",
        conditioned_on=("expression name",),
        knows_population=True,
        licence="Apache-2.0",
        commit=None,
        reproduction="own",
        source="the population's mean",
        profiles=("embedded",),
    ),
    MethodSpec(
        name="impostor",
        kind="bracket",
        summary="the true head of another person with the same attributes",
        entry="idto3d_baselines.impostor:generate",
        conditioned_on=("truth", "expression name"),
        knows_population=True,
        licence="Apache-2.0",
        commit=None,
        reproduction="own",
        source="the population",
        profiles=("embedded",),
    ),
    MethodSpec(
        name="oracle",
        kind="ceiling",
        summary="the person's own true head: what the measuring itself allows",
        entry="idto3d_baselines.oracle:generate",
        conditioned_on=("truth", "expression name"),
        knows_population=True,
        licence="Apache-2.0",
        commit=None,
        reproduction="own",
        source="the population",
        profiles=("embedded",),
    ),
)

METHODS: dict[str, MethodSpec] = {spec.name: spec for spec in _SPECS}
