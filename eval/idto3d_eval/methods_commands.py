"""`idto3d-eval methods check` and `methods schema`: how a method from outside enters the table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1


def mount(group: typer.Typer) -> None:
    """Add the commands to the group of `methods`."""
    group.command("check")(check)
    group.command("schema")(schema)


def check(
    name: Annotated[str, typer.Argument(help="A method's name.")],
    protocol: Annotated[str, typer.Option(help="Whose first person and budget are used.")] = "smoke",
    identity: Annotated[
        str | None, typer.Option(help="Another person, such as one that a folder of assets has.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Keep what was made, with its log, in this folder.")
    ] = None,
) -> None:
    """Climb the ladder of conformance with one tiny person, and say how far the method got."""
    from idto3d_eval.conformance import climb

    reached = True
    for rung in climb(name, protocol=protocol, identity=identity, keep=out):
        typer.echo(f"{rung.state:<8} {rung.name}{': ' if rung.told else ''}{rung.told}")
        reached = reached and rung.state == "ok"
    if not reached:
        raise typer.Exit(EXIT_FAILED_CHECK)


def schema() -> None:
    """Print the JSON schema of `methods/NAME.yaml`."""
    import json

    from idto3d_baselines.external_spec import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
