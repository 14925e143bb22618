"""`protocols schema`: what a protocol's YAML may say, for editors and other programs."""

from __future__ import annotations

import json

import typer


def mount(group: typer.Typer) -> None:
    """Put the command beside `protocols ls` and `show`."""
    group.command("schema")(schema)


def schema() -> None:
    """Print the JSON schema of a protocol."""
    from idto3d_protocols.schema import Protocol

    print(json.dumps(Protocol.model_json_schema(), indent=2))
