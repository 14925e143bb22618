"""`idto3d-eval generate`: one person's heads from their photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    out: Annotated[Path, typer.Option(help="The folder that the heads are written to.")],
    given: Annotated[
        list[Path] | None, typer.Argument(metavar="PHOTO", help="Photographs of one person, or folders.")
    ] = None,
    photos: Annotated[
        list[Path] | None, typer.Option(help="A folder of one person's photographs; may be given again.")
    ] = None,
    prompt: Annotated[
        str, typer.Option(help='What they should look like beyond the photos: "with a beard", "old, bald".')
    ] = "",
    expressions: Annotated[
        str | None, typer.Option(help="all, or names between commas; all by default.")
    ] = None,
    expression: Annotated[list[str] | None, typer.Option(help="One name; may be given again.")] = None,
    seed: Annotated[int, typer.Option(help="What the drawing of random numbers starts from.")] = 0,
    method: Annotated[str, typer.Option(help="See `idto3d-eval methods ls`.")] = "id_to_3d",
    protocol: Annotated[str, typer.Option(help="The protocol whose budget is spent.")] = "quickstart",
    weights: Annotated[
        Path | None, typer.Option(help="The folder of weights; the shipped ones by default.")
    ] = None,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Make one person's heads from photographs: one GLB an expression, asset.json and preview.png."""
    from idto3d_eval.show import print_rows
    from idto3d_eval.single import PREVIEW, asset_rows, expressions_named, generate_heads

    asset = generate_heads(
        [*(given or ()), *(photos or ())],
        out,
        method,
        expressions_named(expressions, expression or ()),
        seed,
        protocol,
        weights,
        prompt=prompt,
        progress=progress,
        told=lambda sentence: typer.echo(sentence, err=True),
    )
    print_rows(asset_rows(asset))
    typer.echo(f"Heads: {asset}, shown in {asset / PREVIEW}")
