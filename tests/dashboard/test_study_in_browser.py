"""A rater's whole session in a real browser, on a desktop and on a telephone, in light and in dark."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from idto3d_eval.preference.links import rater_of_token
from idto3d_eval.preference.study import DATABASE, read_secret
from tests.dashboard import lost_webgl
from tests.dashboard.axe import AXE, violations
from tests.dashboard.rater import Rater
from tests.dashboard.study_runs import LABELS, Server, links, made_run, made_study, serving, token

PAIRS = 6  # four, one with a right answer, one shown twice


@pytest.fixture(scope="module")
def server(driver: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    del driver  # no browser, no study
    runs = tmp_path_factory.mktemp("runs")
    made_run(runs)
    study = made_study(
        runs, tmp_path_factory.mktemp("studies") / "study", "--raters", "10", "--contact", "us@example.org"
    )
    with serving(study) as served:
        yield served


def rater(browser: Any, server: Server, slot: int, *looks: Any) -> Rater:
    return Rater(browser, server.address + links(server.study)[slot], *looks)


def stored(server: Server, slot: int) -> list[tuple[str, str]]:
    """Pairs and answers of a rater, in order."""
    name = rater_of_token(read_secret(server.study), token(server.study, slot))
    with sqlite3.connect(server.study / DATABASE) as connection:
        return connection.execute(
            "select votes.pair, answer from votes join trials on trials.pair = votes.pair "
            "where rater = ? order by position",
            (name,),
        ).fetchall()


@pytest.mark.parametrize(
    ("slot", "width", "scheme"),
    [
        (0, 1280, "light"),
        pytest.param(1, 1280, "dark", marks=pytest.mark.slow),
        pytest.param(2, 390, "light", marks=pytest.mark.slow),
        (3, 390, "dark"),
    ],
)
def test_a_whole_session(server: Server, browser: Any, slot: int, width: int, scheme: str) -> None:
    """From consent to the code: by keys alone on one desktop, by mouse and buttons elsewhere."""
    here = rater(browser, server, slot, width, scheme)
    page, by_keys = here.page, (width, scheme) == (1280, "dark")
    keys = ["ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp"]
    said = ["left", "right", "tie", "neither"]
    try:
        here.come()
        page.get_by_role("button", name="Go on").wait_for()  # the last of the screen
        assert page.get_by_text("us@example.org").count() == 1
        assert page.get_by_role("button", name="Go on").is_disabled()
        _accessible(page)
        here.agree()
        for number in range(PAIRS + 1):
            (here.turn_by_keys if by_keys else here.drag)()
            here.wait_open()
            if number == 1:
                _accessible(page)
            answer = said[number % 4]
            here.answer(
                (lambda key=keys[number % 4]: page.keyboard.press(key))
                if by_keys
                else (lambda one=answer: here.click(one))
            )
        _accessible(page)
        wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
        page.get_by_label("Is there anything").fill("<b>fine</b>")
        page.get_by_role("button", name="Finish").click()
        page.get_by_text("completion code").wait_for()
        _accessible(page)
        code = page.locator("[data-testid=stCode]").inner_text().strip()
        assert re.fullmatch(r"[0-9A-F]{10}", code)
        assert [answer for _, answer in stored(server, slot)] == [said[n % 4] for n in range(PAIRS + 1)]
        page.reload()
        page.get_by_text(code).wait_for()
        assert here.errors == []
        assert here.abroad == []
    finally:
        here.close()


def test_nothing_tells_methods_apart(server: Server, browser: Any) -> None:
    """All that reaches a browser during a session: no method's name, label, author or tool's tag."""
    here = rater(browser, server, 4)
    try:
        here.come()
        here.agree()
        for _ in range(PAIRS + 1):
            here.drag()
            here.wait_open()
            here.answer(lambda: here.click("left"))
        here.page.get_by_role("button", name="Finish").click()
        here.page.get_by_text("completion code").wait_for()
        received = [*here.received, here.page.content().encode(), here.page.url.encode()]
        assert not any(name.encode() in data for data in here.frontend for name in LABELS.values())
    finally:
        here.close()
    words = [*LABELS.values(), "fake method", "this test", "trimesh", "id-to-3d", "oracle", "attention"]
    words += ["(intact)", "(damaged)", "(stranger)"]
    assert sum(map(len, received)) > 1_000_000  # heads and scripts were among it
    # Letters and figures alone, so that another spelling of a name is found as well.
    plain = re.compile(rb"[^a-z0-9]+")
    for data in received:
        lowered = data.lower()
        squeezed = plain.sub(b"", lowered)
        for word in words:
            assert word.encode() not in lowered, (word, data[:200])
        for name in (*LABELS.values(), "id_to_3d"):
            assert plain.sub(b"", name.encode()) not in squeezed, (name, data[:200])


def test_a_vote_opens_only_after_turning_and_looking(server: Server, browser: Any) -> None:
    """Keys and buttons do nothing before; a small turn is not enough."""
    here = rater(browser, server, 5)
    try:
        here.come()
        here.agree()
        for key in ("ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp"):
            here.page.keyboard.press(key)
        assert all(button.is_disabled() for button in here.page.locator(".h3d-answer").all())
        here.page.keyboard.press("a")  # 10° of 60°
        here.page.wait_for_timeout(2500)
        assert not here.open()
        assert "Turn the heads" in here.page.locator(".h3d-gate").inner_text()
        here.page.keyboard.press("ArrowLeft")
        here.page.wait_for_timeout(500)
        assert stored(server, 5) == []
        here.turn_by_keys()
        here.wait_open()
        here.answer(lambda: here.page.keyboard.press("ArrowLeft"))
        assert len(stored(server, 5)) == 1
    finally:
        here.close()


def test_a_reload_in_the_middle_loses_nothing(server: Server, browser: Any) -> None:
    """The same pair again, the count as it was; an answer that never reached the server goes out then."""
    here = rater(browser, server, 6)
    try:
        here.come()
        here.agree()
        for _ in range(3):
            here.drag()
            here.wait_open()
            here.answer(lambda: here.click("right"))
        before = here.count()
        here.page.reload()
        here.ready()
        assert here.count() == before
        assert len(stored(server, 6)) == 3
        # The server is gone when the answer is given; the page keeps it, and a reload sends it.
        here.drag()
        here.wait_open()
        here.page.route("**/study/vote", lambda route: route.abort())
        here.click("left")
        here.page.get_by_text("kept here and sent again").wait_for()
        assert len(stored(server, 6)) == 3
        here.page.unroute("**/study/vote")
        here.page.reload()
        here.page.locator(".h3d-count", has_not_text=before).wait_for()
        assert [answer for _, answer in stored(server, 6)] == ["right", "right", "right", "left"]
    finally:
        here.close()


def test_two_tabs_do_not_double_a_vote(server: Server, browser: Any) -> None:
    """Both show the same pair; the second's answer counts for nothing and takes it on."""
    one = rater(browser, server, 7)
    two = None
    try:
        one.come()
        one.agree()
        one.drag()
        one.wait_open()
        one.answer(lambda: one.click("left"))
        two = rater(browser, server, 7)
        two.come()
        two.ready()
        assert one.count() == two.count() == f"1 of {PAIRS}"
        for here in (one, two):
            here.drag()
            here.wait_open()
        one.answer(lambda: one.click("left"))
        two.answer(lambda: two.click("right"))
        assert [answer for _, answer in stored(server, 7)][1:] == ["left"]
        assert one.count() == two.count() == f"2 of {PAIRS}"
    finally:
        one.close()
        if two is not None:
            two.close()


def test_a_killed_server_loses_no_answer(server: Server, browser: Any) -> None:
    """`kill -9` while an answer is given: it is stored once the server is back, and the session goes on."""
    here = rater(browser, server, 8)
    try:
        here.come()
        here.agree()
        here.drag()
        here.wait_open()
        here.answer(lambda: here.click("left"))
        here.drag()
        here.wait_open()
        server.kill()
        here.click("tie")
        here.page.get_by_text("kept here and sent again").wait_for()
        server.start()
        here.page.locator(".h3d-count", has_text=f"2 of {PAIRS}").wait_for(timeout=60_000)
        assert [answer for _, answer in stored(server, 8)] == ["left", "tie"]
        here.drag_until_open()  # the page may come anew once the server is back
        here.answer(lambda: here.click("neither"))
        assert [answer for _, answer in stored(server, 8)] == ["left", "tie", "neither"]
    finally:
        here.close()


def test_without_3d_no_answer_can_be_given(server: Server, browser: Any) -> None:
    """Nobody judges heads that stand still; what was turned before counts once they are back."""
    here = rater(browser, server, 9)
    try:
        lost_webgl.prepare(here.page)
        here.come()
        here.agree()
        here.drag()
        here.wait_open()
        lost_webgl.lose(here.page)
        here.page.get_by_text("answers open again with it").wait_for()
        here.page.keyboard.press("ArrowLeft")
        assert not here.open()
        assert here.page.locator(".h3d-answer:enabled").count() == 0
        lost_webgl.give_back(here.page)
        here.wait_open()
        here.answer(lambda: here.click("left"))
        assert here.count() == f"1 of {PAIRS}"
    finally:
        here.close()


def test_a_wrong_link_is_told_so(server: Server, browser: Any) -> None:
    """No study without a link that it gave out, and nothing of the study is shown."""
    for link in ("/", "/?r=nobody", links(server.study)[0][:-1] + "x"):
        here = Rater(browser, server.address + link)
        try:
            here.come()
            here.page.get_by_text("a link that this study did not give out").wait_for()
            assert here.page.get_by_role("button", name="Go on").count() == 0
        finally:
            here.close()


def _accessible(page: Any) -> None:
    """Nothing serious for axe-core, where it is installed."""
    if AXE.is_file():
        page.wait_for_timeout(300)
        assert violations(page) == []
