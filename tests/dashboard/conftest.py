"""A real browser for the viewer's tests, with WebGL in software and without."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idto3d.errors import UserError
from idto3d_dashboard.viewer import built_file

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


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the smallest real run, made by the command that users give."""
    folder = tmp_path_factory.mktemp("runs")
    command = [sys.executable, "-m", "idto3d_eval.cli", "run", "--protocol", "smoke", "--runs", str(folder)]
    subprocess.run([*command, "--no-progress"], check=True, capture_output=True, timeout=900)
    return folder
