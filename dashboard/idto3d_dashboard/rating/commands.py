"""`idto3d-eval study`: make a study of people's preferences, serve it, and read what they said."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="The study's folder.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--db", help="URL of its database, such as postgresql://…; SQLite in the folder by default."
    ),
]

study = typer.Typer(
    help="Collect pairwise preferences over a run's heads, and analyse them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def mount(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(study, name="study")


@study.command()
def create(
    run: Annotated[str, typer.Argument(help="The run whose heads are compared.")],
    out: Annotated[Path, typer.Option(help="The study's folder, a new one.")],
    questions: Annotated[
        str, typer.Option(help="Of identity, geometry, texture, expression.")
    ] = "identity,geometry,texture,expression",
    raters: Annotated[int, typer.Option(min=1, help="How many people will answer.")] = 30,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs that each of them sees.")] = 40,
    attention: Annotated[int, typer.Option(min=0, help="Pairs with a right answer, beside those.")] = 6,
    repeats: Annotated[int, typer.Option(min=0, help="Pairs shown twice, beside those.")] = 4,
    methods: Annotated[
        str | None, typer.Option(help="Rows of the run to compare; all that are no references by default.")
    ] = None,
    people: Annotated[int | None, typer.Option(min=1, help="How many of the run's people; all.")] = None,
    most: Annotated[
        int | None, typer.Option(min=1, help="Pairs of one person that a rater sees at most.")
    ] = None,
    scheduling: Annotated[
        str, typer.Option(help="balanced, or adaptive: votes go where the ranking is least certain.")
    ] = "balanced",
    turn: Annotated[float, typer.Option(help="Degrees to turn the heads by before an answer opens.")] = 60.0,
    seconds: Annotated[float, typer.Option(help="Seconds to look before an answer opens.")] = 2.0,
    ties: Annotated[bool, typer.Option(help="Whether 'the same' may be answered.")] = True,
    neither: Annotated[bool, typer.Option(help="Whether 'neither' may be answered.")] = True,
    panel: Annotated[str, typer.Option(help="links (one a rater), prolific or mturk.")] = "links",
    keep_panel_ids: Annotated[
        bool, typer.Option(help="Store the panel's ids of people, to pay by; not stored by default.")
    ] = False,
    completion_url: Annotated[
        str, typer.Option(help="Where raters go back to; {code} becomes the completion code.")
    ] = "",
    contact: Annotated[str, typer.Option(help="Whom raters may ask, shown to them.")] = "",
    title: Annotated[str, typer.Option(help="What raters read above.")] = "Which head?",
    seed: Annotated[int, typer.Option(min=0, help="Of the plan.")] = 0,
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
) -> None:
    """Plan who sees which pairs, and write the blind files that their browsers get."""
    import os

    from pydantic import ValidationError

    from idto3d.errors import UserError
    from idto3d_dashboard.rating.create import comparable, create_study, reference_of, whole_people
    from idto3d_dashboard.reading.run import open_run
    from idto3d_eval.preference.questions import questions_named
    from idto3d_eval.preference.study import LINKS, Study
    from idto3d_eval.show import drawing_bar

    opened = open_run(runs / run)
    asked = tuple(question.name for question in questions_named(questions))
    compared = tuple(part.strip() for part in methods.split(",")) if methods else comparable(opened)
    unknown = sorted(set(compared) - set(opened.labels))
    if unknown or len(compared) < 2 or len(set(compared)) < len(compared):
        raise UserError(
            f"Found methods {', '.join(unknown or compared) or 'none'}, expected two or more of "
            f"{', '.join(opened.labels)}; name those by --methods."
        )
    whole = whole_people(opened, compared, asked, opened.expressions)
    if not whole:
        raise UserError(
            f"Found nobody in {run} of whom all of {', '.join(compared)} made every head that is asked "
            "about; leave out a method by --methods, or a question."
        )
    chosen = whole[:people] if people else whole
    try:
        planned = Study(
            title=title,
            run=run,
            run_folder=os.path.relpath((runs / run).resolve(), out.resolve()),
            seed=seed,
            questions=asked,
            methods=compared,
            identities=chosen,
            expressions=opened.expressions,
            raters=raters,
            pairs=pairs,
            attention=attention,
            repeats=repeats,
            most_of_one_person=most or math.ceil(pairs / len(chosen)) + 1,
            reference=reference_of(opened),
            scheduling=scheduling,  # type: ignore[arg-type]
            ties=ties,
            neither=neither,
            turn_deg=turn,
            least_seconds=seconds,
            panel=panel,  # type: ignore[arg-type]
            keep_panel_ids=keep_panel_ids,
            completion_url=completion_url,
            contact=contact,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"Found {first['loc'][0]} with '{first['input']}', which no study can have ({first['msg']}); "
            "give another."
        ) from None
    with drawing_bar() as told:
        create_study(out, planned, opened, told)
    left_out = len(opened.identities) - len(whole)
    typer.echo(
        f"{raters} raters, {pairs} pairs each ({attention} attention pairs and {repeats} repeats beside), "
        f"{len(compared)} methods, {len(chosen)} people"
        + (f"; {left_out} left out, of whom not all methods made all heads" if left_out else "")
        + "."
    )
    typer.echo(f"Links to send: {out / LINKS}. Serve it: idto3d-eval study serve {out}")


@study.command()
def serve(
    folder: Folder,
    db: Database = None,
    port: Annotated[int, typer.Option(help="The port to serve on.")] = 8511,
    address: Annotated[
        str, typer.Option(help="The address to serve on; this machine alone by default.")
    ] = "127.0.0.1",
    behind_proxy: Annotated[
        bool, typer.Option(help="A reverse proxy tells clients' addresses (X-Forwarded-For).")
    ] = False,
    backup_minutes: Annotated[
        float, typer.Option(min=0, help="Between copies of an SQLite database; 0 for none.")
    ] = 30,
) -> None:
    """Serve the rater's pages; the administrator's lie at /study/admin, by IDTO3D_STUDY_PASSWORD."""
    from idto3d_dashboard.rating.server import serve_study

    serve_study(
        folder,
        url=db,
        port=port,
        address=address,
        behind_proxy=behind_proxy,
        backup_minutes=backup_minutes,
    )


@study.command()
def show(folder: Folder, db: Database = None) -> None:
    """How far each rater is."""
    from idto3d_eval.preference.answers import progress, state_of
    from idto3d_eval.preference.database.connection import connect, database_url
    from idto3d_eval.preference.study import read_study
    from idto3d_eval.show import print_rows

    asked = read_study(folder)
    each = asked.pairs + asked.attention + asked.repeats
    rows = progress(connect(database_url(folder, db)))
    typer.echo(
        f"{asked.title} of {asked.run}: {len(rows)} of {asked.raters} raters came, "
        f"{sum(row['finished_at'] is not None for row in rows)} finished, "
        f"{sum(row['votes'] for row in rows)} of {asked.raters * each} votes."
    )
    if rows:
        print_rows(
            [
                {
                    "rater": row["rater"],
                    "votes": f"{row['votes']} of {each}",
                    "state": state_of(row),
                }
                for row in rows
            ]
        )


@study.command("ls")
def list_studies(
    folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path(),
) -> None:
    """Studies below a folder."""
    from idto3d.errors import UserError
    from idto3d_eval.preference.study import STUDY, read_study
    from idto3d_eval.show import print_rows

    found = []
    for path in sorted([*folder.glob(STUDY), *folder.glob(f"*/{STUDY}"), *folder.glob(f"*/*/{STUDY}")]):
        try:
            asked = read_study(path.parent)
        except UserError:
            continue
        found.append(
            {
                "folder": str(path.parent),
                "run": asked.run,
                "raters": str(asked.raters),
                "questions": ", ".join(asked.questions),
                "methods": ", ".join(asked.methods),
            }
        )
    if found:
        print_rows(found)
    else:
        typer.echo(f"Found no study below {folder}; idto3d-eval study create makes one.")


@study.command()
def invite(
    folder: Folder,
    more: Annotated[int, typer.Argument(min=1, help="How many more raters.")],
) -> None:
    """Plan places for more raters, balanced with those that are there; a served study takes them up."""
    from idto3d_dashboard.rating.create import invite as add
    from idto3d_eval.preference.study import LINKS

    grown = add(folder, more)
    typer.echo(f"{grown.raters} raters now. Links to send: {folder / LINKS}")


@study.command()
def erase(
    folder: Folder,
    rater: Annotated[str, typer.Argument(help="The rater's name, as show lists it or their link begins.")],
    db: Database = None,
) -> None:
    """Erase one rater's answers and all that is known of them."""
    from idto3d_eval.preference.service import StudyService

    erased = StudyService.open(folder, db).erase(rater.split(".")[0])
    typer.echo(f"Erased {erased} votes of {rater}; copies in {folder / 'backups'} still hold them.")


@study.command()
def backup(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="The copy, a new file.")],
    db: Database = None,
) -> None:
    """Copy an SQLite database while it is written to."""
    from idto3d_eval.preference.answers import back_up
    from idto3d_eval.preference.database.connection import connect, database_url

    back_up(connect(database_url(folder, db)), out)
    typer.echo(str(out))


@study.command()
def analyse(
    folder: Folder,
    db: Database = None,
    runs: Annotated[
        Path | None,
        typer.Option(help="The folder that holds its run; where the study was made of by default."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the analysis as JSON.")] = False,
) -> None:
    """Strengths with intervals, ranks, reliability, and which metrics prefer what people prefer.

    Written into the study's folder, and into its run's, whose report and dashboard then show it.
    """
    import json as json_format

    from idto3d_eval.preference.analysis import analyse_study
    from idto3d_eval.preference.analysis_text import left_out_sentence, remarks, strength_table
    from idto3d_eval.preference.study import ANALYSIS_TEXT, read_study
    from idto3d_eval.show import print_rows

    found = analyse_study(folder, db, runs / read_study(folder).run if runs is not None else None)
    if json:
        typer.echo(json_format.dumps(found, indent=1, ensure_ascii=False))
        return
    typer.echo(left_out_sentence(found))
    for result in found["questions"]:
        typer.echo(f"\n{result['question']}")
        if not result["methods"]:
            typer.echo(f"No result: {result['reason']}.")
            continue
        heads, rows = strength_table(result)
        print_rows([dict(zip(heads, row, strict=True)) for row in rows])
        for line in remarks(result):
            typer.echo(line)
    typer.echo(f"\nAll of it: {folder / ANALYSIS_TEXT}")
    if found["agreement"]:
        typer.echo(f"idto3d-eval report {found['run']} and the dashboard show it from now on.")
    else:
        typer.echo("No metrics beside: the run is not there; name the folder that holds it by --runs.")


@study.command()
def export(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="The folder that the tables go into.")],
    db: Database = None,
) -> None:
    """The answers as CSV, JSON and parquet, and the decided votes as choix takes them."""
    from idto3d_eval.preference.answers import answers_table
    from idto3d_eval.preference.database.connection import connect, database_url
    from idto3d_eval.preference.export import export_answers
    from idto3d_eval.preference.study import read_study

    asked = read_study(folder)
    for path in export_answers(answers_table(connect(database_url(folder, db))), asked.methods, out):
        typer.echo(str(path))


@study.command()
def power(
    share: Annotated[
        float, typer.Option(help="Share of the decided votes that the better of two neighbours wins.")
    ] = 0.62,
    power: Annotated[
        float, typer.Option(min=0.01, max=0.9999, help="Probability with which that is to be shown.")
    ] = 0.8,
    methods: Annotated[int, typer.Option(min=2, help="How many are compared.")] = 8,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of one question that a rater answers.")] = 40,
    people: Annotated[int, typer.Option(min=1, help="People whose heads are compared.")] = 12,
    ties: Annotated[float, typer.Option(min=0, max=0.9, help="Share of ties between equals.")] = 0.1,
    raters_differ: Annotated[
        float, typer.Option(min=0, help="Standard deviation of a method's log-strength between raters.")
    ] = 0.4,
    people_differ: Annotated[
        float, typer.Option(min=0, help="The same between people whose heads are compared.")
    ] = 0.4,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Error rate over all tests.")] = 0.05,
    tests: Annotated[int, typer.Option(min=1, help="Tests that are corrected together.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """How many raters a study takes to show that the better of two neighbours is preferred."""
    from idto3d_eval.preference.power import StudyPlan, gap_of_share, looked_at
    from idto3d_eval.show import print_rows

    plan = StudyPlan(
        gap_of_share(share), methods, pairs, people, ties, raters_differ, people_differ, alpha, tests
    )
    print_rows(looked_at(plan, power), json)
