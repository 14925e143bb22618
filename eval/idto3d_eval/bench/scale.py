"""`bench scale`: how long and how large are `report` and `compare` on ten million score rows?"""

from __future__ import annotations

from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1


def command(
    rows: Annotated[int, typer.Option(min=1000, help="Score rows of a run.")] = 10_000_000,
    ordinary: Annotated[int, typer.Option(min=1000, help="Score rows of an ordinary run.")] = 100_000,
    cores: Annotated[int, typer.Option(min=1, help="Processor cores that the commands may use.")] = 2,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Make runs of so many rows in a temporary folder, and time the real commands in their processes."""
    from idto3d_eval.bench.scale_runs import measure_scale
    from idto3d_eval.show import drawing_bar, print_rows

    with drawing_bar() as told:
        bars = measure_scale(rows, ordinary, cores, told)
    print_rows([bar.row() for bar in bars], json)
    if not all(bar.passed for bar in bars):
        raise typer.Exit(EXIT_FAILED_CHECK)
