"""`compare`, `rescore` and `verify`: what can be asked of finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from idto3d_eval.compare import Pair

EXIT_FAILED_CHECK = 1
Runs = Annotated[Path, typer.Option(help="The folder that holds the runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def compare(
    first: Annotated[str, typer.Argument(help="A run's name, or its folder.")],
    second: Annotated[str, typer.Argument(help="Another run of the same protocol and version.")],
    metric: Annotated[
        list[str] | None, typer.Option(help="A metric, or several with commas; the headline by default.")
    ] = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Compare the rows that two runs share, paired on identity; two protocols or versions are refused."""
    from idto3d_eval.compare import compare_runs
    from idto3d_eval.show import print_fields, print_rows

    names = [name.strip() for given in metric or [] for name in given.split(",") if name.strip()]
    found = compare_runs(folder_of(first, runs), folder_of(second, runs), names or None)
    if json:
        print_fields(found.as_json(), as_json=True)
        return
    print_rows([_pair_row(pair, "first", "second") for pair in found.pairs])
    typer.echo(
        f"First minus second, paired on identity; {found.level:.0%} intervals; p by Holm over the "
        f"{len(found.pairs)} differences shown; * can be told apart."
    )
    for run, labels in found.only.items():
        if labels:
            typer.echo(f"Only in the {run}: {', '.join(labels)}")
    if found.differing:
        typer.echo()
        rows = [{"differs": what, "first": mine, "second": other} for what, mine, other in found.differing]
        print_rows(rows)
    else:
        typer.echo("Weights, code, libraries, machine and settings are the same.")


def rescore(
    run: Annotated[str, typer.Argument(help="A finished run's name, or its folder.")],
    out: Annotated[
        Path | None, typer.Option(help="A new folder for the result; the run's own by default.")
    ] = None,
    runs: Runs = Path("runs"),
    progress: Annotated[bool, typer.Option(help="Show progress bars.")] = True,
    json: Json = False,
) -> None:
    """Compute a run's metrics anew from stored heads and views, and show the old figures beside the new."""
    from idto3d_baselines.discovery import known_methods
    from idto3d_eval.figures import plain
    from idto3d_eval.rescore import rescore as again
    from idto3d_eval.run_folder import protocol_of
    from idto3d_eval.show import print_fields, print_rows
    from idto3d_eval.store import Store

    folder = folder_of(run, runs)
    names = [row.method for row in protocol_of(Store(folder)).methods]
    found = again(folder, out, progress=progress, methods=known_methods().named(names))
    changes = {
        key: found.changes.get(key, (0, 0, None)) for key in ((p.method, p.metric) for p in found.pairs)
    }
    if json:
        told = [
            {
                "method": pair.method,
                "metric": pair.metric,
                "old": pair.first,
                "new": pair.second,
                "difference": pair.gap,
                "p_holm": pair.p_holm,
                "rows_changed": changes[pair.method, pair.metric][0],
                "largest_change": changes[pair.method, pair.metric][2],
            }
            for pair in found.pairs
        ]
        fields: dict[str, Any] = {
            "root": str(found.root),
            "before": str(found.before),
            "computed": dict(found.computed),
            "as_they_were": list(found.as_they_were),
            "figures": plain(told),
        }
        print_fields(fields, as_json=True)
        return
    rows = []
    for pair in found.pairs:
        changed, count, gap = changes[pair.method, pair.metric]
        moved = f"{changed} of {count}" + (f", at most {gap:.3g}" if changed and gap is not None else "")
        rows.append({**_pair_row(pair, "old", "new"), "rows that changed": moved})
    print_rows(rows)
    jobs = ", ".join(f"{count} {stage}" for stage, count in found.computed.items()) or "none, all stood"
    typer.echo(f"Jobs run: {jobs}. Old scores: {found.before}. New ones: {found.root / 'scores.parquet'}")
    if found.as_they_were:
        typer.echo(f"As they were, since their heads are not here: {', '.join(found.as_they_were)}")


def verify(
    run: Annotated[str, typer.Argument(help="A run's name, or its folder.")],
    sample: Annotated[int, typer.Option(min=0, help="How many method rows to score again.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the choice of rows.")] = 0,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Compute hashes of a run's artefacts and a sample of its scores again, and say what does not agree."""
    from dataclasses import asdict

    from idto3d_baselines.discovery import known_methods
    from idto3d_eval.run_folder import protocol_of
    from idto3d_eval.show import drawing_bar, print_fields, print_rows
    from idto3d_eval.store import Store
    from idto3d_eval.verify import verify_run

    folder = folder_of(run, runs)
    names = [row.method for row in protocol_of(Store(folder)).methods]
    with drawing_bar() as told:
        found = verify_run(folder, sample, seed, methods=known_methods().named(names), told=told)
    if json:
        print_fields(asdict(found), as_json=True)
    else:
        if found.findings:
            print_rows([finding.row() for finding in found.findings])
        of_rows = f" of {', '.join(found.rows)}" if found.rows else ""
        verdict = f"{len(found.findings)} do not agree" if found.findings else "all agree"
        typer.echo(
            f"{found.artefacts} artefacts hashed, {found.scores} scores{of_rows} computed again: {verdict}."
        )
        if found.without_files:
            typer.echo(f"{found.without_files} artefacts have no files here, as of an archive.")
        for note in found.notes:
            typer.echo(note)
    if found.findings:
        raise typer.Exit(EXIT_FAILED_CHECK)


def folder_of(run: str, runs: Path) -> Path:
    """A run's folder by its name, or by its path."""
    return runs / run if (runs / run).is_dir() or not Path(run).is_dir() else Path(run)


def _pair_row(pair: Pair, first: str, second: str) -> dict[str, str]:
    from idto3d_eval.figures import plain
    from idto3d_eval.figures_text import NONE, interval, number, signed

    gap = plain(pair.gap)
    return {
        "method": pair.method,
        "metric": pair.title,
        first: number(pair.first, pair.unit),
        second: number(pair.second, pair.unit),
        "difference": signed(gap["value"], pair.unit),
        "interval": interval(gap, pair.unit) or NONE,
        "effect": signed(gap["effect"], "1"),
        "p (Holm)": number(pair.p_holm, "1") + (" *" if pair.apart else ""),
        "n": str(pair.gap.identities),
    }


def bundle(folder: Path, out: Path, photos: bool) -> None:
    """Write a run's pages as plain HTML; the dashboard's package, which stands above this one, does it.

    Raises:
        UserError: it is not installed, there is no finished run, or the folder has something in it.
    """
    from importlib.metadata import entry_points

    from idto3d.errors import UserError
    from idto3d_eval.results import refresh
    from idto3d_eval.show import drawing_bar
    from idto3d_eval.store import Store

    writers = list(entry_points(group="idto3d_eval.bundle"))
    if not writers:
        raise UserError(
            "Found no package that writes bundles, expected the dashboard's; pip install "
            "'idto3d-eval[dashboard]'."
        )
    refresh(Store(folder))
    with drawing_bar() as told:
        written = writers[0].load()(folder, out, photos=photos, told=told)
    typer.echo(f"{written.folder}: {written.pages} pages, {written.size / 2**20:.1f} MiB; open index.html")
