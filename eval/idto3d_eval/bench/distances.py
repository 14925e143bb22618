"""`bench distances`: distances and Chamfer of large meshes beside Open3D's own calls, in one run."""

from __future__ import annotations

from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1


def command(
    vertices: Annotated[int, typer.Option(min=1000, help="Vertices of each mesh, at least.")] = 200_000,
    threads: Annotated[int, typer.Option(min=1, help="Threads of both.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Times each is measured; the quickest counts.")] = 3,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure distance to a mesh and Chamfer distances beside Open3D's, alternating, on the same arrays."""
    from idto3d_eval.bench.distance_times import measure
    from idto3d_eval.show import print_rows

    figures = measure(vertices, threads, repeats)
    print_rows([bar.row() for bar in figures], json)
    if not all(bar.passed for bar in figures):
        raise typer.Exit(EXIT_FAILED_CHECK)
