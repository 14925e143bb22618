"""Pictures of every page of the dashboard for the documentation, at both widths and in both themes:

python -m tests.dashboard.take_screenshots quickstart --runs runs --out docs/dashboard
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from idto3d_dashboard.pages import GROUPS
from tests.dashboard.conftest import CHROMIUM
from tests.dashboard.pictures import settle
from tests.dashboard.served import Watched, serving

WIDTHS, SCHEMES = (1280, 390), ("light", "dark")
TALLEST = 2400  # px of a picture
GAP = 16
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
ARGUMENTS += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
HEIGHT = "() => document.querySelector('[data-testid=stMain]').scrollHeight"


def main() -> None:
    """One picture a page: wide and narrow, light and dark, side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        with serving(asked.runs, [asked.run], Path(folder) / "log") as address:
            for module in (module for modules in GROUPS.values() for module in modules):
                path = "" if module.PATH == "overview" else module.PATH
                shots = [
                    _shot(browser, address + path, width, scheme) for scheme in SCHEMES for width in WIDTHS
                ]
                _beside(shots).save(asked.out / f"{module.PATH}.webp", quality=72)
                print(asked.out / f"{module.PATH}.webp")
        browser.close()


def _shot(browser: Any, address: str, width: int, scheme: str) -> Image.Image:
    watched = Watched(browser, width, scheme)
    try:
        page = watched.open(address)
        for _ in range(2):  # what comes into sight may be taller than the room that was kept for it
            page.wait_for_timeout(1500)
            settle(page)
            watched.rest()
            height = min(max(int(page.evaluate(HEIGHT)) + 20, 700), TALLEST)
            page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1500)
        settle(page)
        return Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    finally:
        watched.close()


def _beside(shots: list[Image.Image]) -> Image.Image:
    height = max(shot.height for shot in shots)
    sheet = Image.new("RGB", (sum(shot.width + GAP for shot in shots) - GAP, height), (128, 128, 128))
    at = 0
    for shot in shots:
        sheet.paste(shot, (at, 0))
        at += shot.width + GAP
    return sheet


if __name__ == "__main__":
    main()
