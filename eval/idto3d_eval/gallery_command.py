"""`gallery`: a run's heads as pictures to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="A run's name, or its folder.")],
    out: Annotated[Path, typer.Option(help="The folder that the pictures go to.")],
    method: Annotated[str, typer.Option(help="The row of the run whose heads are shown.")] = "id_to_3d",
    people: Annotated[int, typer.Option(min=1, help="How many people, the first ones of the run.")] = 4,
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw.")] = 2,
    sheets: Annotated[
        bool,
        typer.Option("--sheets", help="All methods instead: methods × people, and × expressions of each."),
    ] = False,
    each: Annotated[
        bool, typer.Option("--each", help="A picture of each method instead: its heads from all around.")
    ] = False,
    errors: Annotated[
        bool,
        typer.Option(
            "--errors", help="Heat maps of geometry instead, of all methods: pictures and GLB files."
        ),
    ] = False,
) -> None:
    """Draw a run's heads: a method's beside photos and true heads, with a turntable; or all methods'; or
    where their geometry is wrong."""
    from rich.console import Console

    from idto3d_eval.error_gallery import write_error_maps
    from idto3d_eval.gallery import Shelf, write_gallery
    from idto3d_eval.portraits import write_portraits
    from idto3d_eval.sheets import write_sheets

    folder = Path(run) if Path(run).is_dir() else runs / run
    if sheets or each:
        for path in write_sheets(folder, out) if sheets else write_portraits(folder, out, people):
            typer.echo(str(path))
        return
    with Console(stderr=True).status("Drawing …") as status:
        if errors:
            for path in write_error_maps(folder, out, people, told=status.update):
                typer.echo(str(path))
            return
        paths = write_gallery(
            Shelf(folder, method),
            out,
            people,
            workers,
            lambda done, total: status.update(f"Turntable: {done} of {total} heads"),
        )
    for path in paths:
        typer.echo(str(path))
