"""An S3 server on loopback for tests: moto's, in a process of its own, behind a gate that can be shut.

Its buckets live in its memory, so that it is not ended to be away: the gate, which clients know as the
server, refuses them meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator

BUCKET = "heads"


class Gate:
    """A port that passes connections on to another one, as long as it is open."""

    def __init__(self, to: int) -> None:
        self._to, self.port = to, free_port()
        self._open_sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        """Connections are passed on."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()

    def shut(self) -> None:
        """Connections are refused, and those that there are end."""
        listener, self._listener = self._listener, None
        for each in [listener, *self._open_sockets]:
            if each is not None:
                _end(each)
        self._open_sockets.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            if self._listener is not listener:
                _end(client)
                return
            self._open_sockets |= {client, server}
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=[source, target], daemon=True).start()


@contextlib.contextmanager
def s3_server() -> Iterator[Gate]:
    """A server with an empty bucket `BUCKET`, and this process's environment set for its clients."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    gate = None
    try:
        _wait_for(f"http://127.0.0.1:{port}/moto-api/")
        bucket = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
        urllib.request.urlopen(bucket, timeout=10).close()
        gate = Gate(port)
        with _environment(f"http://127.0.0.1:{gate.port}"):
            yield gate
    finally:
        if gate is not None:
            gate.shut()
        process.kill()
        process.wait()


@contextlib.contextmanager
def _environment(url: str) -> Iterator[None]:
    """What S3's clients read: where the server is, and credentials, which are no one's."""
    given = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"found no answer from {url} within two minutes")


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    _end(source)
    _end(target)


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
