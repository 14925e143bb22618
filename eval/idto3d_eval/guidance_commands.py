"""The commands `train guidance` and `measure guidance`: a prior on one's own data, and what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from idto3d_eval.training import Told

Data = Annotated[
    Path | None, typer.Option(help="Folder of training arrays; the shipped recipe's, drawn if need be.")
]


def train_guidance(
    base: Annotated[
        Path, typer.Option(help="Model folder: the tiny base, or Stable Diffusion's. Only read.")
    ],
    data: Annotated[Path, typer.Option(help="Folder that `data prepare` wrote.")],
    prior: Annotated[str, typer.Option(help="geometry (from normal maps) or texture (from shaded colour).")],
    out: Annotated[Path, typer.Option(help="Becomes a model folder: links to the base, and the adapter.")],
    minutes: Annotated[float, typer.Option(help="Training time, over all resumes.")] = 60.0,
    patience: Annotated[
        int, typer.Option(help="Reports without a better held-out loss after which it ends.")
    ] = 5,
    report_minutes: Annotated[float, typer.Option(help="Between checkpoints with samples.")] = 3.0,
    rank: Annotated[int | None, typer.Option(help="Of the LoRA; 32 for the tiny base, 8 else.")] = None,
    share: Annotated[
        float | None,
        typer.Option(
            help="At most so many percent of the base's parameters are tuned and its encoder stays; chooses "
            "rank and layers."
        ),
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Pictures a step; 16 for the tiny base, 4 else.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="2e-3 for the tiny base, 1e-4 else.")] = None,
    seed: Annotated[int, typer.Option(help="What the drawing of random numbers starts from.")] = 0,
    half: Annotated[
        bool, typer.Option("--half/--full", help="Mixed precision: bfloat16, or float16 on older GPUs.")
    ] = True,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
    threads: Annotated[int, typer.Option(help="Processor threads.")] = 2,
    base_licence: Annotated[str, typer.Option(help="The base's licence, for the card.")] = "",
    fresh: Annotated[bool, typer.Option(help="Start over instead of going on from the checkpoint.")] = False,
) -> None:
    """Train a prior (an adapter) of a base on your data; the same command again goes on from its last report.

    Each report writes a checkpoint and a sheet of samples into OUT/training; the adapter with the best
    held-out loss lies in OUT/lora_PRIOR with card.json: data, people, steps, losses, share, licences.
    """
    import torch
    from rich.console import Console

    from idto3d.train.prior import PriorOptions, train_prior
    from idto3d_eval.show import drawing_bar, print_fields

    torch.set_num_threads(threads)
    options = PriorOptions(
        minutes=minutes,
        patience=patience,
        report_minutes=report_minutes,
        seed=seed,
        rank=rank,
        share=None if share is None else share / 100.0,
        batch=batch,
        learning_rate=learning_rate,
        half=half,
        device=device,
        base_licence=base_licence,
    )
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    with drawing_bar() as told:
        card = train_prior(
            base, data, prior, out, options, fresh=fresh, say=console.print, watch=_bar(told, prior)
        )
    print_fields({name: value for name, value in card.items() if name != "log"})
    typer.echo(f"Adapter: {out / f'lora_{prior}'}")


def measure_guidance(
    weights: Annotated[
        Path | None, typer.Option(help="Model folder with its adapters; the shipped one by default.")
    ] = None,
    data: Data = None,
    rows: Annotated[int, typer.Option(help="Pictures of each kind, of people that no training drew.")] = 225,
    threads: Annotated[int, typer.Option(help="Processor threads.")] = 2,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Table of held-out denoising loss: base and adapters on photographs, normals and shaded colour."""
    import torch
    from rich.console import Console

    from idto3d_eval.guidance_table import RESULT, loss_table
    from idto3d_eval.guidance_table import measure_guidance as measure
    from idto3d_eval.show import PIPE_WIDTH, drawing_bar, print_fields
    from idto3d_eval.single import shipped_weights
    from idto3d_eval.training import draw_guidance_data

    torch.set_num_threads(threads)
    folder = weights or shipped_weights() / "guidance"
    with drawing_bar() as told:
        found = measure(
            folder, data or draw_guidance_data(folder.parent, threads, told), rows=rows, told=told
        )
    if json:
        print_fields(found, as_json=True)
        return
    console = Console(highlight=False)
    Console(width=None if console.is_terminal else PIPE_WIDTH, highlight=False).print(loss_table(found))
    verdict = "each adapter wins" if found["each_wins_on_its_own"] else "NOT every adapter wins"
    typer.echo(f"On its own kind (interval below zero) {verdict}. Written: {folder / RESULT}")


def _bar(told: Told, name: str) -> Any:
    """Turns seconds of training into a bar that stays until all of them are spent."""
    return lambda done, total: told(f"{name} (seconds)", min(done, total - 1), total)
