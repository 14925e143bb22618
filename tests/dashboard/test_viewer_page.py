"""The viewer on a page opened from disk: heads appear, turn in step, obey keys, rest, and ask nobody."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from idto3d_dashboard.viewer import ShownHead, head_spec
from tests.dashboard.pictures import drawn, seen, settle, wait_until
from tests.dashboard.shown_glbs import blushing, calling, coloured, morphing, plain

MIDDLE = """() => {
  const canvas = document.querySelector("canvas");
  const { width, height } = canvas;
  return [...canvas.getContext("2d").getImageData(width >> 1, height >> 1, 1, 1).data].slice(0, 3);
}"""


def test_heads_turn_in_step_and_come_back(show: Any) -> None:
    """Both are seen; a drag, a key and the way home move both; at rest nothing is drawn."""
    page = show(ShownHead("Ada", morphing(), note="neutral"), ShownHead("Error", coloured()))
    home = settle(page)
    assert all(0.2 < seen(canvas)[1] < 0.9 for canvas in page.locator("canvas").all())
    assert home[0] != home[1]

    box = page.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 110, box["y"] + 110, steps=4)
    page.mouse.up()
    dragged = settle(page)
    assert all(now != before for now, before in zip(dragged, home, strict=True))

    page.locator("canvas").last.focus()
    page.keyboard.press("0")
    assert settle(page) == home
    page.keyboard.press("+")
    assert all(now != before for now, before in zip(settle(page), home, strict=True))
    page.keyboard.press("-")
    page.keyboard.press("ArrowLeft")
    turned = settle(page)
    wait_until(lambda: page.get_by_text("10° to its left").count() == 1, "the words", page)

    page.evaluate(
        "() => { const draw = CanvasRenderingContext2D.prototype.drawImage; copies = 0;"
        "CanvasRenderingContext2D.prototype.drawImage = function (...a) { copies++; draw.apply(this, a); } }"
    )
    page.wait_for_timeout(800)
    assert page.evaluate("copies") == 0
    assert drawn(page) == turned
    assert not page.thrown
    assert all(url.startswith(("file:", "blob:", "data:")) for url in page.asked)


def test_looks_and_weights_change_the_picture_and_not_the_camera(show: Any) -> None:
    page = show(ShownHead("Ada", morphing()))
    pictures = {"colour": settle(page)[0]}
    for look in ("clay", "normals", "wireframe", "albedo"):
        page.evaluate(f"mounted.update({{...spec, look: '{look}'}})")
        pictures[look] = settle(page)[0]
    assert len(set(pictures.values())) == 5
    page.evaluate("mounted.update({...spec, weights: {smile: 1, unknown: 1}})")
    assert settle(page)[0] not in pictures.values()
    page.evaluate("mounted.update({...spec, light: 'side'})")
    assert settle(page)[0] not in pictures.values()
    page.evaluate("mounted.update(spec)")
    assert settle(page)[0] == pictures["colour"]
    page.evaluate("mounted.dispose()")
    assert page.locator("main *").count() == 0


def test_colours_are_mixed_by_the_weight_of_their_target(show: Any) -> None:
    """In linear light, as materials are; stored colours are shown as they are at both ends."""
    page = show(ShownHead("Ada", blushing()), ShownHead("Bob", morphing()))

    def middle(weight: float, look: str = "albedo") -> list[int]:
        page.evaluate(f"mounted.update({{...spec, look: '{look}', weights: {{smile: {weight}}}}})")
        settle(page)
        colour: list[int] = page.evaluate(MIDDLE)
        return colour

    assert middle(0) == pytest.approx([40, 40, 200], abs=2)
    assert middle(1) == pytest.approx([200, 40, 40], abs=2)
    assert middle(0.5) == pytest.approx([147, 40, 147], abs=3)  # the mean of 0.021 and 0.578, in sRGB
    assert middle(3) == middle(1)
    red, _, blue = middle(0.9, "colour")
    assert red > 2 * blue
    assert middle(0.9, "clay") == middle(0, "clay")
    assert not page.thrown


def test_a_hostile_glb_reaches_no_address(show: Any) -> None:
    """Even where nobody checked it before the page did; the head beside it is shown."""
    text = base64.b64encode(calling("evil.test")).decode()
    hostile = {"name": "<img src=x onerror=alert(1)>", "glb": f"data:model/gltf-binary;base64,{text}"}
    (sound,) = head_spec([ShownHead("Ada", plain())])["heads"]
    (refused,) = head_spec([ShownHead("Eve", calling("evil.test"))])["heads"]
    page = show(spec={"heads": [hostile, refused, sound], "height": 160})
    assert page.get_by_text("This head cannot be shown: it refers to something outside itself.").count() == 1
    assert page.get_by_text("expected images inside the file").count() == 1
    assert page.locator("figure[data-state=ready]").count() == 1
    assert page.locator("main img").count() == 0
    assert all(url.startswith(("file:", "blob:", "data:")) for url in page.asked)


def test_a_reader_who_wants_stillness_gets_no_inertia(show: Any) -> None:
    page = show(ShownHead("Ada", plain()), reduced_motion="reduce", color_scheme="dark")
    settle(page)
    box = page.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 80, steps=3)
    page.mouse.up()
    # The angle is that of the hand alone: 70 px of 0.009 rad.
    page.locator("canvas").focus()
    wait_until(lambda: drawn(page) == settle(page), "rest", page)
    page.keyboard.press("ArrowUp")
    wait_until(lambda: page.get_by_text("36° to its right").count() == 1, "the words", page)
    assert page.get_by_text("36° to its right").count() == 1


def test_heads_out_of_sight_wait(show: Any, browser: Any, write_page: Any) -> None:
    """A head far below is neither decoded nor drawn until the reader comes near."""
    del show
    spec = head_spec([ShownHead("Ada", plain())], height=160)
    page = browser.new_page(viewport={"width": 390, "height": 400})
    page.goto(write_page(spec, {}))
    page.evaluate(
        "() => { mounted.dispose(); document.querySelector('main').style.marginTop = '3000px';"
        "mounted = headsViewer.mountHeads(document.querySelector('main'), spec); }"
    )
    page.wait_for_timeout(700)
    assert page.locator("figure[data-state=loading]").count() == 1
    page.locator("canvas").scroll_into_view_if_needed()
    wait_until(lambda: page.locator("figure[data-state=ready]").count() == 1, "the head", page)
    page.close()


def test_stored_views_stand_in_where_there_is_no_webgl(
    browser_without_webgl: Any, write_page: Any, tmp_path: Path
) -> None:
    views = []
    for shade in (40, 120, 200):
        Image.new("RGB", (8, 8), (shade, shade, shade)).save(tmp_path / f"{shade}.png")
        views.append(tmp_path / f"{shade}.png")
    heads = [ShownHead("Ada", plain(), tuple(views)), ShownHead("Bob", plain())]
    page = browser_without_webgl.new_page(viewport={"width": 390, "height": 700})
    page.goto(write_page(head_spec(heads), {}))
    image, slider = page.get_by_alt_text("Ada"), page.get_by_label("Turn Ada")
    wait_until(lambda: bool(image.evaluate("image => image.naturalWidth")), "the front view", page)
    front = image.get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowRight")
    wait_until(lambda: image.get_attribute("src") != front, "the next view", page)
    assert slider.get_attribute("aria-valuetext") == "view 3 of 3"
    assert page.get_by_text("this browser has no WebGL").count() == 1
