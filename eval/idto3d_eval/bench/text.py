"""`bench text`: heads with and without a prompt; is what was asked there, and is all else as it was?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1


def command(
    people: Annotated[int, typer.Option(min=1, max=100, help="The first so many validation people.")] = 6,
    prompts: Annotated[int, typer.Option(min=1, help="The first so many of the prompts.")] = 6,
    prompt: Annotated[
        list[str] | None, typer.Option(help="A prompt of your own; may be given again.")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(help="GEOMETRY,TEXTURE; those of unseen_ids by default.")
    ] = None,
    loudness: Annotated[float | None, typer.Option(help="Of the prompt, over the words read.")] = None,
    seed: Annotated[int, typer.Option(help="What the drawing of random numbers starts from.")] = 0,
    impostors: Annotated[int, typer.Option(min=1, help="Behind a floor; 20 by definition.")] = 20,
    out: Annotated[Path, typer.Option(help="Where heads, figures and the sheet go.")] = Path(
        "runs/bench-text"
    ),
    weights: Annotated[
        Path | None, typer.Option(help="The folder of weights; the shipped by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Make heads of validation people with and without prompts, and read them with the held-out reader.

    The same command again goes on where it was: a head that is made is not made again.
    """
    from idto3d_eval.bench.made_heads import parse_steps
    from idto3d_eval.bench.prompted import PROMPTS, TextBench, run_text
    from idto3d_eval.show import drawing_bar, print_rows
    from idto3d_eval.single import shipped_weights

    asked = tuple(prompt or PROMPTS)[:prompts]
    bench = TextBench(people, asked, parse_steps(steps), loudness, seed, impostors)
    with drawing_bar() as told:
        found = run_text(bench, out, weights or shipped_weights(), told)
    print_rows([bar.row() for bar in found.bars], json)
    if not json:
        print_rows(found.rows())
        typer.echo(f"Figures: {out / 'text.json'}, heads: {out / 'text.png'}")
    if not all(bar.passed for bar in found.bars):
        raise typer.Exit(EXIT_FAILED_CHECK)
