"""Every page of the dashboard on a real run, in a real browser."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idto3d_dashboard.pages import GROUPS
from tests.dashboard.axe import AXE, violations
from tests.dashboard.fingers import Fingers
from tests.dashboard.pictures import seen, settle, wait_until
from tests.dashboard.served import Watched, serving

PAGES = {"" if page.PATH == "overview" else page.PATH: page for own in GROUPS.values() for page in own}


@pytest.fixture(scope="session")
def address(runs: Path, driver: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    del driver  # no browser, no dashboard
    with serving(runs, ["smoke"], tmp_path_factory.mktemp("log") / "log") as told:
        yield told


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    page = Watched(browser)
    yield page
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_for_everyone(
    address: str, browser: Any, path: str, width: int, scheme: str
) -> None:
    """It opens without a complaint, asks no other host, and axe-core finds nothing serious in it."""
    watched = Watched(browser, width, scheme)
    try:
        page = watched.open(address + path)
        if path == "identity":
            settle(page)
        assert page.locator("h1").count() == 1
        assert page.locator("[data-testid=stException]").count() == 0
        assert watched.errors == []
        assert watched.abroad == []
        if not AXE.is_file():
            pytest.skip("axe-core is not installed: npm ci in tests/dashboard/a11y")
        page.wait_for_timeout(500)
        assert violations(page) == []
    finally:
        watched.close()


def test_heads_turn_together(address: str, watched: Watched) -> None:
    """A drag on one canvas changes its pixels, and those of the others."""
    page = watched.open(address + "identity")
    heads = page.locator(".h3d-heads canvas")  # tables are canvases too
    heads.first.wait_for(timeout=60_000)
    settle(page)
    before = [seen(head)[0] for head in heads.all()]
    assert len(before) == 3
    box = heads.first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 90, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    wait_until(
        lambda: all(one != seen(head)[0] for one, head in zip(before, heads.all(), strict=True)),
        "all heads to turn",
        page,
    )


def test_a_telephone_scrolls_past_heads_and_pinches_them(address: str, browser: Any) -> None:
    """A finger up a head moves the page on; two on heads zoom all of them, and not the page."""
    watched = Watched(browser, 390, has_touch=True, is_mobile=True)
    try:
        page = watched.open(address + "identity")
        heads = page.locator(".h3d-heads canvas")
        heads.first.wait_for(timeout=60_000)
        heads.first.scroll_into_view_if_needed()
        settle(page)

        def where() -> tuple[float, float]:
            scrolled = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTop")
            return scrolled, page.evaluate("visualViewport.scale")

        def middle() -> tuple[float, float]:
            box = heads.first.bounding_box()
            return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        first, start, (x, y) = seen(heads.first)[0], where(), middle()
        Fingers(page).drag([(x, y)], [(x, y - 120)])
        settle(page)
        assert where()[0] > start[0] + 60
        assert seen(heads.first)[0] == first

        before = [seen(head)[0] for head in heads.all()]  # one more may have come into sight
        scrolled, (x, y) = where(), middle()
        Fingers(page).drag([(x - 15, y), (x + 15, y)], [(x - 60, y), (x + 60, y)])
        settle(page)
        assert all(seen(head)[0] != one for head, one in zip(heads.all(), before, strict=True))
        assert where() == scrolled
    finally:
        watched.close()


def test_a_link_brings_another_reader_to_the_same_view(address: str, browser: Any) -> None:
    """What is chosen is in the address, on every page."""
    first, second = Watched(browser), Watched(browser)
    try:
        page = first.open(address + "identity?identity=heldout-0001&method=oracle&look=clay")
        assert page.locator("h1").inner_text() == "heldout-0001"
        page.get_by_role("link", name="Geometry").click()
        page.wait_for_function("() => document.querySelector('h1')?.innerText === 'heldout-0001: geometry'")
        assert "identity=heldout-0001" in page.url
        other = second.open(page.url)
        assert other.locator("h1").inner_text() == page.locator("h1").inner_text()
        assert other.locator("[data-testid=stMultiSelect]").inner_text().split()[1:] == ["oracle"]
    finally:
        first.close()
        second.close()


def test_a_filter_leaves_what_was_chosen(address: str, watched: Watched) -> None:
    page = watched.open(address)
    assert page.locator("table.idto3d tbody b").all_inner_texts().count("template_mean") == 1
    page.goto(address + "?method=oracle")
    watched.rest()
    names = page.locator("table.idto3d td:first-child b").all_inner_texts()
    assert names == ["oracle"]


def test_a_table_downloads_as_csv(address: str, watched: Watched, tmp_path: Path) -> None:
    page = watched.open(address)
    with page.expect_download(timeout=60_000) as started:
        page.get_by_role("button", name="CSV").first.click()
    file = tmp_path / "headline.csv"
    started.value.save_as(file)
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    told = {(row["method"], row["metric"]) for row in rows}
    assert ("oracle", "calibrated_identity") in told


def test_a_hostile_head_is_refused_in_a_sentence(runs: Path, browser: Any, tmp_path: Path) -> None:
    """A method's GLB that points elsewhere reaches no address, and the other heads are shown."""
    import shutil

    from tests.dashboard.shown_glbs import calling

    hostile = tmp_path / "runs" / "hostile"
    shutil.copytree(runs / "smoke", hostile)
    (hostile / "heads/id_to_3d/heldout-0000/seed-0/neutral.glb").write_bytes(calling("evil.test"))
    with serving(tmp_path / "runs", ["hostile"], tmp_path / "log") as address:
        watched = Watched(browser)
        try:
            page = watched.open(address + "identity")
            page.wait_for_selector("canvas", timeout=60_000)
            assert watched.abroad == []
            assert page.locator("canvas").count() >= 2
        finally:
            watched.close()


@pytest.mark.parametrize("state", ["empty", "half", "damaged", "another version"])
def test_a_run_that_cannot_be_shown_says_why(runs: Path, browser: Any, tmp_path: Path, state: str) -> None:
    import shutil

    folder = tmp_path / "runs" / "broken"
    folder.mkdir(parents=True)
    for name in ("protocol.json", "summary.json", "scores.parquet") if state != "empty" else ():
        shutil.copy(runs / "smoke" / name, folder / name)
    summary = folder / "summary.json"
    if state == "half":
        summary.unlink()
    if state == "damaged":
        summary.write_bytes(summary.read_bytes()[:1000])
    if state == "another version":
        summary.write_text(json.dumps({**json.loads(summary.read_text()), "schema_version": 99}))
    with serving(tmp_path / "runs", ["broken"], tmp_path / "log") as address:
        watched = Watched(browser)
        try:
            page = watched.open(address)
            told = page.locator("[data-testid=stAlert]").inner_text()
            assert "Found" in told
            assert "Traceback" not in page.inner_text("body")
        finally:
            watched.close()
