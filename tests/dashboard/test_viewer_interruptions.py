"""Heads on a page from which WebGL is taken away for a while."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from idto3d_dashboard.viewer import ShownHead, head_spec
from tests.dashboard import lost_webgl
from tests.dashboard.pictures import settle, wait_until
from tests.dashboard.shown_glbs import blushing, morphing, plain

TOLD = "The browser has stopped 3D"


@pytest.fixture
def opened(browser: Any, write_page: Any, tmp_path: Path) -> Any:
    """A head with stored views, and one without."""
    for shade in (40, 120, 200):
        Image.new("RGB", (8, 8), (shade, shade, shade)).save(tmp_path / f"{shade}.png")
    views = tuple(tmp_path / f"{shade}.png" for shade in (40, 120, 200))
    heads = [ShownHead("Ada", morphing(), views), ShownHead("Bob", blushing())]
    page = browser.new_page(viewport={"width": 640, "height": 420})
    lost_webgl.prepare(page)
    page.thrown = []
    page.on("pageerror", lambda error: page.thrown.append(str(error)))
    page.goto(write_page(head_spec(heads, height=160, weights={"smile": 0.5}), {}))
    ready = page.locator("figure[data-state=ready]")
    wait_until(lambda: ready.count() == 2, "the heads", page)
    yield page
    assert not page.thrown
    page.close()


def test_heads_say_that_3d_has_stopped_and_go_on_under_the_same_camera(opened: Any) -> None:
    """Stored views stand in where there are some; then maps, targets and light are uploaded anew."""
    opened.locator("canvas").first.focus()
    opened.keyboard.press("ArrowLeft")
    opened.keyboard.press("+")
    before, pose = settle(opened), opened.evaluate("({...mounted.orbit.pose})")

    lost_webgl.lose(opened)
    wait_until(lambda: opened.get_by_text(TOLD).count() == 2, "the words", opened)
    assert opened.locator("figure[data-state=lost]").count() == 2
    slider, image = opened.get_by_label("Turn Ada"), opened.get_by_alt_text("Ada")
    front = image.get_attribute("src")
    slider.focus()
    opened.keyboard.press("ArrowRight")
    wait_until(lambda: image.get_attribute("src") != front, "the next view", opened)
    assert opened.locator("canvas").count() == 1  # the last picture of the head without views

    lost_webgl.give_back(opened)
    wait_until(lambda: opened.locator("figure[data-state=ready]").count() == 2, "the heads", opened)
    assert settle(opened) == before
    assert opened.evaluate("({...mounted.orbit.pose})") == pose
    assert opened.get_by_text(TOLD).count() == 0
    assert opened.get_by_label("Turn Ada").count() == 0
    opened.locator("canvas").first.focus()
    opened.keyboard.press("ArrowLeft")
    assert all(now != last for now, last in zip(settle(opened), before, strict=True))


def test_an_interruption_that_is_soon_over_is_not_told(opened: Any) -> None:
    before = settle(opened)
    lost_webgl.lose(opened, ms=100)
    wait_until(lambda: opened.locator("figure[data-state=lost]").count() == 2, "the loss", opened)
    wait_until(lambda: opened.locator("figure[data-state=ready]").count() == 2, "the heads", opened)
    opened.wait_for_timeout(1200)
    assert opened.get_by_text(TOLD).count() == 0
    assert settle(opened) == before


def test_heads_that_are_mounted_meanwhile_say_so_and_come_too(opened: Any) -> None:
    """A page that is gone while 3D has stopped leaves nothing behind."""
    lost_webgl.lose(opened)
    wait_until(lambda: opened.get_by_text(TOLD).count() == 2, "the words", opened)
    spec = head_spec([ShownHead("Cid", plain())], height=160)
    opened.evaluate(
        "spec => { mounted.dispose();"
        "mounted = headsViewer.mountHeads(document.querySelector('main'), spec); }",
        spec,
    )
    wait_until(lambda: opened.get_by_text(TOLD).count() == 1, "the words", opened)
    lost_webgl.give_back(opened)
    wait_until(lambda: opened.locator("figure[data-state=ready]").count() == 1, "the head", opened)
    blank = opened.evaluate("() => document.createElement('canvas').toDataURL()")
    assert opened.locator("canvas").evaluate("canvas => canvas.toDataURL()") != blank
    assert len(settle(opened)) == 1
