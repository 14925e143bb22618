"""The viewer inside a running Streamlit app: reruns keep the camera, and no file is sent twice."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.pictures import drawn, settle, wait_until
from tests.dashboard.shown_glbs import calling, coloured, morphing

pytest.importorskip("streamlit", reason="streamlit is not installed here; install the extra 'dashboard'")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[str]:
    """The address of the app."""
    for name, data in (("ada", morphing()), ("bob", coloured()), ("eve", calling("evil.test"))):
        (tmp_path / f"{name}.glb").write_bytes(data)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "server.port": port,
        "server.address": "127.0.0.1",
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    command = [sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("viewer_app.py"))]
    command += [f"--{name}={value}" for name, value in options.items()]
    environment = {**os.environ, "IDTO3D_TEST_HEADS": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", tmp_path / "log")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(address: str, log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            if time.monotonic() > end:
                raise AssertionError(f"the app did not start: {log.read_text()}") from None
            time.sleep(0.3)


def test_reruns_keep_the_camera_and_send_nothing_again(app: str, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 800, "height": 1000})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(app)
    ready = page.locator("figure[data-state=ready]")
    wait_until(lambda: ready.count() == 3, "three heads", page)
    home = settle(page)

    page.locator("canvas").first.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    turned = settle(page)
    assert turned[0] != home[0]
    assert turned[1] != home[1]
    assert turned[2] == home[2]  # a mount of its own
    page.locator("canvas").first.evaluate("canvas => { window.kept = canvas; }")
    sent = len([url for url in asked if url.startswith(f"{app}media/")])
    assert sent == 3  # the viewer and two heads; the second mount shows one of them

    page.get_by_role("button", name="Run again").click()
    wait_until(lambda: page.get_by_text("Run 2").count() == 1, "the rerun", page)
    assert settle(page) == turned
    assert page.locator("canvas").first.evaluate("canvas => window.kept === canvas")

    page.get_by_text("normals").click()
    wait_until(lambda: drawn(page)[0] != turned[0], "the look", page)
    page.get_by_text("colour").click()
    wait_until(lambda: drawn(page) == turned, "the look from before under the same camera", page)

    page.get_by_text("With Eve").click()
    wait_until(lambda: page.get_by_text("expected images inside the file").count() == 1, "the refusal", page)
    page.get_by_text("With Eve").click()  # three heads are narrower than two
    wait_until(lambda: drawn(page) == turned, "the two heads as before", page)
    assert page.locator("canvas").first.evaluate("canvas => window.kept === canvas")
    assert len([url for url in asked if url.startswith(f"{app}media/")]) == sent
    assert not [url for url in asked if not url.startswith((app, "blob:", "data:", "ws:"))]
    assert page.get_by_test_id("stException").count() == 0
    page.close()
