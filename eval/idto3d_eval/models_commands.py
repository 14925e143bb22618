"""`idto3d-eval models pull|verify|roles|share`, beside the `ls` and `show` of every noun."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def mount(group: typer.Typer) -> None:
    """Add the commands to the group `models`."""
    group.command("pull")(pull)
    group.command("verify")(verify)
    group.command("roles")(roles)
    group.command("share")(share)


def pull(
    name: Annotated[str, typer.Argument(help="A preset (public) or a network's name.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder that already holds the files, instead of the hub.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="The folder of weights; weights/public by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Bring public networks into a folder of weights, hashed; the same command again goes on."""
    from idto3d_eval.pull import default_folder
    from idto3d_eval.pull import pull as bring
    from idto3d_eval.show import drawing_bar, print_rows

    with drawing_bar() as told:
        checks = bring(name, to or default_folder(name), source, told)
    print_rows([check.row() for check in checks], json)


def verify(
    name: Annotated[
        str, typer.Argument(help="A folder of weights, a network's name, or shipped.")
    ] = "shipped",
    json: Json = False,
) -> None:
    """Hash networks again, against the published sha256 or the one of the first pull."""
    from idto3d_eval.pull import verify as check
    from idto3d_eval.show import drawing_bar, print_rows

    with drawing_bar() as told:
        checks = check(name, told)
    print_rows([each.row() for each in checks], json)
    if not all(each.passed for each in checks):
        raise typer.Exit(EXIT_FAILED_CHECK)


def roles(json: Json = False) -> None:
    """Which recogniser conditions and which scores in each profile, and how each was trained."""
    from idto3d_eval.catalogue import list_roles
    from idto3d_eval.show import print_rows

    print_rows(list_roles(), json)


def share(
    ranks: Annotated[int, typer.Option(help="Up to which rank.")] = 10,
    json: Json = False,
) -> None:
    """How much of Stable Diffusion 1.5 one prior's LoRA tunes, rank by rank, on the attention layers."""
    from idto3d.guidance.sd15 import PAPER_RANK, PAPER_SHARE, lora_shares
    from idto3d_eval.show import print_rows

    rows = [
        {
            "rank": str(each.rank),
            "trainable": f"{each.trainable:,}",
            "of": f"{each.base:,}",
            "share": f"{each.share:.3%}",
            f"at most {PAPER_SHARE:.1%}": "yes" if each.share <= PAPER_SHARE else "no",
            "": "paper profile" if each.rank == PAPER_RANK else "",
        }
        for each in lora_shares(range(1, ranks + 1))
    ]
    print_rows(rows, json)
