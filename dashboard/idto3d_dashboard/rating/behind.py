"""The server's side of the pages: keeps their process going, and passes requests and web sockets on to it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import h11
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from idto3d_dashboard.rating.admin import PASSWORD
from idto3d_dashboard.rating.limits import LOG
from idto3d_dashboard.rating.pages import PagesOf

# What holds for one connection alone and is not passed on (RFC 9110, section 7.6.1).
OF_A_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"proxy-connection"}
)
# What the web socket's client writes itself.
OF_A_HANDSHAKE = OF_A_CONNECTION | {b"host", b"origin"}
CHUNK = 2**16  # bytes
EARLY_S = 20.0  # a process that ends sooner than this was never well
EARLY_ENDS = 3  # in a row, after which the server ends too


class Pages:
    """The pages as an application of the server: asked too early it waits until they are there.

    Args:
        of: what the process is told.
    """

    def __init__(self, of: PagesOf) -> None:
        self._of = of
        self._there = asyncio.Event()

    async def live(self) -> None:
        """Keep the process going until cancelled; it is started again when it ends."""
        early = 0
        while early < EARLY_ENDS:
            started = time.monotonic()
            process = await self._start()
            waiting = asyncio.create_task(self._wait_until_there())
            try:
                status = await process.wait()
            finally:
                waiting.cancel()
                self._there.clear()
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            early = early + 1 if time.monotonic() - started < EARLY_S else 1
            LOG.error("the pages' process ended with %d; it is started again", status)
        LOG.error("the pages' process ended %d times at once", EARLY_ENDS)
        os.kill(os.getpid(), signal.SIGTERM)

    async def _start(self) -> asyncio.subprocess.Process:
        Path(self._of.socket).unlink(missing_ok=True)
        # A group of its own, so that Ctrl-C reaches the server alone, which then ends it. The session is the
        # same, since it is within one that the kernel lets votes go before pages.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "idto3d_dashboard.rating.pages",
            stdin=asyncio.subprocess.PIPE,
            process_group=0,
            env={name: value for name, value in os.environ.items() if name != PASSWORD},
        )
        assert process.stdin is not None
        process.stdin.write(self._of.told())
        with suppress(ConnectionError):
            await process.stdin.drain()
        return process

    async def _wait_until_there(self) -> None:
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_unix_connection(self._of.socket)
                writer.close()
                self._there.set()
                return
            await asyncio.sleep(0.05)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._there.wait()
        if scope["type"] == "websocket":
            await _pass_websocket(self._of.socket, scope, receive, send)
        else:
            await _pass_request(self._of.socket, scope, receive, send)


async def _pass_request(socket: str, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        await _say_away(send)
        return
    begun = False
    try:
        connection = h11.Connection(h11.CLIENT)
        headers = [pair for pair in scope["headers"] if pair[0] not in OF_A_CONNECTION]
        request = h11.Request(
            method=scope["method"], target=_target(scope), headers=[*headers, (b"connection", b"close")]
        )
        writer.write(connection.send(request) or b"")
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            more = message.get("more_body", False)
            if message.get("body"):
                writer.write(connection.send(h11.Data(data=message["body"])) or b"")
                await writer.drain()
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(CHUNK))
            elif isinstance(event, h11.Response):
                begun = True
                answered = [(name, value) for name, value in event.headers if name not in OF_A_CONNECTION]
                await send({"type": "http.response.start", "status": event.status_code, "headers": answered})
            elif isinstance(event, h11.Data):
                await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
            elif isinstance(event, h11.EndOfMessage):
                await send({"type": "http.response.body", "body": b""})
                return
    except (OSError, h11.ProtocolError):
        if begun:
            raise  # the server closes the connection, so that the half is not taken for the whole
        await _say_away(send)
    finally:
        writer.close()


async def _say_away(send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b"The page is being started again; reload it."})


async def _pass_websocket(socket: str, scope: Scope, receive: Receive, send: Send) -> None:
    await receive()  # that somebody wants to connect
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    kept = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope["headers"]
        if name not in OF_A_HANDSHAKE and not name.startswith(b"sec-websocket-")
    ]
    try:
        inner = await unix_connect(
            socket,
            f"ws://{headers.get(b'host', 'localhost')}{_target(scope).decode('latin-1')}",
            origin=headers.get(b"origin"),
            subprotocols=scope["subprotocols"] or None,
            additional_headers=kept,
            user_agent_header=None,
            compression=None,
            ping_interval=None,
            max_size=None,
        )
    except (OSError, InvalidHandshake, InvalidURI):
        await send({"type": "websocket.close", "code": 1011})
        return
    await send({"type": "websocket.accept", "subprotocol": inner.subprotocol})
    ways = {asyncio.create_task(_inwards(inner, receive)), asyncio.create_task(_outwards(inner, send))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await inner.close()


async def _inwards(inner: ClientConnection, receive: Receive) -> None:
    with suppress(ConnectionClosed):
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            await inner.send(message["bytes"] if text is None else text)


async def _outwards(inner: ClientConnection, send: Send) -> None:
    with suppress(ConnectionClosed):
        async for data in inner:
            kind: dict[str, Any] = {"text": data} if isinstance(data, str) else {"bytes": data}
            await send({"type": "websocket.send", **kind})
    await send({"type": "websocket.close", "code": 1001})


def _target(scope: Scope) -> bytes:
    query: bytes = scope["query_string"]
    path: bytes = scope["raw_path"]
    return path + b"?" + query if query else path
