"""`bench sensitivity`: what calibrated identity loses when one thing about a true head is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    people: Annotated[int, typer.Option(min=2, help="So many validation people.")] = 12,
    impostors: Annotated[int, typer.Option(min=1, help="Behind a floor; 20 by definition.")] = 20,
    out: Annotated[Path, typer.Option(help="Where figures go.")] = Path("runs/bench-sensitivity"),
    weights: Annotated[
        Path | None, typer.Option(help="The folder of weights; the shipped by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Change one thing about true heads at a time and read the calibrated identity that is left.

    It says what the scoring recogniser looks at, and so what a method's figure is made of.
    """
    from idto3d_eval.bench.true_changes import price_changes
    from idto3d_eval.show import drawing_bar, print_rows
    from idto3d_eval.single import shipped_weights

    with drawing_bar() as told:
        prices = price_changes(range(people), out, weights or shipped_weights(), impostors, told)
    print_rows([price.row() for price in prices], json)
    if not json:
        typer.echo(f"Figures: {out / 'sensitivity.json'}")
