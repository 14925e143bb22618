"""`bench shapes`: which share of a row's score is measured person by person where a run has many people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(help="A finished run's folder with its heads, of few people.")],
    rows: Annotated[
        str | None, typer.Option(help="Labels of method rows, between commas; all by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Score a run's rows in one job each and person by person, on one core, and print what each part took."""
    from idto3d_eval.bench.shape_share import measure_shares, median_share
    from idto3d_eval.show import print_rows

    shares = measure_shares(run, [label.strip() for label in rows.split(",")] if rows else None)
    print_rows([share.row() for share in shares], json)
    if not json:
        typer.echo(f"Median share of a row's score that is measured by person: {median_share(shares):.3f}")
