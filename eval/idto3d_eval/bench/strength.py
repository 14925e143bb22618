"""`bench strength`: the generator with all 13 expressions on people whom no choice was made on, held against
the issue's bars: the held-out twelve, a fresh draw, or people unlike any that a network saw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1
PROTOCOL = "unseen_ids_full"
FRESH_SEED = 1  # of the fresh draw; another one draws others
PEOPLE = ("heldout", "fresh", "shifted")


def command(
    people: Annotated[str, typer.Option(help=f"One of {', '.join(PEOPLE)}.")] = PEOPLE[0],
    population_seed: Annotated[int, typer.Option(help="Of the fresh draw.")] = FRESH_SEED,
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
    progress: Annotated[bool, typer.Option(help="Show progress bars.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Make and score heads with 13 expressions, print the table, and hold it against the bars.

    The same command again goes on where it was, and a finished run is read.
    """
    import polars

    from idto3d_eval.bench.protocol_bars import hold_against_bars
    from idto3d_eval.bench.strength_bars import bars_of, of_people
    from idto3d_protocols.loader import load_protocol

    protocol = of_people(load_protocol(PROTOCOL), people, population_seed)
    folder = runs / protocol.name
    if not hold_against_bars(
        protocol,
        folder,
        lambda summary: bars_of(summary, polars.read_parquet(folder / "scores.parquet")),
        progress=progress,
        json=json,
    ):
        raise typer.Exit(EXIT_FAILED_CHECK)
