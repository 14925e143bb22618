"""`idto3d-eval protocols schema|validate|leaks`, beside the `ls` and `show` of every noun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

EXIT_WRONG = 2


def mount(group: typer.Typer) -> None:
    """Put the commands beside `protocols ls` and `show`."""
    group.command("schema")(schema)
    group.command("validate")(validate)
    group.command("leaks")(leaks)


def schema() -> None:
    """Print the JSON schema of a protocol."""
    from idto3d_protocols.schema import json_schema

    print(json.dumps(json_schema(), indent=2))


def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML files, or shipped names.")],
    weights: Annotated[
        Path | None, typer.Option(help="The folder of weights; the shipped ones by default.")
    ] = None,
) -> None:
    """Check protocols: fields, methods, metrics, expressions, people, weights, and who was trained on."""
    from idto3d_eval.protocol_check import check_protocol
    from idto3d_eval.single import shipped_weights

    all_well = True
    for file in files:
        checked = check_protocol(file, weights or shipped_weights())
        for sentence in checked.wrong:
            typer.echo(f"{file}: {' '.join(sentence.split())}", err=True)
        if checked.protocol is not None and not checked.wrong:
            typer.echo(f"{file}: {checked.protocol.name} version {checked.protocol.version} is well")
        all_well = all_well and not checked.wrong
    if not all_well:
        raise typer.Exit(EXIT_WRONG)


def leaks(
    protocol: Annotated[str, typer.Argument(metavar="NAME", help="A protocol's name, or a YAML file.")],
    people: Annotated[
        int, typer.Option(help="Training people that are compared, of each list; 0 for all of them.")
    ] = 100,
    run: Annotated[Path | None, typer.Option(help="A run's folder, whose next report then shows it.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say of each row and person whether unseen is verified, unverifiable, or an overlap, and why."""
    from idto3d_baselines.discovery import known_methods
    from idto3d_eval.leak_states import leak_rows
    from idto3d_eval.nearest_people import measure_nearest, write_nearest
    from idto3d_eval.show import drawing_bar, print_rows
    from idto3d_eval.single import shipped_weights
    from idto3d_protocols.loader import load_protocol

    loaded, weights = load_protocol(protocol), shipped_weights()
    specs = known_methods().named([row.method for row in loaded.methods])
    with drawing_bar() as told:
        nearest = measure_nearest(loaded, weights, people, told)
    if run is not None:
        write_nearest(run, nearest)
    print_rows(leak_rows(loaded, specs, weights, nearest), json_)
