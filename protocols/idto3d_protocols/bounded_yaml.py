"""YAML from users: bounded, safe-loaded, checked against a schema, and each error told as one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

MAX_BYTES = 256 * 1024
"""A protocol of ten thousand identities stays below this; more than it is no file that a person wrote."""
MAX_NODES = 20_000
"""Values and names of fields: more of them take seconds to read."""


def read_text(path: Path, what: str, otherwise: str) -> str:
    """A file's text, at most MAX_BYTES of it.

    Args:
        path: the file.
        what: what it should hold, such as "protocol".
        otherwise: what to do where it is missing, the end of a sentence.

    Raises:
        ValueError: one sentence: it is missing, too large, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(
            f"Found no readable {what} at {path} ({error.strerror}), expected a YAML file; {otherwise}."
        ) from None
    named = f"{what.capitalize()} {path}"
    if len(data) > MAX_BYTES:
        raise ValueError(f"{named} is larger than {MAX_BYTES} bytes, expected a YAML file within that.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{named} is not UTF-8 at byte {error.start}, expected YAML text.") from None


def parse_mapping(text: str, named: str) -> dict[str, Any]:
    """The mapping that a YAML text says.

    Args:
        text: YAML; lists become tuples, as strict schemas want them.
        named: the file, as its errors begin.

    Raises:
        ValueError: one sentence: no YAML, an alias, a field said twice, or no mapping.
    """
    try:
        data = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, LookupError, AttributeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where is not None else ""
        problem = getattr(error, "problem", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{named} is not YAML{line}: {problem}; correct that line.") from None
    if not isinstance(data, dict):
        raise ValueError(f"{named} holds {shown(data)}, expected a mapping of fields.")
    return data


def sentence(error: ValidationError, named: str, model: type[BaseModel]) -> str:
    """The first thing wrong, as one sentence with field, found and expected, and how many more there are."""
    first, *rest = error.errors(include_url=False)
    field = _plain(".".join(str(part) for part in first["loc"]))
    more = f" ({len(rest)} more)" if rest else ""
    if first["type"] == "value_error":
        return f"{named}: {str(first['msg']).removeprefix('Value error, ')}{more}."
    if first["type"] == "missing":
        return f"{named} lacks the field {field}, expected it to be given{more}."
    if first["type"] == "extra_forbidden":
        parent = _fields_beside(first["loc"], model)
        return f"{named} has an unknown field {field}, expected only {parent}{more}."
    expected = str(first["msg"]).removeprefix("Input should be ").removeprefix("String should ")
    return f"{named}, field {field}: found {shown(first['input'])}, expected {expected}{more}."


def shown(value: object) -> str:
    """A value as a sentence can carry it."""
    try:
        text = repr(list(value)) if isinstance(value, tuple) else repr(value)
    except ValueError:  # a number of more digits than Python writes
        text = f"a {type(value).__name__} of too many digits"
    return text if len(text) <= 60 else text[:57] + "..."


def _plain(field: str) -> str:
    """A field's name as a sentence can carry it."""
    if field.isprintable() and len(field) <= 120:
        return field
    return shown(field)


def _fields_beside(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """The names that the schema knows where the unknown field stands."""
    schema: dict[str, Any] = model.model_json_schema()
    here = schema
    for part in location[:-1]:
        here = here["items"] if isinstance(part, int) else here["properties"][part]
        here = next((option for option in here.get("anyOf", ()) if "$ref" in option), here)
        here = schema["$defs"][here["$ref"].rsplit("/", 1)[-1]] if "$ref" in here else here
    return ", ".join(here["properties"])


class _Loader(yaml.SafeLoader):
    """Safe loading: makes tuples of lists (the schemas are strict) and refuses repeated keys and aliases."""

    nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"found more than {MAX_NODES} values", mark)
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "found an alias, expected none", mark)
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


_Loader.add_constructor("tag:yaml.org,2002:seq", _Loader.construct_tuple)
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_unique_mapping)
