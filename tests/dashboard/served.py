"""The dashboard as a user starts it, and a page of it in a browser."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START, READY = 90, 60_000  # s until it serves, ms until a page is there; a busy machine takes some
# Streamlit asks below a page's own path first, and then where it answers.
_PROBES = re.compile(r"/_stcore/(health|host-config)$")


@contextmanager
def serving(runs: Path, names: Sequence[str], log: Path) -> Iterator[str]:
    """The address of `idto3d-eval dashboard NAME…`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "idto3d_eval.cli", "dashboard", *names, "--runs", str(runs)]
    command += ["--port", str(port), "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with log.open("wb") as told:
        process = subprocess.Popen(command, env=environment, stdout=told, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + START
        while not _answers(f"http://127.0.0.1:{port}/_stcore/health"):
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the dashboard did not start: {log.read_text(errors='replace')}")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)


class Watched:
    """A page, with all that its console complained of and all that it asked other hosts for."""

    def __init__(self, browser: Any, width: int = 1280, scheme: str = "light", **options: Any) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 1000}, color_scheme=scheme, accept_downloads=True, **options
        )
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.abroad: list[str] = []
        self.page.on("console", self._complaint)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._request)

    def open(self, address: str) -> Any:
        """The page once its title is there and Streamlit has come to rest."""
        self.page.goto(address)
        self.rest()
        return self.page

    def rest(self) -> None:
        """Until a title is there and no script runs."""
        self.page.wait_for_selector("h1, [data-testid=stAlert]", timeout=READY)
        self.page.wait_for_function(
            "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'",
            timeout=READY,
        )
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('style')].some(one => one.textContent.includes('idto3d'))",
            timeout=READY,
        )

    def close(self) -> None:
        self.context.close()

    def _complaint(self, message: Any) -> None:
        if message.type == "error" and not _PROBES.search(message.location.get("url", "")):
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:", "ws://127.0.0.1:", "file:")):
            self.abroad.append(request.url)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except OSError:
        return False
