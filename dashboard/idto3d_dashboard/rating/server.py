"""Serves a study: its own routes from the first moment on, and the rater's pages from a process behind it.

Loading Streamlit takes longer than all the rest of a start, and to open a page costs it more than many votes.
A server that was killed and started again takes votes meanwhile, and a page that is asked for waits.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount

from idto3d.errors import UserError
from idto3d_dashboard.rating.admin import AdminRoutes, new_backup
from idto3d_dashboard.rating.behind import Pages
from idto3d_dashboard.rating.files import StudyFiles
from idto3d_dashboard.rating.limits import LOG, log_to
from idto3d_dashboard.rating.pages import PagesOf
from idto3d_dashboard.rating.routes import StudyRoutes
from idto3d_eval.preference.service import StudyService

SERVER_LOG = "server.log"
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

    log_to(folder / SERVER_LOG)
    service = StudyService.open(folder, url)
    routes = StudyRoutes(service, StudyFiles(folder), behind_proxy)
    copies = backup_minutes * 60 if service.engine.dialect.name == "sqlite" else 0

    with tempfile.TemporaryDirectory(prefix="study-") as temporary:
        pages = Pages(PagesOf(str(folder), url, str(Path(temporary) / "pages"), port, address))

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


async def _copy_now_and_then(routes: StudyRoutes, folder: Path, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(new_backup, routes, folder)
        except (OSError, UserError) as error:
            LOG.error("no backup: %s", error)
