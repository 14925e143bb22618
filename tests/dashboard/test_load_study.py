"""`make load-study` at reduced size: nothing is lost or doubled where the server is killed; no times."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.conftest import CHROMIUM
from tests.dashboard.load_study import measure
from tests.eval.preference.postgres import postgres, programs

WRONG = ("lost", "doubled", "changed", "not given")


def nothing_is_lost(found: dict[str, Any]) -> None:
    assert found["votes"] > 20
    assert {name: found[name] for name in WRONG} == dict.fromkeys(WRONG, 0)
    assert found["acknowledged"] <= found["votes"] <= found["acknowledged"] + found["raters"]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to drive")
def test_a_server_that_is_killed_among_clients_and_a_page_loses_nothing(tmp_path: Path) -> None:
    nothing_is_lost(measure(tmp_path, seconds=20, clients=10, pages=1, kills=1, url=None))


@pytest.mark.skipif(not programs(), reason="no PostgreSQL on this machine")
def test_nor_does_one_on_postgresql(tmp_path: Path) -> None:
    # pytest's own folder is closed to the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="load-study-") as folder, postgres(Path(folder)) as url:
        nothing_is_lost(measure(tmp_path, seconds=12, clients=10, pages=0, kills=1, url=url))
