"""The process of the rater's pages: Streamlit on a socket of this machine, behind the server of the study.

    python -m idto3d_dashboard.rating.pages    # what to serve is told as JSON on its standard input

Votes do not wait for it: a page that opens costs Streamlit tenths of a second of a processor. It ends when
its standard input is closed, as it is when the server is killed.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from idto3d_dashboard.commands import SETTINGS
from idto3d_dashboard.rating import state
from idto3d_dashboard.rating.files import StudyFiles
from idto3d_dashboard.rating.limits import LOG, CalmLog, log_to
from idto3d_eval.preference.service import StudyService

# Streamlit tells browsers the path of the script that it runs, and a package's name is a method's name here.
SCRIPT = "from idto3d_dashboard.rating.app import main\n\nmain()\n"
PAGES_LOG = "pages.log"
NICENESS = 10  # where processors are scarce, votes go first


@dataclass(frozen=True)
class PagesOf:
    """What the process is told.

    Attributes:
        folder: of the study.
        url: of its database; None for SQLite in the folder.
        socket: the Unix socket to serve on, in a folder of the server's own.
        port, address: that raters reach the study by.
    """

    folder: str
    url: str | None
    socket: str
    port: int
    address: str

    def told(self) -> bytes:
        """As a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    """Serve pages until standard input is closed."""
    import uvicorn

    of = PagesOf(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    os.nice(NICENESS)
    folder = Path(of.folder)
    log_to(folder / PAGES_LOG)
    state.serve(StudyService.open(folder, of.url), StudyFiles(folder), CalmLog())
    script = Path(of.socket).with_name("study.py")
    script.write_text(SCRIPT, encoding="utf-8")
    settings = {**SETTINGS, "server.port": of.port, "server.address": of.address}
    uvicorn.run(
        _pages(script, settings),
        uds=of.socket,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
    )


def _pages(script: Path, settings: dict[str, Any]) -> Any:
    import streamlit
    from streamlit.web import bootstrap

    bootstrap.load_config_options({name.replace(".", "_"): value for name, value in settings.items()})
    return streamlit.App(script, on_script_error=_apologise)


def _apologise(error: Exception) -> bool:
    """Log what went wrong on a page, and tell the rater what to do instead of what it was."""
    import streamlit

    LOG.error("a page failed", exc_info=error)
    streamlit.error("Something went wrong here. Reload the page; every answer that was given is stored.")
    return True


def _end_with_the_server() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
