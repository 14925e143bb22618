"""What the study answers over HTTP beside its pages: votes, files, and whether it is well.

    POST /study/next     {token}                                  -> the pair that a rater is at
    POST /study/vote     {token, pair, question, answer, turned}  -> the answer that stands, the next pair
    POST /study/join     {join, person}                           -> the token of whom a panel sends
    POST /study/consent  {token}
    POST /study/finish   {token, answers}                         -> the completion code
    GET  /study/files/NAME
    GET  /study/health

A refusal is {"refused": a sentence} with its HTTP status. Sentences repeat nothing that was sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from idto3d_dashboard.rating.files import TYPES, StudyFiles
from idto3d_dashboard.rating.limits import Buckets, CalmLog
from idto3d_dashboard.rating.view import view_of
from idto3d_dashboard.viewer.built import built_file
from idto3d_eval.preference.database.connection import reading
from idto3d_eval.preference.links import rater_of_token
from idto3d_eval.preference.raters import Rater, Refused
from idto3d_eval.preference.service import StudyService

Act = Callable[[dict[str, Any]], dict[str, Any]]  # what was sent -> what is answered
Limit = Callable[[Request, dict[str, Any]], None]  # raises where someone asks too often
MAX_BODY = 16 * 1024  # bytes; a survey's answers are the longest that come
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
FRESH = {**SAFE, "Cache-Control": "no-store"}
KEPT = {**SAFE, "Cache-Control": "private, max-age=86400, immutable"}


@dataclass
class StudyRoutes:
    """The routes of one study.

    Args:
        service: that keeps the votes.
        files: of the study.
        behind_proxy: whether the client's address is the one that a proxy tells (X-Forwarded-For).
    """

    service: StudyService
    files: StudyFiles
    behind_proxy: bool = False
    log: CalmLog = field(default_factory=CalmLog)
    raters: Buckets = field(default_factory=lambda: Buckets(rate=10, burst=40))
    strangers: Buckets = field(default_factory=lambda: Buckets(rate=10, burst=60))
    loads: Buckets = field(default_factory=lambda: Buckets(rate=300, burst=2000))

    def routes(self) -> list[BaseRoute]:
        """All of them, for an application."""
        posts: dict[str, tuple[Act, Limit]] = {
            "next": (self._next, self._limit_rater),
            "vote": (self._vote, self._limit_rater),
            "consent": (self._consent, self._limit_rater),
            "finish": (self._finish, self._limit_rater),
            "join": (self._join, self._limit_stranger),
        }
        return [
            *(Route(f"/study/{name}", self._posted(*does), methods=["POST"]) for name, does in posts.items()),
            Route("/study/files/{name:path}", self._file, methods=["GET"]),
            Route("/study/rater.js", self._script, methods=["GET"]),
            Route("/study/health", self._health, methods=["GET"]),
        ]

    def client(self, request: Request) -> str:
        """The address that limits hold for."""
        if self.behind_proxy:
            told = request.headers.get("x-forwarded-for", "").rsplit(",", 1)[-1].strip()
            if told:
                return told[:64]
        return request.client.host if request.client else "unknown"

    def refused(self, request: Request, error: Refused) -> JSONResponse:
        """The answer to something that is refused, logged."""
        self.log.warn(f"{error.status} {request.method} {request.url.path} {self.client(request)}: {error}")
        return JSONResponse({"refused": str(error)}, error.status, headers=FRESH)

    def _posted(self, act: Act, limit: Limit) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            try:
                sent = await _body(request)
                limit(request, sent)
                return JSONResponse(await run_in_threadpool(act, sent), headers=FRESH)
            except Refused as error:
                return self.refused(request, error)
            except sa.exc.SQLAlchemyError as error:
                self.log.warn(f"503 {request.url.path}: {type(error).__name__}")
                sentence = "The study's database does not answer; the answer is sent again by itself."
                return JSONResponse({"refused": sentence}, 503, headers=FRESH)

        return answer

    def _limit_stranger(self, request: Request, sent: dict[str, Any]) -> None:
        del sent  # it says nothing of who sends it
        if not self.strangers.take(self.client(request)):
            raise Refused("Found too many requests without a valid link; wait a minute.", 429)

    def _limit_rater(self, request: Request, sent: dict[str, Any]) -> None:
        """A forged token costs a hash and no look into the database."""
        rater = rater_of_token(self.service.key, _text(sent, "token", 64))
        if rater is None:
            self._limit_stranger(request, sent)
            raise Refused("Found a link that this study did not give out; use the whole link as you got it.")
        if not self.raters.take(rater):
            raise Refused("Found too many requests of one rater; wait a second.", 429)

    def _admitted(self, sent: dict[str, Any]) -> Rater:
        return self.service.admit(_text(sent, "token", 64))

    def _next(self, sent: dict[str, Any]) -> dict[str, Any]:
        shown = self.service.now(self._admitted(sent))
        return {"next": view_of(shown, self.service.study, self.files)}

    def _vote(self, sent: dict[str, Any]) -> dict[str, Any]:
        rater = self._admitted(sent)
        receipt, shown = self.service.vote_and_go_on(
            rater,
            _text(sent, "pair", 16),
            _text(sent, "question", 32),
            _text(sent, "answer", 8),
            _number(sent, "turned"),
        )
        told: dict[str, Any] = {"answer": receipt.answer, "new": receipt.new}
        if receipt.right is not None:
            told["right"] = receipt.right
        return told | {"next": view_of(shown, self.service.study, self.files)}

    def _consent(self, sent: dict[str, Any]) -> dict[str, Any]:
        self.service.consent(self._admitted(sent))
        return {"consented": True}

    def _finish(self, sent: dict[str, Any]) -> dict[str, Any]:
        answers = sent.get("answers", {})
        if not isinstance(answers, dict) or not all(
            isinstance(name, str) and isinstance(text, str) for name, text in answers.items()
        ):
            raise Refused("Found no answers of the survey, expected texts by name.", 400)
        return {"code": self.service.finish(self._admitted(sent), answers)}

    def _join(self, sent: dict[str, Any]) -> dict[str, Any]:
        return {"token": self.service.join(_text(sent, "join", 64), _text(sent, "person", 64))}

    async def _file(self, request: Request) -> Response:
        if not self.loads.take(self.client(request)):
            return self.refused(request, Refused("Found too many requests; wait a second.", 429))
        path: Path | None = self.files.path(request.path_params["name"])
        if path is None:
            return self.refused(request, Refused("Found no such file in this study.", 404))
        return FileResponse(path, media_type=TYPES[path.suffix], headers=KEPT)

    async def _script(self, request: Request) -> Response:
        path = built_file("rater.js")
        asked = request.query_params.get("v") == rater_version()
        return FileResponse(path, media_type="text/javascript", headers=KEPT if asked else FRESH)

    async def _health(self, request: Request) -> Response:
        del request
        try:
            await run_in_threadpool(self._ask_database)
        except sa.exc.SQLAlchemyError:
            return JSONResponse({"status": "no database"}, 503, headers=FRESH)
        return JSONResponse({"status": "ok"}, headers=FRESH)

    def _ask_database(self) -> None:
        with reading(self.service.engine) as connection:
            connection.execute(sa.text("select 1"))


def rater_version() -> str:
    """Changes with the rater's script, which browsers keep by it."""
    return hashlib.sha256(built_file("rater.js").read_bytes()).hexdigest()[:16]


async def _body(request: Request) -> dict[str, Any]:
    """What was sent, as an object of JSON.

    Raises:
        Refused: too large, or no such object.
    """
    told = request.headers.get("content-length", "")
    data = b""
    if not told.isdigit() or int(told) <= MAX_BODY:
        async for part in request.stream():
            data += part
            if len(data) > MAX_BODY:
                break
    if len(data) > MAX_BODY or (told.isdigit() and int(told) > MAX_BODY):
        raise Refused(f"Found more than {MAX_BODY} bytes, expected an answer.", 413)
    try:
        sent = json.loads(data)
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise Refused("Found no JSON object, expected one.", 400)
    return sent


def _text(sent: dict[str, Any], name: str, longest: int) -> str:
    value = sent.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise Refused(f"Found no '{name}' of at most {longest} characters.", 400)
    return value


def _number(sent: dict[str, Any], name: str) -> float:
    value = sent.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"Found no number '{name}'.", 400)
    return float(value)
