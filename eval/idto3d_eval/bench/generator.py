"""`bench generator`: a step of both stages against the sum of the parts that no step can do without."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

EXIT_FAILED_CHECK = 1


def command(
    steps: Annotated[int, typer.Option(min=2, help="Steps of each stage that are timed.")] = 20,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads.")] = 2,
    protocol: Annotated[str, typer.Option(help="The protocol whose budget a head is extrapolated to.")] = (
        "unseen_ids"
    ),
    profile: Annotated[
        Literal["embedded", "paper"],
        typer.Option(help="The shipped networks, or random ones of Stable Diffusion 1.5's size on CUDA."),
    ] = "embedded",
    whole: Annotated[bool, typer.Option("--whole", help="Make one whole head too, and time it.")] = False,
    where: Annotated[int, typer.Option(min=0, help="Functions to list by own time in a step.")] = 0,
    processor_time: Annotated[
        bool,
        typer.Option("--processor-time", help="Count processor time, where other work shares the machine."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Time the generator's steps part by part, and a head with 13 expressions."""
    from idto3d_eval.bench.generator_cost import cost_of_generator
    from idto3d_eval.bench.generator_setup import SETUPS
    from idto3d_eval.show import print_fields, print_rows

    setup = SETUPS[profile](protocol)
    if isinstance(setup, str):
        print_fields({"not measured": setup}, json)
        return
    cost = cost_of_generator(setup, steps, threads, whole=whole, processor_time=processor_time, top=where)
    if json:
        print_fields(cost.record(), json)
    else:
        for rows in cost.tables():
            print_rows(rows)
            typer.echo()
    if cost.failed:
        raise typer.Exit(EXIT_FAILED_CHECK)
