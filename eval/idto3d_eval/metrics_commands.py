"""`idto3d-eval metrics selfcheck` and `metrics document`, beside the `ls` and `show` of every noun."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED_CHECK = 1
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def mount(group: typer.Typer) -> None:
    """Add the commands to the group `metrics`."""
    group.command("selfcheck")(selfcheck)
    group.command("document")(document)


def selfcheck(
    names: Annotated[list[str] | None, typer.Argument(help="Metrics; all where none is named.")] = None,
    json: Json = False,
    curves: Annotated[
        Path | None, typer.Option(help="Draw the curves of each metric into this folder, as SVG and PNG.")
    ] = None,
    docs: Annotated[
        Path | None, typer.Option(help="Renew metrics.md and its drawings in this folder of documentation.")
    ] = None,
    ship: Annotated[
        bool, typer.Option("--ship", help="Renew the record that comes with the package, too.")
    ] = False,
) -> None:
    """Prove metrics on known cases and under graded damage; those that fail are not reported any more."""
    import json as encoder

    from idto3d_eval.selfcheck import record
    from idto3d_eval.selfcheck.curves import write_curves
    from idto3d_eval.selfcheck.document import write_document
    from idto3d_eval.selfcheck.modules import run_checks
    from idto3d_eval.selfcheck.shown import as_json, summary_line, table_rows
    from idto3d_eval.show import drawing_bar, print_rows

    with drawing_bar() as told:
        outcomes = run_checks(names or (), told=told)
    record.write_records(record.own_file(), outcomes)
    if ship:
        record.write_records(record.shipped_file(), outcomes)
    if docs is not None:
        write_document(docs, record.shipped_file() if ship else record.own_file())
    if curves is not None:
        write_curves(outcomes, curves)
    if json:
        typer.echo(encoder.dumps(as_json(outcomes), indent=1, ensure_ascii=False))
    else:
        print_rows(table_rows(outcomes))
        typer.echo(summary_line(outcomes))
    if not all(outcome.passed for outcome in outcomes.values()):
        raise typer.Exit(EXIT_FAILED_CHECK)


def document(
    out: Annotated[Path, typer.Option(help="The folder of documentation.")] = Path("docs"),
) -> None:
    """Write metrics.md and its drawings from the cards and the record that comes with the package."""
    from idto3d_eval.selfcheck.document import write_document

    written = write_document(out)
    typer.echo(f"{written[0]} and {len(written) - 1} drawings")
