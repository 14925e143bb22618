"""Reads protocols: by the name of a shipped one, or from a user's YAML file, bounded and safe-loaded."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from idto3d.errors import UserError
from idto3d_protocols.bounded_yaml import MAX_BYTES as MAX_BYTES
from idto3d_protocols.bounded_yaml import parse_mapping, read_text, sentence
from idto3d_protocols.schema import Protocol


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
        try:
            found = read_text(Path(text), "protocol", f"shipped protocols are {', '.join(protocol_names())}")
        except ValueError as error:
            raise ProtocolError(str(error)) from None
        return parse_protocol(found, source=text)
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
    named = f"Protocol {source}"
    try:
        data = parse_mapping(text, named)
    except ValueError as error:
        raise ProtocolError(str(error)) from None
    try:
        return Protocol.model_validate(data)
    except ValidationError as error:
        raise ProtocolError(sentence(error, named, Protocol)) from None
