"""The table of methods, readable without importing any: what each is, was given, and how it came here.

Each stands as `SPEC` in the file that makes its heads.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

from idto3d.errors import UserError
from idto3d_protocols.schema import Budget, Parameter

Kind = Literal["native", "adapted", "external-command", "external-assets", "floor", "bracket", "ceiling"]
Reproduction = Literal["own", "measured", "approximated", "not-reproduced", "untested here"]
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
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the file of a method from outside says; {} for all others."""
    origin: Path = Path()
    """The folder that such a file lies in."""


@dataclass(frozen=True)
class MethodSpec:
    """What a reader of the result table must know about a method."""

    name: str
    kind: Kind
    summary: str
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
    """Whether it asks the diffusion model, and so spends exactly a protocol's guidance calls."""
    takes_prompt: bool = False
    profiles: tuple[str, ...] = ("embedded", "paper")
    entry: str = ""
    """`module:function`, where the function takes a GenerateRequest; imported only when heads are made. By
    default `generate` in the file of the method's name."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the file of a method from outside says (see `external_spec`); {} for all others."""
    origin: str = ""
    """The folder that such a file lies in; of no consequence for its heads."""

    def __post_init__(self) -> None:
        if not self.entry:
            object.__setattr__(self, "entry", f"idto3d_baselines.{self.name}:generate")

    @property
    def outside(self) -> bool:
        """Whether it stands in a file of its own and its code is not this package's."""
        return bool(self.settings)

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


def _spec_in(name: str) -> MethodSpec:
    """The `SPEC = MethodSpec(...)` of a method's file, from its syntax tree: nothing is imported.

    Raises:
        UserError: the file has none, or one that is not written out in plain values.
    """
    path = Path(__file__).with_name(f"{name}.py")
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "SPEC":
            assert isinstance(statement.value, ast.Call)
            try:
                return MethodSpec(**{str(k.arg): ast.literal_eval(k.value) for k in statement.value.keywords})
            except ValueError:
                break
    raise UserError(f"Found no SPEC of plain values in {path.name}, expected `SPEC = MethodSpec(name=…, …)`.")


# The order is that of the tables. A new method is a file with a SPEC and a `generate`, and a line here.
NAMES = (
    "id_to_3d",
    "text_sds",
    "fantasia3d",
    "fantasia3d_token",
    "dreamfusion",
    "humannorm",
    "tada",
    "tada_token",
    "magic123",
    "dreamcraft3d",
    "morphable_fit",
    "photo_projection",
    "image_fit",
    "feed_forward",
    "sample_and_fit",
    "noise_sds",
    "template_mean",
    "impostor",
    "oracle",
)

METHODS: dict[str, MethodSpec] = {name: _spec_in(name) for name in NAMES}
