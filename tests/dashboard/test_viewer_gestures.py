"""Fingers, wheel and mouse on the viewer's heads, as a browser gives them: what turns, and what scrolls."""

from __future__ import annotations

from typing import Any

import pytest

from idto3d_dashboard.viewer import ShownHead, head_spec
from tests.dashboard.fingers import Fingers
from tests.dashboard.pictures import settle, wait_until
from tests.dashboard.shown_glbs import coloured, plain

HOME = {"azimuth": 0, "elevation": 0, "zoom": 1, "across": 0, "up": 0}


@pytest.fixture
def phone(show: Any) -> Any:
    """Two heads beside each other at the top of a page that is longer than its window."""
    heads = ShownHead("Ada", plain()), ShownHead("Bob", coloured())
    page = show(*heads, has_touch=True, is_mobile=True)
    _lengthen(page)
    return page


def test_one_finger_across_turns_all_heads_and_goes_on_by_itself(phone: Any) -> None:
    home = settle(phone)
    x, y = _middle(phone)
    Fingers(phone).drag([(x - 30, y)], [(x + 30, y + 20)])
    still = _pose(phone)["azimuth"]
    assert still == pytest.approx(-60 * 0.009)
    assert all(now != before for now, before in zip(settle(phone), home, strict=True))
    Fingers(phone).drag([(x - 30, y)], [(x + 30, y + 20)], rest=0)
    settle(phone)
    assert _pose(phone)["azimuth"] < 2 * still - 0.05
    assert _page(phone) == (0, 1)


def test_a_finger_along_a_head_scrolls_the_page_until_the_reader_has_tapped_it(phone: Any) -> None:
    """A long page can be scrolled past its heads; whoever went in turns them upright too."""
    x, y = _middle(phone)
    fingers = Fingers(phone)
    fingers.drag([(x, y + 40)], [(x, y - 40)])
    assert _page(phone)[0] > 30
    assert _pose(phone) == HOME
    phone.evaluate("scrollTo(0, 0)")
    fingers.tap(x, y)
    fingers.drag([(x, y + 40)], [(x, y - 40)])
    assert _page(phone) == (0, 1)
    assert _pose(phone)["elevation"] == pytest.approx(-80 * 0.009)


@pytest.mark.parametrize("direction", [(1, 0), (0, 1)])
def test_two_fingers_zoom_the_heads_and_not_the_page(phone: Any, direction: tuple[int, int]) -> None:
    """Apart and together again, beside each other and above each other; the head does not turn."""
    (x, y), (dx, dy) = _middle(phone), direction
    near = [(x - 20 * dx, y - 20 * dy), (x + 20 * dx, y + 20 * dy)]
    far = [(x - 60 * dx, y - 60 * dy), (x + 60 * dx, y + 60 * dy)]
    fingers = Fingers(phone)
    fingers.drag(near, far)
    pose = _pose(phone)
    assert pose["zoom"] == pytest.approx(3, rel=0.01)
    assert (pose["azimuth"], pose["elevation"]) == (0, 0)
    fingers.drag(far, near)
    assert _pose(phone)["zoom"] == pytest.approx(1, rel=0.01)
    assert _page(phone) == (0, 1)


def test_two_fingers_beside_each_other_move_the_picture(phone: Any) -> None:
    x, y = _middle(phone)
    Fingers(phone).drag([(x - 30, y), (x + 30, y)], [(x - 30, y - 60), (x + 30, y - 60)])
    pose = _pose(phone)
    assert pose["up"] < -0.05
    assert pose["zoom"] == pytest.approx(1, rel=0.01)
    assert _page(phone) == (0, 1)


def test_fingers_on_two_heads_of_one_camera_pinch(phone: Any) -> None:
    """On a telephone a head is hardly wider than two thumbs."""
    one, other = (_middle(phone, number) for number in (0, 1))
    Fingers(phone).drag([one, other], [(one[0] - 30, one[1]), (other[0] + 30, other[1])])
    pose = _pose(phone)
    assert pose["zoom"] == pytest.approx((other[0] - one[0] + 60) / (other[0] - one[0]), rel=0.01)
    assert (pose["azimuth"], pose["elevation"]) == (0, 0)


def test_a_pinch_beside_the_heads_is_the_page_s(phone: Any) -> None:
    """What the tests above hold is held by the heads: the browser would zoom."""
    _, height = phone.viewport_size.values()
    Fingers(phone).drag([(280, height - 60), (320, height - 60)], [(200, height - 60), (400, height - 60)])
    assert _page(phone)[1] > 1.5
    assert _pose(phone) == HOME


def test_a_double_tap_and_a_double_click_lead_home(phone: Any) -> None:
    x, y = _middle(phone)
    home = settle(phone)
    for again in (lambda: Fingers(phone).tap(x, y, times=2), lambda: phone.mouse.dblclick(x, y)):
        phone.evaluate("mounted.orbit.take({azimuth: 1, elevation: 0.3, zoom: 2, across: 0.02, up: 0.01})")
        assert settle(phone) != home
        again()
        wait_until(lambda: _pose(phone) == HOME, "the way home", phone)
        assert settle(phone) == home


def test_the_wheel_scrolls_past_a_head_until_the_reader_has_clicked_it(show: Any) -> None:
    """And zooms it then, and no longer once the reader has clicked elsewhere."""
    page = show(ShownHead("Ada", plain()), ShownHead("Bob", coloured()))
    _lengthen(page)
    x, y = _middle(page)
    page.mouse.move(x, y)
    page.mouse.wheel(0, 120)
    wait_until(lambda: _page(page)[0] >= 100, "the page to scroll", page)
    assert _pose(page) == HOME

    page.evaluate("scrollTo(0, 0)")
    page.mouse.click(x, y)
    page.mouse.wheel(0, -400)
    wait_until(lambda: _pose(page)["zoom"] > 1.5, "the head to come nearer", page)
    page.wait_for_timeout(300)
    assert _page(page)[0] == 0

    zoomed = _pose(page)
    page.mouse.move(*_middle(page, 1))  # a head beside the one that has the focus
    page.mouse.wheel(0, 120)
    wait_until(lambda: _page(page)[0] >= 100, "the page to scroll", page)
    page.evaluate("scrollTo(0, 0)")
    page.mouse.click(x, page.viewport_size["height"] - 10)
    page.mouse.move(x, y)
    page.mouse.wheel(0, 120)
    wait_until(lambda: _page(page)[0] >= 100, "the page to scroll", page)
    assert _pose(page) == zoomed


def test_heads_follow_their_own_group_alone(show: Any) -> None:
    """By touch and by key, over several mounts."""
    page = show(ShownHead("Ada", plain()), has_touch=True, is_mobile=True)
    spec = head_spec([ShownHead("Bob", coloured())], height=160)
    page.evaluate("mounted.dispose()")
    page.evaluate(
        "spec => { const main = document.querySelector('main');"
        "const show = group => headsViewer.mountHeads(main, {...spec, group});"
        "[one, same, other] = [show('a'), show('a'), show('b')]; mounted = one; }",
        spec,
    )
    ready = page.locator("figure[data-state=ready]")
    page.set_viewport_size({"width": 640, "height": 900})
    wait_until(lambda: ready.count() == 3, "the heads", page)
    home = settle(page)
    x, y = _middle(page)
    Fingers(page).drag([(x - 30, y)], [(x + 30, y)])
    turned = settle(page)
    assert turned[0] == turned[1] != home[0]
    assert turned[2] == home[2]

    page.locator("canvas").last.focus()
    page.keyboard.press("+")
    nearer = settle(page)
    assert nearer[:2] == turned[:2]
    assert nearer[2] != home[2]
    page.keyboard.press("0")
    assert settle(page) == [*turned[:2], home[2]]


def test_a_finger_on_a_head_that_is_taken_away_is_forgotten(phone: Any) -> None:
    """Else the next one would be taken for the second of two."""
    x, y = _middle(phone)
    fingers = Fingers(phone)
    phone.evaluate("spec = {...spec, group: 'kept'}; mounted.update(spec)")
    phone.evaluate(
        "keeping = headsViewer.mountHeads(document.querySelector('main'), {heads: [], group: 'kept'})"
    )
    fingers.send("touchStart", [(x, y)])
    phone.evaluate(
        "mounted.dispose(); mounted = headsViewer.mountHeads(document.querySelector('main'), spec)"
    )
    fingers.send("touchEnd", ())
    ready = phone.locator("figure[data-state=ready]")
    wait_until(lambda: ready.count() == 2, "the heads", phone)
    x, y = _middle(phone)
    fingers.drag([(x - 30, y)], [(x + 30, y)])
    assert _pose(phone)["azimuth"] == pytest.approx(-60 * 0.009)


def _lengthen(page: Any) -> None:
    page.evaluate("() => { document.body.style.minHeight = '3000px'; }")
    settle(page)


def _middle(page: Any, number: int = 0) -> tuple[float, float]:
    box = page.locator("canvas").nth(number).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _pose(page: Any) -> dict[str, float]:
    pose: dict[str, float] = page.evaluate("({...mounted.orbit.pose})")
    return pose


def _page(page: Any) -> tuple[float, float]:
    """How far it is scrolled, and how far it is zoomed."""
    scrolled, zoomed = page.evaluate("[scrollY, visualViewport.scale]")
    return scrolled, zoomed
