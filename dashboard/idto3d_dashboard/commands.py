"""The commands of this package, mounted into `idto3d-eval`: `dashboard`."""

from __future__ import annotations

import contextlib
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

APP = Path(__file__).parent / "served" / "app.py"
THEME = {
    "theme.light.primaryColor": "#2f6f68",
    "theme.light.backgroundColor": "#fbfbf9",
    "theme.light.secondaryBackgroundColor": "#f1f1ec",
    "theme.light.textColor": "#22262b",
    "theme.dark.primaryColor": "#7cc4ba",
    "theme.dark.backgroundColor": "#16181b",
    "theme.dark.secondaryBackgroundColor": "#1f2327",
    "theme.dark.textColor": "#e6e6e2",
}
# What holds for everything that Streamlit serves here.
SETTINGS = {
    **THEME,
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "runner.magicEnabled": False,  # which takes every script apart before it runs
}


def mount(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("dashboard")(dashboard)


def dashboard(
    names: Annotated[list[str], typer.Argument(help="Names of runs; the first is shown first.")],
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
    port: Annotated[int, typer.Option(help="The port to serve on.")] = 8501,
    address: Annotated[
        str, typer.Option(help="The address to serve on; this machine alone by default.")
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option(help="Open it in a browser.")] = True,
) -> None:
    """Look at runs in a browser: heads side by side in 3D, figures, failures, and where all came from."""
    from idto3d.errors import UserError

    folders = [runs / name for name in names]
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"Found no folder {folder}, expected a run; run its protocol first.")
    try:
        from streamlit.web import bootstrap
    except ImportError:
        raise UserError(
            "Found no streamlit, expected it for the dashboard; pip install 'idto3d-eval[dashboard]'."
        ) from None
    settings = {
        **SETTINGS,
        "server.port": port,
        "server.address": address,
        "server.headless": not browser or not sys.stdout.isatty(),
    }
    flags = {name.replace(".", "_"): value for name, value in settings.items()}
    bootstrap.load_config_options(flag_options=flags)
    _load_tables()
    threading.Thread(target=_load, args=(folders[0].resolve(),), daemon=True).start()
    bootstrap.run(str(APP), False, [str(folder.resolve()) for folder in folders], flags)


def _load_tables() -> None:
    """Load what Streamlit makes its tables with, 0.4 s, so that the first page with one does not wait.

    Before all else, since Plotly, where it meets pandas half loaded by another thread, takes it as it is.
    """
    for name in ("pandas", "pyarrow"):
        import_module(name)


def _load(folder: Path) -> None:
    """Do once, while the server starts, what the first reader would wait for.

    Imports, the first run's summary, and Streamlit's look at its stack, for which every module is looked up.
    """
    import inspect

    import polars

    import idto3d_dashboard.pages
    from idto3d.errors import UserError
    from idto3d_dashboard.reading.run import open_run

    with contextlib.suppress(UserError):  # which the page tells
        open_run(folder)
    inspect.stack()
    del polars, idto3d_dashboard
