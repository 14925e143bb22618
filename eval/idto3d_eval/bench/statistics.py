"""`bench statistics`: do tests, intervals and power keep what they promise, on simulated scores?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1
QUICK_RUNS = 100


def command(
    runs: Annotated[int, typer.Option(min=20, help="Simulated runs of each cell.")] = 1000,
    seeds: Annotated[str, typer.Option(help="What the runs are drawn from, such as 0,1,2.")] = "0,1,2",
    quick: Annotated[
        bool, typer.Option("--quick", help="100 runs and one seed; bars widen by the error of fewer runs.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that simulate.")] = 2,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("runs/bench-statistics"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Simulate protocols of 8, 12, 20 and 50 identities, normal and skewed, and analyse them as tables do.

    Beside each figure stands that of an unpaired, unclustered analysis of the same scores.
    """
    from idto3d_eval.bench.bars import write_figures
    from idto3d_eval.bench.statistics_rates import bars_of, figures, measure, table_of
    from idto3d_eval.show import drawing_bar, print_rows

    asked = parse_seeds(seeds)
    if quick:
        runs, asked = QUICK_RUNS, asked[:1]
    with drawing_bar() as told:
        cells = measure(runs, asked, told=told, workers=workers)
    bars = bars_of(cells)
    write_figures(out / "statistics.json", bars, cells=figures(cells))
    failed = [bar for bar in bars if not bar.passed]
    print_rows([bar.row() for bar in bars] if json else table_of(cells), json)
    if not json:
        print_rows([bar.row() for bar in failed]) if failed else typer.echo(f"All {len(bars)} bars passed.")
        typer.echo(f"Shares in per cent. Figures: {out / 'statistics.json'}")
    if failed:
        raise typer.Exit(EXIT_FAILED_CHECK)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from "0,1,2".

    Raises:
        UserError: something else was given.
    """
    from idto3d.errors import UserError

    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        seeds = ()
    if not seeds or min(seeds) < 0:
        raise UserError(f"Found seeds '{text}', expected whole numbers from 0 on; give --seeds 0,1,2.")
    return seeds
