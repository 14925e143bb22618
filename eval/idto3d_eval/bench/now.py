"""`bench now`: NoW as published against an independent implementation of it, medians and time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1


def command(
    pairs: Annotated[
        int, typer.Option(min=1, help="Deformed heads beside the scan; half as many other people's besides.")
    ] = 50,
    data: Annotated[
        Path | None,
        typer.Option(help="The folder that holds scan/LeePerrySmith.obj; IDTO3D_SHARED_DATA by default."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A JSON file for the figures of every pair.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Compare NoW's medians and time with the independent implementation in tests/reference, on bent heads
    and a real scan (synthetic scans where there is none)."""
    from idto3d_eval.bench.bars import write_figures
    from idto3d_eval.bench.now_pairs import draw_deformed, real_scan
    from idto3d_eval.bench.now_parity import bars, compare, load_reference_errors
    from idto3d_eval.show import drawing_bar, print_rows

    scan = real_scan(data)
    reference = load_reference_errors()
    with drawing_bar() as told:
        found = []
        for number, pair in enumerate(draw_deformed(pairs, scan)):
            found.append(compare(pair, reference))
            told("pairs", number + 1, pairs + pairs // 2)
    figures = bars(found)
    if out is not None:
        write_figures(out, figures, scan="real" if scan else "synthetic", pairs=found)
    print_rows([bar.row() for bar in figures], json)
    if not all(bar.passed for bar in figures):
        raise typer.Exit(EXIT_FAILED_CHECK)
