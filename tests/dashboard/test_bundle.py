"""A bundle is whole, asks no host for anything, opens from disk, and keeps real faces to itself if asked."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from idto3d.errors import UserError
from idto3d_dashboard.bundle import write_bundle
from idto3d_dashboard.viewer import built_file
from idto3d_eval.run_folder import SUMMARY
from tests.dashboard.fake_runs import finished, give_head
from tests.dashboard.pictures import settle
from tests.dashboard.served import Watched

ROWS = "[{method: good, label: good}, {method: truth, label: truth}]"
FIRST = "heldout-0000"
_LINKS = re.compile(r'(?:href|src)="([^"#]+)"')


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    try:
        built_file("viewer.classic.js")
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = finished(tmp_path_factory.mktemp("runs") / "fake", 2, ROWS)
    give_head(folder, FIRST)
    return folder


def test_every_link_of_every_page_leads_to_a_file_of_the_bundle(run: Path, tmp_path: Path) -> None:
    found = write_bundle(run, tmp_path / "bundle")
    pages = sorted((tmp_path / "bundle").glob("*.html"))
    assert len(pages) == found.pages
    assert {"index.html", f"identity-{FIRST}.html", "provenance.html"} <= {page.name for page in pages}
    for page in pages:
        text = page.read_text()
        assert "Content-Security-Policy" in text
        for link in _LINKS.findall(text):
            assert link.startswith("data:") or (page.parent / link).is_file(), (page.name, link)


def test_the_size_that_is_told_is_that_of_the_folder(run: Path, tmp_path: Path) -> None:
    found = write_bundle(run, tmp_path / "bundle")
    assert found.size == sum(
        path.stat().st_size for path in (tmp_path / "bundle").rglob("*") if path.is_file()
    )


def test_a_folder_with_something_in_it_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="expected an empty folder"):
        write_bundle(run, tmp_path)


def _photographed(run: Path, to: Path) -> Path:
    """The same run, of people who were photographed."""
    shutil.copytree(run, to)
    summary = json.loads((to / SUMMARY).read_text())
    summary["protocol"]["population"]["label"] = "photographs"
    (to / SUMMARY).write_text(json.dumps(summary))
    return to


def test_without_photos_no_real_face_is_in_it(run: Path, tmp_path: Path) -> None:
    """Photographs, heads and pictures of heads, in files or in pages."""
    folder = _photographed(run, tmp_path / "photographed")
    write_bundle(folder, tmp_path / "bundle", photos=False)
    assert not (tmp_path / "bundle" / "files").exists()
    for page in (tmp_path / "bundle").glob("*.html"):
        text = page.read_text()
        assert "<img" not in text
        assert "data:image" not in text
        assert 'class="heads"' not in text


def test_without_photos_synthetic_people_lose_their_photographs_alone(run: Path, tmp_path: Path) -> None:
    write_bundle(run, tmp_path / "bundle", photos=False)
    text = (tmp_path / "bundle" / f"identity-{FIRST}.html").read_text()
    assert "Photographs are left out here" in text
    assert 'class="heads"' in text
    assert list((tmp_path / "bundle" / "files").glob("*.glb.js"))


def test_a_bundle_opens_from_disk(runs: Path, browser: Any, tmp_path: Path) -> None:
    """Of a real run: charts are drawn, heads appear, nothing is asked of any host."""
    write_bundle(runs / "smoke", tmp_path / "bundle")
    charted = next(
        path for path in sorted((tmp_path / "bundle").glob("*.html")) if "idto3d plane" in path.read_text()
    )
    watched = Watched(browser)
    try:
        page = watched.page
        page.goto((tmp_path / "bundle" / "index.html").as_uri())
        page.wait_for_selector("table.idto3d", timeout=60_000)
        page.goto(charted.as_uri())
        line = page.locator("figure.plane i.line, figure.plane i.bar").first
        line.wait_for(state="attached", timeout=60_000)
        assert line.bounding_box()["height"] > 10  # its style sheet is there
        page.goto((tmp_path / "bundle" / "identity-heldout-0000.html").as_uri())
        page.wait_for_selector("canvas", state="attached", timeout=60_000)
        pictures = settle(page)
        assert len(pictures) == 3
        page.get_by_role("button", name="clay").click()
        assert settle(page) != pictures
        assert watched.errors == []
        assert watched.abroad == []
    finally:
        watched.close()
