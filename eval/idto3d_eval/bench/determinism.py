"""`bench determinism`: does the same seed give the same files, and what does another thread count change?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1


def command(
    person: Annotated[int, typer.Option(min=0, help="Which validation person.")] = 0,
    expressions: Annotated[str, typer.Option(help="Names between commas, or all.")] = "neutral,smile",
    threads: Annotated[
        str, typer.Option(help="Thread counts between commas; the first is made twice.")
    ] = "1,2",
    steps: Annotated[
        str | None, typer.Option(help="GEOMETRY,TEXTURE; those of unseen_ids by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="What the drawing of random numbers starts from.")] = 0,
    impostors: Annotated[int, typer.Option(min=1, help="Behind a floor; 20 by definition.")] = 20,
    out: Annotated[Path, typer.Option(help="Where heads and figures go.")] = Path("runs/bench-determinism"),
    weights: Annotated[
        Path | None, typer.Option(help="The folder of weights; the shipped by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Make one head twice with one seed, and with other thread counts, each in a process of its own.

    The same command again goes on where it was: a head that is made is not made again.
    """
    from idto3d_eval.bench.made_heads import Order, parse_steps
    from idto3d_eval.bench.repeats import compare_repeats, thread_counts
    from idto3d_eval.show import drawing_bar, print_rows
    from idto3d_eval.single import expressions_named, shipped_weights

    geometry, texture = parse_steps(steps)
    names = expressions_named(expressions)
    order = Order(person, names, geometry_steps=geometry, texture_steps=texture, seed=seed)
    with drawing_bar() as told:
        bars = compare_repeats(
            order, thread_counts(threads), out, weights or shipped_weights(), impostors, told
        )
    print_rows([bar.row() for bar in bars], json)
    if not json:
        typer.echo(f"Figures: {out / 'determinism.json'}")
    if not all(bar.passed for bar in bars):
        raise typer.Exit(EXIT_FAILED_CHECK)
