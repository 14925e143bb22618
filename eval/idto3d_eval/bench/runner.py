"""`bench runner`: what the runner itself costs, locally and by Ray, and how large a plan it carries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1


def command(
    jobs: Annotated[int, typer.Option(min=100, help="Jobs of the large plan, about.")] = 100_000,
    only: Annotated[
        str | None,
        typer.Option(help="plan, overhead, sleep or generate, several with commas; all by default."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A JSON file for the figures.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Plan and recall a run of so many jobs; time jobs that do nothing, that sleep and that make heads, by
    one worker and by two."""
    from idto3d_eval.bench.bars import write_figures
    from idto3d_eval.bench.runner_times import MEASURES, measure
    from idto3d_eval.show import drawing_bar, print_rows

    chosen = tuple(name.strip() for name in only.split(",")) if only else tuple(MEASURES)
    with drawing_bar() as told:
        figures = measure(chosen, jobs, told)
    if out is not None:
        write_figures(out, figures, jobs=jobs)
    print_rows([bar.row() for bar in figures], json)
    if not all(bar.passed for bar in figures):
        raise typer.Exit(EXIT_FAILED_CHECK)
