"""The administrator's page in a real browser: where its links lead."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idto3d_eval.preference.analysis import analyse_study
from idto3d_eval.preference.links import rater_of_token
from idto3d_eval.preference.study import ANALYSIS, ANALYSIS_TEXT, read_secret
from tests.dashboard.axe import AXE, violations
from tests.dashboard.rater import READY, Rater
from tests.dashboard.study_runs import Server, links, made_run, made_study, serving, token

PAIRS_ALONE = ("--attention", "0", "--repeats", "0", "--seconds", "0")


@pytest.fixture(scope="module")
def server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A study of which one rater has answered practice and two pairs."""
    runs = tmp_path_factory.mktemp("runs")
    made_run(runs)
    study = made_study(runs, tmp_path_factory.mktemp("studies") / "study", *PAIRS_ALONE)
    with serving(study) as served:
        here = Rater(browser, served.address + links(study)[0])
        here.come()
        here.agree()
        for _ in range(3):
            here.drag()
            here.wait_open()
            here.answer(lambda: here.click("left"))
        here.close()
        yield served


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """The administrator's page, by the password."""
    context = browser.new_context(http_credentials={"username": "me", "password": server.password})
    page = context.new_page()
    page.goto(f"{server.address}/study/admin")
    yield page
    context.close()


def _downloaded(page: Any, link: str) -> bytes:
    with page.expect_download() as told:
        page.get_by_role("link", name=link, exact=True).click()
    return Path(told.value.path()).read_bytes()


def test_it_tells_how_far_raters_are(page: Any) -> None:
    """One of four came, with two votes."""
    assert page.locator("p").first.inner_text() == "1 of 4 raters came, 0 finished; 2 votes of 16."
    assert page.locator("tbody tr").count() == 1
    assert page.locator("tbody td").nth(1).inner_text() == "2 of 4"


def test_all_can_read_it(browser: Any, server: Server) -> None:
    """Nothing serious for axe-core, where it is installed."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make pytest installs it where npm reaches its registry")
    password = {"username": "me", "password": server.password}
    context = browser.new_context(http_credentials=password, bypass_csp=True)  # the page allows no script
    page = context.new_page()
    page.goto(f"{server.address}/study/admin")
    assert violations(page) == []
    context.close()


def test_a_raters_name_leads_to_their_page(server: Server, page: Any) -> None:
    """The link in the table is the one that was sent, and goes on where the rater is."""
    page.get_by_role("link", name=rater_of_token(read_secret(server.study), token(server.study, 0))).click()
    page.locator(".h3d-count", has_text="3 of 4").wait_for(timeout=READY)
    assert page.url.removeprefix(server.address) == links(server.study)[0]


def test_the_answers_are_downloaded(page: Any) -> None:
    """As CSV, a line a vote that counts."""
    rows = list(csv.DictReader(_downloaded(page, "The answers so far, as CSV").decode().splitlines()))
    assert [row["answer"] for row in rows] == ["left", "left"]


def test_the_analysis_is_downloaded(server: Server, page: Any) -> None:
    """Both files, as the command wrote them; before that the page says that there is none."""
    assert page.get_by_text("no analysis yet").count() == 1
    analyse_study(server.study, draws=20)
    page.reload()
    for name in (ANALYSIS_TEXT, ANALYSIS):
        assert _downloaded(page, name) == (server.study / name).read_bytes()
    assert json.loads((server.study / ANALYSIS).read_bytes())["counts"]["raters"] == 1


def test_a_backup_by_its_button(server: Server, page: Any) -> None:
    """The page comes again and names it."""
    page.get_by_role("button", name="Back up now").click()
    page.get_by_text("votes-").wait_for()
    assert len(list((server.study / "backups").glob("*.db"))) == 1
