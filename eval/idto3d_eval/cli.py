"""The command line: each command parses, calls one library function, and shows what it returns."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from idto3d.errors import UserError
from idto3d_eval import (
    bench,
    gallery_command,
    generate_command,
    identity_commands,
    methods_commands,
    metrics_commands,
    models_commands,
    power_command,
    protocol_commands,
    run_commands,
)
from idto3d_eval.catalogue import NOUNS, Noun
from idto3d_eval.data_commands import prepare
from idto3d_eval.export_command import export
from idto3d_eval.guidance_commands import measure_guidance, train_guidance

EXIT_FAILED_CHECK = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Settings:
    """What holds for every command."""

    debug: bool = False


class Commands(TyperGroup):
    """The commands, with each error of theirs told as one sentence on stderr; parsing's are typer's.

    A command may have a name of two words, beside the one of its first ("train guidance" beside "train").
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of two words where there is one, else that of the first."""
        both = " ".join(args[:2])
        if len(args) > 1 and both in self.commands:
            return both, self.commands[both], args[2:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit code 2 and no traceback on an error, unless --debug."""
        settings = ctx.obj or Settings()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("Interrupted; nothing is lost, and the same command goes on from here.", err=True)
            raise SystemExit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            raise  # whoever reads the output has seen enough: typer ends quietly
        except (UserError, OSError) as error:
            if settings.debug:
                raise
            sentence = _system_sentence(error) if isinstance(error, OSError) else str(error)
            typer.echo(" ".join(sentence.split()), err=True)
            raise SystemExit(EXIT_USER_ERROR) from None


# Plain help: the boxed one costs a third of the half second that --help may take.
app = typer.Typer(
    name="idto3d-eval",
    cls=Commands,
    help="Evaluate methods that make 3D heads from photographs, with ID-to-3D as the reference.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Runs = Annotated[Path, typer.Option(help="The folder that holds the runs.")]


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options that every command shares; `main` reads them, so that they may stand anywhere."""


@app.command()
def run(
    protocol: Annotated[str, typer.Option(help="A protocol's name, or the path of a .yaml file.")],
    name: Annotated[str | None, typer.Option(help="The run's name; the protocol's by default.")] = None,
    runs: Runs = Path("runs"),
    progress: Annotated[bool, typer.Option(help="Show progress bars.")] = True,
    archive: Annotated[
        Path | None, typer.Option(help="An archive of a run of this protocol, to go on from.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The folder of weights; the shipped ones by default.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Jobs at once; by default as many as the cores allow.")
    ] = None,
    executor: Annotated[str, typer.Option(help="local, or ray: jobs as tasks of a Ray cluster.")] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of a running Ray cluster; one is started here by default.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Hash all finished artefacts first, and make damaged ones again.")
    ] = False,
    store: Annotated[
        str | None,
        typer.Option(
            help="A store that machines share, such as s3://bucket/prefix, beside the run's folder."
        ),
    ] = None,
) -> None:
    """Make, draw and score every head of a protocol; the same command again goes on where it was."""
    from idto3d_protocols.loader import load_protocol

    loaded = load_protocol(protocol)
    from idto3d_baselines.discovery import known_methods
    from idto3d_eval.named_weights import check_named_weights
    from idto3d_eval.run import run_protocol

    check_named_weights(loaded, weights)
    methods = known_methods().named([row.method for row in loaded.methods])
    result = run_protocol(
        loaded,
        runs / (name or loaded.name),
        progress=progress,
        weights=weights,
        methods=methods,
        archive=archive,
        workers=workers,
        executor=executor,
        address=address,
        check=check,
        shared=store,
    )
    for sentence in result.without_heads:
        typer.echo(sentence, err=True)
    if result.without_heads:
        raise typer.Exit(EXIT_FAILED_CHECK)


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="The run's name.")],
    runs: Runs = Path("runs"),
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it whole, as Markdown.")] = False,
    kind: Annotated[
        str | None, typer.Option("--format", help="Print one table: latex, markdown, csv or json.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="The table's metrics, between commas; the headline by default.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Write the dashboard's pages into this folder, to open from disk.")
    ] = None,
    photos: Annotated[
        bool, typer.Option("--with-photos/--without-photos", help="Whether real faces may be in the bundle.")
    ] = True,
) -> None:
    """Show a run's result table, figures anew where rows or code have changed, and where its report lies."""
    if bundle is not None:
        run_commands.bundle(runs / name, bundle, photos)
        return
    from idto3d_eval.show import print_report

    chosen = [name.strip() for name in metrics.split(",") if name.strip()] if metrics is not None else None
    print_report(runs / name, kind, chosen, markdown)


@app.command("archive")
def pack(
    name: Annotated[str, typer.Argument(help="The run's name.")],
    out: Annotated[Path, typer.Option(help="The file to write, such as unseen_ids.zip.")],
    runs: Runs = Path("runs"),
) -> None:
    """Pack a run's scores, readings, references and costs into one small file: no heads, no pictures."""
    from idto3d_eval.archive import write_archive

    packed = write_archive(runs / name, out)
    typer.echo(f"{packed.path}: {packed.size / 2**20:.2f} MiB, rows {', '.join(packed.rows)}")
    if packed.left_out:
        typer.echo(f"Left out, since they are not scored yet: {', '.join(packed.left_out)}")


app.command("compare")(run_commands.compare)
app.command("rescore")(run_commands.rescore)
app.command("verify")(run_commands.verify)
app.command("generate")(generate_command.command)
app.command("gallery")(gallery_command.command)
app.command("power")(power_command.command)


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="A network's name; without one, they are listed.")] = "",
    out: Annotated[Path, typer.Option(help="The folder that weights are written to.")] = Path("weights"),
    minutes: Annotated[float | None, typer.Option(help="Training time; the recipe's by default.")] = None,
    fresh: Annotated[bool, typer.Option(help="Start over instead of going on from the checkpoint.")] = False,
    start: Annotated[
        Path | None, typer.Option(help="A folder of weights whose guidance this one starts from.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Processor threads.")] = 2,
) -> None:
    """Train a shipped network again: draws its pictures first; the same command again goes on."""
    from idto3d_eval.show import drawing_bar, print_rows
    from idto3d_eval.training import TRAININGS, train_network

    if not name:
        rows = [
            {"name": key, "minutes": f"{recipe.minutes:g}", "trains": recipe.summary}
            for key, recipe in TRAININGS.items()
        ]
        print_rows(rows)
        return
    with drawing_bar() as told:
        written = train_network(
            name, out, minutes=minutes, fresh=fresh, start=start, threads=threads, told=told
        )
    typer.echo(f"Weights: {written}")


@app.command()
def measure(
    name: Annotated[str, typer.Argument(help="A recogniser's or a reader's name.")],
    weights: Annotated[
        Path | None, typer.Option(help="The folder of weights; the shipped ones by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure a network on held-out people and write the figures into its card."""
    from idto3d_eval.show import drawing_bar, print_fields
    from idto3d_eval.single import shipped_weights
    from idto3d_eval.training import measure_network

    with drawing_bar() as told:
        found = measure_network(name, weights or shipped_weights(), told)
    print_fields(found, json)


@app.command()
def doctor(json: Json = False) -> None:
    """Check that this machine can run: libraries, weights, rasterisers, devices, disk, threads."""
    from idto3d_eval.doctor import check_installation
    from idto3d_eval.show import print_rows

    checks = check_installation()
    print_rows([check.row() for check in checks], json)
    if any(check.failed for check in checks):
        raise typer.Exit(EXIT_FAILED_CHECK)


app.command()(export)
app.command("train guidance")(train_guidance)
app.command("measure guidance")(measure_guidance)


def main() -> None:
    """Run the command line; --debug may stand anywhere in it."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    _mount_commands()
    app(args=arguments, prog_name="idto3d-eval", obj=Settings(debug=len(arguments) < len(sys.argv) - 1))


# What a noun can do beyond `ls` and `show`.
MORE: dict[str, Callable[[typer.Typer], None]] = {
    "identities": identity_commands.mount,
    "methods": methods_commands.mount,
    "metrics": metrics_commands.mount,
    "models": models_commands.mount,
    "protocols": protocol_commands.mount,
}


def _mount_nouns() -> None:
    """`ls` and `show` for everything that there is to choose from."""
    for name, noun in NOUNS.items():
        group = typer.Typer(help=noun.summary, no_args_is_help=True, rich_markup_mode=None)
        group.command("ls", help=f"List the {name}.")(_ls(noun))
        group.command("show", help="Show one in full.")(_show(noun))
        if name in MORE:
            MORE[name](group)
        if name == "data":
            group.add_typer(prepare, name="prepare")
        app.add_typer(group, name=name)


def _ls(noun: Noun) -> Callable[..., None]:
    def ls(json: Json = False) -> None:
        from idto3d_eval.show import print_rows

        print_rows(noun.ls(), json)
        for sentence in noun.notes():
            typer.echo(sentence, err=True)

    return ls


def _show(noun: Noun) -> Callable[..., None]:
    def show(name: Annotated[str, typer.Argument(help="Its name.")], json: Json = False) -> None:
        from idto3d_eval.show import print_fields

        print_fields(noun.show(name), json)

    return show


def _mount_commands() -> None:
    """Mount what packages above this one offer in the entry-point group `idto3d_eval.commands`: each is a
    function that adds its commands to the app."""
    for entry in entry_points(group="idto3d_eval.commands"):
        entry.load()(app)


def _system_sentence(error: OSError) -> str:
    """What the operating system refused (a full disk, a missing permission), as a sentence."""
    where = f" at {error.filename}" if error.filename else ""
    return f"The system refused{where}: {error.strerror or error}; mend that and give the same command again."


_mount_nouns()
app.add_typer(bench.app, name="bench")

if __name__ == "__main__":
    main()
