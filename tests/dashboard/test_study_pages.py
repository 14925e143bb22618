"""The pages' process behind a study's server: votes do without it, it comes again, and never outlives it."""

from __future__ import annotations

import http.client
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.dashboard.study_runs import Server, made_run, made_study, serving, token

SOON = 60.0  # s


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    made_run(runs)
    return made_study(runs, tmp_path_factory.mktemp("studies") / "study", "--turn", "30", "--seconds", "0")


@pytest.fixture
def server(study: Path) -> Iterator[Server]:
    with serving(study) as served:
        yield served


def pages_of(server: Server) -> psutil.Process:
    """The process of its pages, once there is one."""
    assert server.process is not None
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        for child in psutil.Process(server.process.pid).children():
            if "idto3d_dashboard.rating.pages" in child.cmdline():
                return child
        time.sleep(0.05)
    raise AssertionError("the pages have no process")


def front_page(server: Server) -> tuple[int, http.client.HTTPMessage, bytes]:
    with urllib.request.urlopen(f"{server.address}/", timeout=SOON) as answer:
        return answer.status, answer.headers, answer.read()


def next_pair(server: Server) -> dict[str, object]:
    body = json.dumps({"token": token(server.study, 0)}).encode()
    for name in ("consent", "next"):
        request = urllib.request.Request(
            f"{server.address}/study/{name}", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=SOON) as answer:
            found: dict[str, object] = json.load(answer)
    return found


def test_a_page_comes_whole_and_with_one_header_of_a_kind(server: Server) -> None:
    status, headers, body = front_page(server)
    assert status == 200
    assert b"</html>" in body
    assert [len(headers.get_all(name, [])) for name in ("date", "content-type")] == [1, 1]


def test_pages_that_end_are_started_again_and_votes_do_without_them(server: Server) -> None:
    front_page(server)
    first = pages_of(server)
    first.kill()
    assert next_pair(server)["next"]
    end = time.monotonic() + SOON
    while pages_of(server).pid == first.pid:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert front_page(server)[0] == 200
    assert "started again" in (server.study / "server.log").read_text()


def test_pages_end_with_a_server_that_is_killed(server: Server) -> None:
    pages = pages_of(server)
    server.kill()
    pages.wait(SOON)
    assert not pages.is_running()


def test_pages_end_with_a_server_that_is_stopped(server: Server) -> None:
    front_page(server)
    pages = pages_of(server)
    server.stop()
    assert not pages.is_running()


def test_pages_are_not_told_the_administrators_password(server: Server) -> None:
    environment = pages_of(server).environ()
    assert environment
    assert server.password not in environment.values()


def test_a_web_socket_of_another_site_is_refused(server: Server) -> None:
    front_page(server)
    with pytest.raises(InvalidStatus) as refused:
        connect(
            f"ws://127.0.0.1:{server.port}/_stcore/stream",
            origin="https://elsewhere.example",
            open_timeout=SOON,
        )
    assert refused.value.response.status_code == 403
