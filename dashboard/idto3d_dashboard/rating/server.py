"""Serves a study: the rater's pages by Streamlit, and the study's own routes, in one process."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from idto3d.errors import UserError
from idto3d_dashboard.commands import SETTINGS
from idto3d_dashboard.rating import state
from idto3d_dashboard.rating.admin import AdminRoutes, new_backup
from idto3d_dashboard.rating.files import StudyFiles
from idto3d_dashboard.rating.limits import LOG
from idto3d_dashboard.rating.routes import StudyRoutes
from idto3d_eval.preference.service import StudyService

# Streamlit tells browsers the path of the script that it runs, and a package's name is a method's name here.
SCRIPT = "from idto3d_dashboard.rating.app import main\n\nmain()\n"
SERVER_LOG = "server.log"
LOG_BYTES, LOG_FILES = 4 * 2**20, 4


def serve_study(
    folder: Path,
    *,
    url: str | None = None,
    port: int = 8511,
    address: str = "127.0.0.1",
    behind_proxy: bool = False,
    backup_minutes: float = 30,
) -> None:
    """Serve a study until interrupted.

    Args:
        folder: of the study.
        url: of its database; SQLite in the folder by default.
        port, address: to serve on.
        behind_proxy: whether a reverse proxy tells the clients' addresses.
        backup_minutes: between copies of an SQLite database; 0 for none.

    Raises:
        UserError: no study, or its database cannot be reached.
    """
    import streamlit

    _log_to(folder / SERVER_LOG)
    service = StudyService.open(folder, url)
    routes = StudyRoutes(service, StudyFiles(folder), behind_proxy)
    state.serve(service, routes.files, routes.log)
    copies = backup_minutes * 60 if service.engine.dialect.name == "sqlite" else 0

    @asynccontextmanager
    async def living(_: streamlit.App) -> AsyncGenerator[None, None]:
        copying = asyncio.create_task(_copy_now_and_then(routes, folder, copies)) if copies else None
        yield
        if copying is not None:
            copying.cancel()
            with suppress(asyncio.CancelledError):
                await copying

    with tempfile.TemporaryDirectory(prefix="study-") as temporary:
        script = Path(temporary) / "study.py"
        script.write_text(SCRIPT, encoding="utf-8")
        app = streamlit.App(
            script,
            routes=[*routes.routes(), *AdminRoutes(routes, folder).routes()],
            lifespan=living,
            on_script_error=_apologise,
        )
        app.run(config={**SETTINGS, "server.port": port, "server.address": address, "server.headless": True})


def _apologise(error: Exception) -> bool:
    """Log what went wrong on a page, and tell the rater what to do instead of what it was."""
    import streamlit

    LOG.error("a page failed", exc_info=error)
    streamlit.error("Something went wrong here. Reload the page; every answer that was given is stored.")
    return True


async def _copy_now_and_then(routes: StudyRoutes, folder: Path, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(new_backup, routes, folder)
        except (OSError, UserError) as error:
            LOG.error("no backup: %s", error)


def _log_to(path: Path) -> None:
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
