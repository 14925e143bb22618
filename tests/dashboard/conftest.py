"""A real browser for the viewer's tests, with WebGL in software and without."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from idto3d.errors import UserError
from idto3d_dashboard.viewer import ShownHead, built_file, head_spec
from tests.dashboard.pictures import wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SANDBOXLESS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SOFTWARE_WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """AppTest leaves its script as `__main__`, which processes that later tests start would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed here")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine; install it to run the viewer's browser tests")
    try:
        built_file("viewer.js")
    except UserError as error:
        pytest.skip(str(error))
    with playwright.sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(driver: Any) -> Iterator[Any]:
    """Chromium that draws WebGL on the processor."""
    arguments = [*SANDBOXLESS, *SOFTWARE_WEBGL]
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
    yield browser
    browser.close()


@pytest.fixture
def browser_without_webgl(driver: Any) -> Iterator[Any]:
    """Chromium that gives no WebGL context."""
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*SANDBOXLESS, "--disable-3d-apis"])
    yield browser
    browser.close()


@pytest.fixture
def write_page(tmp_path: Path) -> Callable[[dict[str, Any], dict[str, str]], str]:
    """A page as a static bundle has it: everything inside, and the viewer as a classic script beside it."""

    def write(spec: dict[str, Any], files: dict[str, str]) -> str:
        script = (
            f"HEADS_FILES = {json.dumps(files)}; spec = {json.dumps(spec)};"
            "mounted = headsViewer.mountHeads(document.querySelector('main'), spec);"
        )
        page = tmp_path / "page.html"
        page.write_text(
            "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            f"<style>{built_file('viewer.css').read_text()}</style><main></main>"
            f"<script src='{built_file('viewer.classic.js').as_uri()}'></script><script>{script}</script>"
        )
        return page.as_uri()

    return write


@pytest.fixture
def show(browser: Any, write_page: Any) -> Any:
    """Opens heads in a page; its requests, and the errors it throws, are kept."""
    opened = []

    def open_heads(*heads: ShownHead, spec: dict[str, Any] | None = None, **options: Any) -> Any:
        files: dict[str, str] = {}

        def place(data: bytes, name: str, kind: str) -> dict[str, str]:
            del kind
            files[name] = base64.b64encode(data).decode()
            return {"file": name}

        page = browser.new_page(viewport={"width": 640, "height": 420}, **options)
        opened.append(page)
        page.asked, page.thrown = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.thrown.append(str(error)))
        page.goto(write_page(spec or head_spec(heads, height=160, place=place), files))
        states = page.locator("figure[data-state=ready], figure[data-state=error]")
        count = len((spec or {"heads": heads})["heads"])
        wait_until(lambda: states.count() == count, "the heads", page)
        return page

    yield open_heads
    for page in opened:
        page.close()


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the smallest real run, made by the command that users give."""
    folder = tmp_path_factory.mktemp("runs")
    command = [sys.executable, "-m", "idto3d_eval.cli", "run", "--protocol", "smoke", "--runs", str(folder)]
    subprocess.run([*command, "--no-progress"], check=True, capture_output=True, timeout=900)
    return folder
