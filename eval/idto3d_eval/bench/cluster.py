"""`bench cluster`: how long a large run takes on clusters, by simulation with measured costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1


def command(
    run: Annotated[
        Path, typer.Option(help="The archive of a run whose jobs' measured seconds are drawn from.")
    ] = Path("docs/baselines/unseen_ids.zip"),
    people: Annotated[int, typer.Option(min=1, help="People of the large run.")] = 500,
    gpus: Annotated[str, typer.Option(help="GPUs of each cluster, between commas.")] = "8,64",
    cores: Annotated[int, typer.Option(min=1, help="Processor cores beside each GPU.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    picture: Annotated[Path | None, typer.Option(help="An SVG file: what is at work over time.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Simulate ten methods on so many people with the run's own order of jobs, and hold the makespan against
    its bound: the work of the busier resource, or the longest chain of jobs."""
    from idto3d_eval.bench.cluster_simulation import measured_seconds, simulate_clusters, write_picture
    from idto3d_eval.show import print_rows

    sizes = [int(part) for part in gpus.split(",")]
    found = simulate_clusters(measured_seconds(run), people, sizes, cores, seed)
    if picture is not None:
        write_picture(picture, found)
    print_rows([bar.row() for cluster in found for bar in cluster.bars()], json)
    if not all(bar.passed for cluster in found for bar in cluster.bars()):
        raise typer.Exit(EXIT_FAILED_CHECK)
