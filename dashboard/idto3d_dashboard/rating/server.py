"""Serves a study in one process: its own routes from the first moment on, and the rater's pages by Streamlit.

Loading Streamlit takes longer than all the rest of a start. A server that was killed and started again takes
votes meanwhile, and a page that is asked for waits.
"""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import os
import signal
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

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
CLOSING_S = 5  # that open connections are waited for at the end


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
    import uvicorn

    _log_to(folder / SERVER_LOG)
    service = StudyService.open(folder, url)
    routes = StudyRoutes(service, StudyFiles(folder), behind_proxy)
    state.serve(service, routes.files, routes.log)
    copies = backup_minutes * 60 if service.engine.dialect.name == "sqlite" else 0

    with tempfile.TemporaryDirectory(prefix="study-") as temporary:
        script = Path(temporary) / "study.py"
        script.write_text(SCRIPT, encoding="utf-8")
        pages = _Pages(script, {**SETTINGS, "server.port": port, "server.address": address})

        @asynccontextmanager
        async def living(_: Starlette) -> AsyncGenerator[None, None]:
            tasks = [asyncio.create_task(pages.live())]
            if copies:
                tasks.append(asyncio.create_task(_copy_now_and_then(routes, folder, copies)))
            yield
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

        own = [*routes.routes(), *AdminRoutes(routes, folder).routes()]
        front = Starlette(routes=[*own, Mount("/", app=pages)], lifespan=living)
        print(
            f"Study at http://{address}:{port}, its administration at /study/admin; Ctrl-C ends it.",
            flush=True,
        )
        uvicorn.run(
            front,
            host=address,
            port=port,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=CLOSING_S,
        )


class _Pages:
    """The rater's pages, as an application that is loaded while others are served already."""

    def __init__(self, script: Path, settings: dict[str, Any]) -> None:
        self._script, self._settings = script, settings
        self._app: ASGIApp | None = None
        self._there = asyncio.Event()

    async def live(self) -> None:
        """Load Streamlit and keep its runtime going until cancelled; a failure ends the process."""
        try:
            app = await asyncio.to_thread(self._load)
            async with app.lifespan()(None):
                self._app = app
                self._there.set()
                await asyncio.Event().wait()
        except Exception:
            LOG.exception("the pages could not be loaded")
            os.kill(os.getpid(), signal.SIGTERM)
            raise

    def _load(self) -> Any:
        import streamlit
        from streamlit.web import bootstrap

        flags = {name.replace(".", "_"): value for name, value in self._settings.items()}
        bootstrap.load_config_options(flag_options=flags)
        return streamlit.App(self._script, on_script_error=_apologise)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._there.wait()
        assert self._app is not None
        await self._app(scope, receive, send)


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
