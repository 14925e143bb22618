"""`bench interpolation`: between two expressions of a head, is every step a sound mesh of the same person?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1


def command(
    asset: Annotated[
        Path | None, typer.Argument(help="A head; made of validation people where none is named.")
    ] = None,
    people: Annotated[int, typer.Option(min=1, max=100, help="Validation people to make heads of.")] = 1,
    expressions: Annotated[
        str | None, typer.Option(help="all, or names between commas; all by default.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=0, help="So many of the pairs, evenly chosen; 0 is all.")] = 0,
    steps: Annotated[
        str | None, typer.Option(help="GEOMETRY,TEXTURE; those of unseen_ids by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="What the drawing of random numbers starts from.")] = 0,
    impostors: Annotated[int, typer.Option(min=1, help="Behind a floor; 20 by definition.")] = 20,
    out: Annotated[Path, typer.Option(help="Where heads and figures go.")] = Path("runs/bench-interpolation"),
    weights: Annotated[
        Path | None, typer.Option(help="The folder of weights; the shipped by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Blend each pair of a head's expressions in 11 steps: mesh validity, and identity at its lowest.

    The same command again goes on where it was: a head that is made is not made again, nor a pair measured.
    """
    from idto3d_eval.bench.blends import interpolation_bars, measure_asset, write_interpolation
    from idto3d_eval.bench.made_heads import Order, make_head, parse_steps, staged
    from idto3d_eval.show import drawing_bar, print_rows
    from idto3d_eval.single import expressions_named, shipped_weights

    folder, names = weights or shipped_weights(), expressions_named(expressions)
    assets = {} if asset is None else {asset.name: asset}
    with drawing_bar() as told:
        for index in range(people if asset is None else 0):
            geometry, texture = parse_steps(steps)
            order = Order(index, names, geometry_steps=geometry, texture_steps=texture, seed=seed)
            made = make_head(order, out, folder, staged(told, f"head {index + 1} of {people}"))
            assets[made.name] = made
        measured = {
            name: measure_asset(path, names, pairs, out, folder, impostors, told)
            for name, path in assets.items()
        }
    bars = interpolation_bars(measured)
    write_interpolation(out / "interpolation.json", bars, measured)
    print_rows([bar.row() for bar in bars], json)
    if not json:
        lowest = sorted(
            (pair for found in measured.values() for pair in found), key=lambda pair: pair.badness
        )
        print_rows([pair.row() for pair in lowest[:10]])
        typer.echo(f"Figures: {out / 'interpolation.json'}")
    if not all(bar.passed for bar in bars):
        raise typer.Exit(EXIT_FAILED_CHECK)
