"""`bench ablation`: is it distillation that makes the head, and what is each departure from plain SDS for?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1
PROTOCOLS = ("ablation", "distillation")


def command(
    protocol: Annotated[str, typer.Option(help=f"One of {', '.join(PROTOCOLS)}.")] = "ablation",
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
    progress: Annotated[bool, typer.Option(help="Show progress bars.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Run a protocol of ablations on validation people, print its table, and hold it against the bars.

    The same command again goes on where it was, and a finished run is read.
    """
    from idto3d.errors import UserError
    from idto3d_eval.bench.ablation_bars import bars_of
    from idto3d_eval.bench.protocol_bars import hold_against_bars
    from idto3d_protocols.loader import load_protocol

    if protocol not in PROTOCOLS:
        raise UserError(f"Found protocol {protocol!r}, expected one of {', '.join(PROTOCOLS)}.")
    asked = bars_of if protocol == "ablation" else lambda _: []
    if not hold_against_bars(load_protocol(protocol), runs / protocol, asked, progress=progress, json=json):
        raise typer.Exit(EXIT_FAILED_CHECK)
