"""`bench preferences`: do a user study's intervals, side and careless raters come out as simulated?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1
QUICK_STUDIES, QUICK_VOTES = 60, 20_000
SCHEDULED_STUDIES = 60


def command(
    studies: Annotated[int, typer.Option(min=20, help="Simulated studies of each design.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="What the studies are drawn from.")] = 0,
    votes: Annotated[int, typer.Option(min=1000, help="Votes that are timed.")] = 100_000,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="60 studies, 20,000 votes; bars widen by the error of fewer studies."),
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that simulate.")] = 2,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("runs/bench-preferences"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Simulate studies of 8 methods and analyse them as studies are analysed: careless raters found and left
    out, then strengths with intervals over raters and identities.

    Beside each coverage stands that of intervals that take every vote as independent, and that of the
    pigeonhole bootstrap as it is.
    """
    from idto3d_eval.bench.bars import write_figures
    from idto3d_eval.bench.preferences_rates import bars_of, figures, measure, table_of
    from idto3d_eval.bench.preferences_scheduling import measure_scheduling
    from idto3d_eval.bench.preferences_speed import measure_speed
    from idto3d_eval.show import drawing_bar, print_rows

    if quick:
        studies, votes = QUICK_STUDIES, QUICK_VOTES
    # Timed first, while nothing else of ours runs.
    speed = measure_speed(votes, seed)
    with drawing_bar() as told:
        rates = measure(studies, seed, told=told, workers=workers)
        # A study that chooses every pair anew takes some seconds; its own test looks at a few.
        saved = [] if quick else measure_scheduling(SCHEDULED_STUDIES, seed, told)
    bars = [*bars_of(rates), *speed, *saved]
    write_figures(out / "preferences.json", bars, designs=figures(rates))
    failed = [bar for bar in bars if not bar.passed]
    if not json:
        print_rows(table_of(rates))
    print_rows([bar.row() for bar in bars], json)
    if not json:
        typer.echo(f"Shares in per cent. Figures: {out / 'preferences.json'}")
    if failed:
        raise typer.Exit(EXIT_FAILED_CHECK)
