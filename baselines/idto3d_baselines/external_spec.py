"""What `methods/NAME.yaml` says of a method from outside: read bounded, checked against a strict schema, and
turned into a row of the table of methods. Nothing of the method itself is imported or run here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from idto3d.errors import UserError
from idto3d_baselines.specs import MethodSpec, Reproduction
from idto3d_protocols.bounded_yaml import parse_mapping, read_text, sentence, shown
from idto3d_protocols.schema import Model, Name

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
IN_PATHS = frozenset({"identity", "expression", "seed"})
IN_COMMANDS = frozenset(
    {
        "photos",
        "photo",
        "subject",
        "out",
        "identity",
        "seed",
        "expressions",
        "threads",
        "guidance_calls",
        "spec",
    }
)

Text = Annotated[str, Field(min_length=1, max_length=4000)]
Path_ = Annotated[str, Field(min_length=1, max_length=1000)]
Axis = Literal["+x", "-x", "+y", "-y", "+z", "-z"]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]


class SpecError(UserError):
    """A method's file that is missing, unreadable or wrong in a field."""


class _Common(Model):
    """What every method from outside says of itself."""

    schema_version: Literal[1]
    name: Name
    summary: Text
    conditioned_on: Annotated[tuple[Text, ...], Field(min_length=1, max_length=16)]
    """What it receives of the person; never "truth"."""
    knows_population: bool
    """Whether it knows the generating family of synthetic people; such rows stand apart."""
    licence: Text
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|unknown)$")] | None
    """The pinned commit of its code; null where there is no code, "unknown" where nobody noted it."""
    source: Text
    reproduction: Reproduction
    install: Annotated[str, Field(max_length=8000)]
    """How a person gets it to run; it is shown, never run."""
    profiles: Annotated[tuple[Literal["embedded", "paper"], ...], Field(min_length=1)]
    guidance_calls: Annotated[int, Field(ge=0)] | Literal["unknown"]
    """Images × network evaluations a head, as its author counts them: declared, not measured."""
    best_of: Annotated[int, Field(ge=1, le=1000)] = 1
    """Attempts at a head of which it keeps one; its guidance calls are those of all of them."""
    unit: Literal["m", "cm", "mm"]
    """Of its files' lengths."""
    up: Axis | None = None
    forward: Axis | None = None
    """Which of the files' axes point out of the crown and out of the face; found by landmarks where null."""
    normalise: Literal["pose", "scale", "none"] = "pose"
    """Whether landmarks move the head into the head frame; "scale" changes its size too."""
    heads: Path_
    """Where its files lie, with {identity}, {expression} and {seed}: .glb, .obj or .ply."""
    neutral: Path_ | None = None
    """The neutral expression's file, where it goes by another name."""
    expressions: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)] | None = None
    """Which expressions it provides; null: of assets those that are there, of a command all."""

    @model_validator(mode="after")
    def _fields_fit_together(self) -> _Common:
        if "truth" in self.conditioned_on:
            raise ValueError("conditioned_on says 'truth', expected what a method from outside may receive")
        if (self.up is None) != (self.forward is None):
            raise ValueError("up and forward are said one without the other, expected both or neither")
        if self.up is not None and self.forward is not None and self.up[1] == self.forward[1]:
            raise ValueError(f"up {self.up} and forward {self.forward} lie on one axis, expected two axes")
        if self.expressions is not None and "neutral" not in self.expressions:
            raise ValueError("expressions lacks 'neutral', expected it, since drift is measured from it")
        for field, text in (("heads", self.heads), ("neutral", self.neutral or "")):
            _check_placeholders(field, text, IN_PATHS)
        return self


class AssetsSpec(_Common):
    """Heads that were made elsewhere: a folder with a file an identity and expression."""

    kind: Literal["external-assets"]
    folder: Path_
    """Absolute, or relative to the spec's own folder; no head's file may lie outside it."""


class Environment(Model):
    """Where a command runs; exactly one of the three."""

    venv: Path_ | None = None
    """A Python environment's folder, absolute or relative to the spec's."""
    conda: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=100)] | None = None
    container: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$", max_length=300)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Environment:
        said = [name for name in ("venv", "conda", "container") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(
                f"environment says {', '.join(said) or 'nothing'}, expected one of venv, conda, container"
            )
        return self


class ResourcesSpec(Model):
    """What one head takes of a machine, for runs that place jobs on several."""

    gpus: Annotated[float, Field(ge=0, le=64)] = 0.0
    """A share of a GPU, or several."""
    memory_mib: Annotated[float, Field(ge=0, le=16 * 1024 * 1024)] = 0.0
    """Of main memory; 0 where nothing is reserved."""


class CommandSpec(_Common):
    """Heads that a program makes: an argv template, run without a shell, whose files are read afterwards."""

    kind: Literal["external-command"]
    argv: Annotated[tuple[Annotated[str, Field(max_length=4000)], ...], Field(min_length=1, max_length=256)]
    """Program and arguments; {photos} and {out} (folders), {photo} (the first), {subject} (text attributes
    read from the photos), {identity}, {seed}, {expressions} (with commas), {threads}, {guidance_calls} and
    {spec} (the spec's own folder) are filled in, each within its one argument."""
    environment: Environment | None = None
    timeout_s: Annotated[float, Field(gt=0, le=7 * 24 * 3600)]
    disk_mib: Annotated[float, Field(gt=0, le=1024 * 1024)]
    """Of all that it writes into its work folder, temporary files included."""
    files: Annotated[tuple[Path_, ...], Field(max_length=1000)] = ()
    """Further files that can change its result (weights, configs, adapters), relative to the spec's folder:
    their hashes are in a head's key."""
    variables: dict[Variable, Annotated[str, Field(max_length=4000)]] = Field(default_factory=dict)
    """Environment variables that are set."""
    pass_environment: Annotated[tuple[Variable, ...], Field(max_length=64)] = ()
    """Environment variables that are handed on as they are; no other is, beside PATH and the locale."""
    resources: ResourcesSpec = ResourcesSpec()
    """Changes no head, and is in no head's key."""

    @model_validator(mode="after")
    def _argv_fits(self) -> CommandSpec:
        for argument in self.argv:
            _check_placeholders("argv", argument, IN_COMMANDS)
        if not self.argv[0] or any("\0" in argument for argument in self.argv):
            raise ValueError("argv holds an empty program or a NUL, expected a program and its arguments")
        return self


ExternalSpec = AssetsSpec | CommandSpec
_MODELS: dict[str, type[AssetsSpec] | type[CommandSpec]] = {
    "external-assets": AssetsSpec,
    "external-command": CommandSpec,
}
_ENTRIES = {
    "external-assets": "idto3d_baselines.external_assets:generate",
    "external-command": "idto3d_baselines.external_command:generate",
}


def json_schema() -> dict[str, Any]:
    """The JSON schema of `methods/NAME.yaml`."""
    schema = TypeAdapter(Annotated[ExternalSpec, Field(discriminator="kind")]).json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A method from outside",
        **schema,
    }


def load_external(path: Path) -> MethodSpec:
    """The method that a YAML file describes.

    Args:
        path: `NAME.yaml`, where NAME is the method's name.

    Raises:
        SpecError: missing, oversized or malformed, a field that does not fit, or a file of another name.
    """
    named = f"Method {path.name}"
    try:
        data = parse_mapping(read_text(path, "method", "check the path"), named)
    except ValueError as error:
        raise SpecError(str(error)) from None
    model = _MODELS.get(str(data.get("kind")))
    if model is None:
        found = shown(data["kind"]) if "kind" in data else "no kind"
        raise SpecError(f"{named}: found {found}, expected kind to be one of {', '.join(_MODELS)}.")
    try:
        spec = model.model_validate(data)
    except ValidationError as error:
        raise SpecError(sentence(error, named, model)) from None
    if spec.name != path.stem:
        raise SpecError(f"{named} names itself {spec.name!r}, expected {path.stem!r}; rename one of the two.")
    return MethodSpec(
        name=spec.name,
        kind=spec.kind,
        summary=spec.summary,
        conditioned_on=spec.conditioned_on,
        knows_population=spec.knows_population,
        licence=spec.licence,
        commit=spec.commit,
        reproduction=spec.reproduction,
        source=spec.source,
        profiles=spec.profiles,
        entry=_ENTRIES[spec.kind],
        settings=spec.model_dump(mode="json"),
        origin=str(path.parent.resolve()),
    )


def assets_settings(settings: Mapping[str, Any]) -> AssetsSpec:
    """The spec again, from what `MethodSpec.settings` carries of it."""
    return AssetsSpec.model_validate_json(json.dumps(dict(settings)))


def command_settings(settings: Mapping[str, Any]) -> CommandSpec:
    """The spec again, from what `MethodSpec.settings` carries of it."""
    return CommandSpec.model_validate_json(json.dumps(dict(settings)))


def spec_of(settings: Mapping[str, Any]) -> ExternalSpec:
    """As the two above, of whichever kind it is."""
    return (assets_settings if settings["kind"] == "external-assets" else command_settings)(settings)


def _check_placeholders(field: str, text: str, known: frozenset[str]) -> None:
    for name in PLACEHOLDER.findall(text):
        if name not in known:
            names = ", ".join(f"{{{each}}}" for each in sorted(known))
            raise ValueError(f"{field} holds {{{name}}}, expected one of {names}")
