"""Reads protocols: by the name of a shipped one, or from a user's YAML file, bounded and safe-loaded."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from idto3d.errors import UserError
from idto3d_protocols.schema import Protocol

MAX_BYTES = 256 * 1024
"""A protocol of ten thousand identities stays below this; more than it is no protocol."""


class ProtocolError(UserError):
    """A protocol that is unknown, unreadable or wrong in a field."""


def protocol_names() -> list[str]:
    """Names of the shipped protocols, sorted."""
    shipped = resources.files("idto3d_protocols").iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in shipped if entry.name.endswith(".yaml"))


def load_protocol(name_or_path: str | Path) -> Protocol:
    """The protocol of that name, or in that file.

    Args:
        name_or_path: a shipped protocol's name, or a path that ends in .yaml or .yml.

    Raises:
        ProtocolError: unknown name, missing, oversized or malformed file, or a field that does not fit.
    """
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")):
        return parse_protocol(_read_file(Path(text)), source=text)
    if text not in protocol_names():
        raise ProtocolError(
            f"Found no protocol called {text!r}, expected one of {', '.join(protocol_names())} "
            "or the path of a .yaml file."
        )
    return parse_protocol(protocol_text(text), source=text)


def protocol_text(name: str) -> str:
    """The YAML of a shipped protocol, as it was written."""
    return resources.files("idto3d_protocols").joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def parse_protocol(text: str, source: str) -> Protocol:
    """The protocol that a YAML text says; `source` names it in errors.

    Raises:
        ProtocolError: the text is no YAML mapping, or a field does not fit the schema.
    """
    try:
        data = yaml.load(text, Loader=_ProtocolLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ProtocolError(f"Protocol {source} is not YAML{line}: {problem}; correct that line.") from None
    if not isinstance(data, dict):
        raise ProtocolError(f"Protocol {source} holds {_shown(data)}, expected a mapping of fields.")
    try:
        return Protocol.model_validate(data)
    except ValidationError as error:
        raise ProtocolError(_sentence(error, source)) from None


class _ProtocolLoader(yaml.SafeLoader):
    """Safe loading: makes tuples of lists (the schema is strict) and refuses repeated keys and aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "found an alias, expected none in a protocol", mark)
        return super().compose_node(parent, index)

    def construct_tuple(self, node: Any) -> Any:
        return tuple(self.construct_object(child, deep=True) for child in node.value)

    def construct_unique_mapping(self, node: Any) -> Any:
        pairs: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in pairs:
                problem = f"found the key {key!r} {'twice' if key in pairs else ''}".rstrip()
                raise yaml.constructor.ConstructorError(
                    None, None, f"{problem}, expected each field's name once", key_node.start_mark
                )
            pairs[key] = self.construct_object(value_node, deep=True)
        return pairs


_ProtocolLoader.add_constructor("tag:yaml.org,2002:seq", _ProtocolLoader.construct_tuple)
_ProtocolLoader.add_constructor("tag:yaml.org,2002:map", _ProtocolLoader.construct_unique_mapping)


def _read_file(path: Path) -> str:
    """The file's text, at most MAX_BYTES of it."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProtocolError(
            f"Found no readable protocol at {path} ({error.strerror}), expected a YAML file; "
            f"shipped protocols are {', '.join(protocol_names())}."
        ) from None
    if len(data) > MAX_BYTES:
        raise ProtocolError(
            f"Protocol {path} is larger than {MAX_BYTES} bytes, expected a YAML file within that."
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError(
            f"Protocol {path} is not UTF-8 at byte {error.start}, expected YAML text."
        ) from None


def _sentence(error: ValidationError, source: str) -> str:
    """The first thing wrong, as one sentence with field, found and expected, and how many more there are."""
    first, *rest = error.errors(include_url=False)
    field = ".".join(str(part) for part in first["loc"])
    more = f" ({len(rest)} more)" if rest else ""
    if first["type"] == "value_error":
        return f"Protocol {source}: {str(first['msg']).removeprefix('Value error, ')}{more}."
    if first["type"] == "missing":
        return f"Protocol {source} lacks the field {field}, expected it to be given{more}."
    if first["type"] == "extra_forbidden":
        parent = _fields_beside(first["loc"])
        return f"Protocol {source} has an unknown field {field}, expected only {parent}{more}."
    expected = str(first["msg"]).removeprefix("Input should be ").removeprefix("String should ")
    return f"Protocol {source}, field {field}: found {_shown(first['input'])}, expected {expected}{more}."


def _fields_beside(location: tuple[int | str, ...]) -> str:
    """The names that the schema knows where the unknown field stands."""
    schema: dict[str, Any] = Protocol.model_json_schema()
    here = schema
    for part in location[:-1]:
        here = here["items"] if isinstance(part, int) else here["properties"][part]
        here = schema["$defs"][here["$ref"].rsplit("/", 1)[-1]] if "$ref" in here else here
    return ", ".join(here["properties"])


def _shown(value: object) -> str:
    """A value as a sentence can carry it."""
    text = repr(list(value)) if isinstance(value, tuple) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
