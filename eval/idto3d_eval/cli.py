"""The command line: each command parses, calls one library function, and shows what it returns."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import click
import typer

from idto3d.errors import UserError

app = typer.Typer(
    name="idto3d-eval",
    help="Evaluate methods that make 3D heads from photographs, with ID-to-3D as the reference.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options that every command shares; `main` reads --debug, which rules errors of parsing too."""


@app.command()
def run(
    protocol: Annotated[str, typer.Option(help="A protocol's name, or the path of a .yaml file.")],
    name: Annotated[str | None, typer.Option(help="The run's name; the protocol's by default.")] = None,
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
    progress: Annotated[bool, typer.Option(help="Show progress bars.")] = True,
) -> None:
    """Make, draw and score every head of a protocol; the same command again goes on where it was."""
    from idto3d_eval.run import run_protocol
    from idto3d_protocols.loader import load_protocol

    loaded = load_protocol(protocol)
    run_protocol(loaded, runs / (name or loaded.name), progress=progress)


def main() -> None:
    """Run the command line: an error is one sentence on stderr and exit code 2, a traceback on --debug."""
    debug = "--debug" in sys.argv[1:]
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    _mount_commands()
    try:
        code = app(args=arguments, prog_name="idto3d-eval", standalone_mode=False)
    except UserError as error:
        if debug:
            raise
        code = _complain(str(error))
    except OSError as error:
        if debug:
            raise
        code = _complain(_system_sentence(error))
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        typer.echo("Interrupted; nothing is lost, and the same command goes on from here.", err=True)
        code = EXIT_INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def _mount_commands() -> None:
    """Mount what installed packages above this one offer in the entry-point group `idto3d_eval.commands`."""
    for entry in entry_points(group="idto3d_eval.commands"):
        app.add_typer(entry.load(), name=entry.name)


def _complain(sentence: str) -> int:
    typer.echo(" ".join(sentence.split()), err=True)
    return EXIT_USER_ERROR


def _system_sentence(error: OSError) -> str:
    """What the operating system refused (a full disk, a missing permission), as a sentence."""
    where = f" at {error.filename}" if error.filename else ""
    return f"The system refused{where}: {error.strerror or error}; mend that, and the same command goes on."


if __name__ == "__main__":
    main()
