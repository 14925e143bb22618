"""`bench rasterisers`: the same head through every pair of rasterisers, with the bound beside each figure."""

from __future__ import annotations

from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1


def command(
    resolution: Annotated[int, typer.Option(min=8, max=2048, help="Pixels of a view's side.")] = 512,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Compare the rasterisers that are there: triangles, barycentrics, masks and depth of the mean head."""
    from idto3d_eval.bench.parity import compare_backends
    from idto3d_eval.show import print_rows

    figures = compare_backends(resolution)
    print_rows([figure.row() for figure in figures], json)
    if any(figure.failed for figure in figures):
        raise typer.Exit(EXIT_FAILED_CHECK)
