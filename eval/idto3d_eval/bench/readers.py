"""`bench readers`: our path from photograph to embedding against the bare ONNX Runtime session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1


def command(
    faces: Annotated[int, typer.Option(min=8, help="Faces a round, a multiple of 8.")] = 256,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each way, in turns.")] = 9,
    weights: Annotated[
        Path | None, typer.Option(help="The folder of weights; the shipped by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Read the same faces by the bare session, by embedding alone, and with alignment, in turns."""
    from idto3d_eval.bench.throughput import measure_throughput
    from idto3d_eval.show import print_rows
    from idto3d_eval.single import shipped_weights

    found = measure_throughput(weights or shipped_weights(), faces, rounds)
    bars = found.bars()
    print_rows([bar.row() for bar in bars], json)
    if not json:
        print_rows(found.rows())
    if not all(bar.passed for bar in bars):
        raise typer.Exit(EXIT_FAILED_CHECK)
