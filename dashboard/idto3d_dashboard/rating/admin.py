"""The page for whoever runs a study: how far raters are, what the server does, a backup, the answers so far.

Behind HTTP Basic (RFC 7617) with a password from the environment; without one there is no such page.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import time
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idto3d.errors import UserError
from idto3d_dashboard.rating.routes import FRESH, StudyRoutes
from idto3d_eval.preference.answers import answers_table, back_up, progress, state_of
from idto3d_eval.preference.links import token_of
from idto3d_eval.preference.raters import Refused
from idto3d_eval.preference.study import ANALYSIS, ANALYSIS_TEXT

PASSWORD = "IDTO3D_STUDY_PASSWORD"  # name of the variable
BACKUPS = "backups"
ANALYSES = (ANALYSIS_TEXT, ANALYSIS)
STATES = {"erased": "erased", "finished": "finished", "consented": "answering", "came": "not agreed yet"}
_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;"
    "color-scheme:light dark}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8884}"
    "td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}"
    "button{font:inherit;padding:.3rem .8rem}"
)


@dataclass
class AdminRoutes:
    """The administrator's routes.

    Args:
        served: the study's other routes.
        folder: of the study.
    """

    served: StudyRoutes
    folder: Path

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route("/study/admin", self._page, methods=["GET"]),
            Route("/study/admin/backup", self._backup, methods=["POST"]),
            Route("/study/admin/answers.csv", self._answers, methods=["GET"]),
            *(Route(f"/study/admin/{name}", self._analysis, methods=["GET"]) for name in ANALYSES),
        ]

    async def _page(self, request: Request) -> Response:
        if (answer := self._locked(request)) is not None:
            return answer
        rows = await run_in_threadpool(progress, self.served.service.engine)
        return HTMLResponse(self._html(rows), headers={**FRESH, **_POLICY})

    async def _backup(self, request: Request) -> Response:
        if (answer := self._locked(request)) is not None:
            return answer
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return self.served.refused(request, Refused("Found a request of another page."))
        try:
            await run_in_threadpool(new_backup, self.served, self.folder)
        except UserError as error:
            return PlainTextResponse(str(error), 409, headers=FRESH)
        return RedirectResponse("/study/admin", 303, headers=FRESH)

    async def _answers(self, request: Request) -> Response:
        if (answer := self._locked(request)) is not None:
            return answer
        table = await run_in_threadpool(answers_table, self.served.service.engine)
        return Response(table.write_csv(), media_type="text/csv", headers=FRESH)

    async def _analysis(self, request: Request) -> Response:
        if (answer := self._locked(request)) is not None:
            return answer
        name = request.url.path.rsplit("/", 1)[-1]
        if not (self.folder / name).is_file():
            return PlainTextResponse(
                f"Found no {name} yet, expected what study analyse writes; give that command.",
                404,
                headers=FRESH,
            )
        return FileResponse(self.folder / name, filename=name, headers=FRESH)

    def _locked(self, request: Request) -> Response | None:
        """The answer to whoever did not give the password; None for those who did."""
        password = os.environ.get(PASSWORD, "")
        if not password:
            return PlainTextResponse(
                f"Found no password, expected one in {PASSWORD}; set it and serve the study again.",
                404,
                headers=FRESH,
            )
        # The limit comes first, so that a flood of guesses is no test of the password.
        if not self.served.strangers.take(f"admin {self.served.client(request)}"):
            return self.served.refused(request, Refused("Found too many requests; wait a minute.", 429))
        if hmac.compare_digest(_given(request).encode(), password.encode()):
            return None
        self.served.log.warn(f"401 {request.url.path} {self.served.client(request)}")
        return PlainTextResponse(
            "Found no valid password, expected the study's.",
            401,
            headers={**FRESH, "WWW-Authenticate": 'Basic realm="study", charset="UTF-8"'},
        )

    def _html(self, rows: list[dict[str, Any]]) -> str:
        study = self.served.service.study
        each = study.pairs + study.attention + study.repeats
        came, done = len(rows), sum(1 for row in rows if row["finished_at"] is not None)
        backups = sorted(path.name for path in (self.folder / BACKUPS).glob("*.db"))
        lines = "".join(_line(row, each, self.served.service.key) for row in rows)
        there = [name for name in ANALYSES if (self.folder / name).is_file()]
        analyses = ", ".join(f'<a href="/study/admin/{name}" download>{name}</a>' for name in there)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Study</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
            f"<h1>{escape(study.title)}</h1><p>{came} of {study.raters} raters came, {done} finished; "
            f"{sum(row['votes'] for row in rows)} votes of {study.raters * each}.</p>"
            '<p><a href="/study/admin/answers.csv" download>The answers so far, as CSV</a></p>'
            f"<p>As study analyse last wrote it: {analyses or 'no analysis yet'}</p>"
            '<form method="post" action="/study/admin/backup"><button>Back up now</button> '
            f"{escape(backups[-1]) if backups else 'no backup yet'}</form>"
            '<table><thead><tr><th>rater</th><th class="number">votes</th><th>came</th><th>state</th></tr>'
            f"</thead><tbody>{lines}</tbody></table></body></html>"
        )


def new_backup(served: StudyRoutes, folder: Path, kept: int = 20) -> Path:
    """Copy the database beside itself; the oldest copies go.

    Raises:
        UserError: the database is none that can be copied so.
    """
    shelf = folder / BACKUPS
    shelf.mkdir(exist_ok=True)
    path = shelf / f"votes-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.db"
    if not path.exists():
        back_up(served.service.engine, path)
    for old in sorted(shelf.glob("votes-*.db"))[:-kept]:
        old.unlink()
    return path


def _given(request: Request) -> str:
    """The password that came with a request; "" where none did."""
    kind, _, coded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(coded, validate=True).decode("utf-8", "replace").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _line(row: dict[str, Any], each: int, key: bytes) -> str:
    erased = row["erased_at"] is not None
    name = escape(row["rater"])
    rater = name if erased else f'<a href="/?r={token_of(key, row["rater"])}">{name}</a>'
    panel = f" ({escape(row['panel_id'])})" if row["panel_id"] else ""
    came = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(row["came_at"]))
    return (
        f'<tr><td>{rater}{panel}</td><td class="number">{row["votes"]} of {each}</td>'
        f"<td>{came}</td><td>{STATES[state_of(row)]}</td></tr>"
    )
