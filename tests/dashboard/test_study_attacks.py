"""A served study under attack: what must not happen is refused and logged, and no vote is lost meanwhile."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idto3d_eval.preference.links import rater_of_slot, token_of
from idto3d_eval.preference.study import DATABASE
from tests.dashboard.study_runs import Server, made_run, made_study, serving, token

HOSTILE = (
    "'; drop table votes; --",
    '" or 1=1 --',
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "../../secret",
    "{{7*7}}${7*7}",
    "\x00\r\nX-Header: 1",
    "\u202eabc\ud83d",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    runs = tmp_path_factory.mktemp("runs")
    made_run(runs)
    study = made_study(runs, tmp_path_factory.mktemp("studies") / "study", "--turn", "30", "--seconds", "0")
    with serving(study) as served:
        yield served


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    """Status and body of one request, sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None:
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if body:
            connection.send(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def post(server: Server, name: str, **content: Any) -> tuple[int, dict[str, Any]]:
    """One request as the rater's page sends it."""
    status, body = ask(server, "POST", f"/study/{name}", json.dumps(content).encode())
    return status, json.loads(body)


def begun(server: Server, slot: int) -> dict[str, Any]:
    """The pair that a rater is at, after consent."""
    own = token(server.study, slot)
    assert post(server, "consent", token=own)[0] == 200
    status, told = post(server, "next", token=own)
    assert status == 200
    return dict(told["next"])


def votes(server: Server) -> list[tuple[Any, ...]]:
    """All that is stored, read beside the server."""
    with sqlite3.connect(server.study / DATABASE) as connection:
        return connection.execute("select rater, pair, question, answer from votes").fetchall()


def vote(server: Server, slot: int, view: dict[str, Any], **changed: Any) -> tuple[int, dict[str, Any]]:
    """A vote as it should be, but for what is changed."""
    sent = {"pair": view["pair"], "question": view["question"], "answer": "left", "turned": 90.0}
    return post(server, "vote", **{"token": token(server.study, slot), **sent, **changed})


def test_forged_and_replayed_links(server: Server) -> None:
    """Another's name with one's own signature, a made-up one: refused. The same vote again: kept once."""
    view = begun(server, 0)
    mine, theirs = token(server.study, 0), token(server.study, 1)
    before = len(votes(server))
    for forged in (
        f"{theirs.split('.')[0]}.{mine.split('.')[1]}",
        f"{mine[:-1]}{'0' if mine[-1] != '0' else '1'}",
        token_of(b"x" * 32, rater_of_slot(b"x" * 32, 0)),
        "",
        "null",
        *HOSTILE,
    ):
        status, told = vote(server, 0, view, token=forged)
        assert status in (400, 403), forged
        assert set(told) == {"refused"}
    assert len(votes(server)) == before
    assert vote(server, 0, view)[1]["new"]
    for _ in range(3):  # a recorded request that is sent again
        status, told = vote(server, 0, view)
        assert (status, told["new"]) == (200, False)
    assert len(votes(server)) == before + 1


def test_someone_elses_pair(server: Server) -> None:
    """A valid link does not answer another rater's pair."""
    mine, theirs = begun(server, 1), begun(server, 2)
    assert vote(server, 1, theirs)[0] == 404
    assert vote(server, 1, mine)[1]["new"]
    assert all(rater != token(server.study, 2).split(".")[0] for rater, *_ in votes(server))


def test_sql_and_html_in_every_text_field(server: Server) -> None:
    """Refused or kept as text; never run, never repeated in an answer."""
    view = begun(server, 2)
    before = votes(server)
    for text in HOSTILE:
        for name in ("pair", "question", "answer"):
            status, told = vote(server, 2, view, **{name: text})
            assert 400 <= status < 500, (name, text)
            assert text not in json.dumps(told)
            time.sleep(0.05)
        status, _ = post(server, "finish", token=token(server.study, 2), answers={text: text})
        assert status == 400
        status, _ = post(server, "join", join=text, person=text)
        assert status in (400, 403, 429)
    assert votes(server) == before
    for wrong in (None, 1, [], {}, True):
        assert vote(server, 2, view, pair=wrong)[0] == 400
    time.sleep(3)  # of the rater's limit
    for wrong in ("90", None, [1], True):
        assert vote(server, 2, view, turned=wrong)[0] == 400
    for raw in (b"", b"{", b"[]", b"null", b"[" * 9000, b'{"token": NaN}', b"\xff\xfe"):
        status, _ = ask(server, "POST", "/study/vote", raw)
        assert 400 <= status < 500, raw[:20]


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "..%2fsecret",
        "%2e%2e/%2e%2e/secret",
        "....//secret",
        "..\\secret",
        "/etc/passwd",
        "%00",
        "votes.db",
        "0" * 32 + ".glb",
        "0" * 32 + ".glb/../../secret",
        "0" * 5000,
    ],
)
def test_paths_that_leave_the_study(server: Server, name: str) -> None:
    """No file but those of the study's table."""
    key = (server.study / "secret").read_bytes().strip()
    status, body = ask(server, "GET", f"/study/files/{name}")
    assert status in (400, 403, 404), name
    assert key not in body


def test_ten_megabytes(server: Server) -> None:
    """Refused before they are read, told or not told how long they are; the connection does not matter."""
    view = begun(server, 3)
    large = json.dumps({"token": token(server.study, 3), "pair": "x" * 10_000_000}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("POST", "/study/vote")
    connection.putheader("Content-Length", str(len(large)))
    connection.endheaders()
    started = time.monotonic()
    try:
        connection.send(large)
        status = connection.getresponse().status
    except (BrokenPipeError, ConnectionResetError):
        status = 413  # it hung up while being sent to
    assert status == 413
    assert time.monotonic() - started < 5
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall(b"POST /study/vote HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        part = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        try:
            for _ in range(160):
                raw.sendall(part)
            answer = raw.recv(64)
        except (BrokenPipeError, ConnectionResetError):
            answer = b"HTTP/1.1 413"
        assert b" 413" in answer[:32]
    assert vote(server, 3, view)[1]["new"]


def test_a_thousand_requests_a_second(server: Server) -> None:
    """A flood of forged votes is refused and logged in few lines; an honest rater answers all the while."""
    before, log = len(votes(server)), server.study / "server.log"
    time.sleep(1.1)  # what was logged by the tests before lies in another second
    size = log.stat().st_size
    stop, statuses = time.monotonic() + 4, Counter[int]()

    def flood() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        own = Counter[int]()
        body = json.dumps({"token": "0" * 16 + "." + "0" * 32, "pair": "x"})
        while time.monotonic() < stop:
            connection.request("POST", "/study/vote", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            own[answer.status] += 1
        statuses.update(own)

    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    told, waits = begun(server, 0), []
    given = 0
    while time.monotonic() < stop and told:
        started = time.monotonic()
        status, answer = vote(server, 0, told)
        waits.append(time.monotonic() - started)
        assert status == 200, answer
        given += answer["new"]
        told = answer["next"]
        time.sleep(0.4)
    for thread in threads:
        thread.join()
    assert sum(statuses.values()) > 400  # as many as this machine could send
    assert set(statuses) <= {403, 429}
    assert statuses[429] > statuses[403]
    assert given >= 3
    assert len(votes(server)) == before + given
    assert max(waits) < 3
    written = log.read_bytes()[size:]
    assert b"403 POST /study/vote 127.0.0.1" in written
    assert b"more in that second" in written
    assert len(written) < 60_000
    assert server.well()


def test_one_rater_that_asks_too_often(server: Server) -> None:
    """A valid link has its limit too, after which it goes on."""
    own = token(server.study, 1)
    statuses = Counter(post(server, "next", token=own)[0] for _ in range(80))
    assert statuses[429] > 0
    time.sleep(1.5)
    assert post(server, "next", token=own)[0] == 200


def test_the_administrators_page(server: Server) -> None:
    """Only with the password; escaped; a backup by its button, and not by another site's."""

    def basic(password: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"me:{password}".encode()).decode()}

    for headers in ({}, basic(""), basic("wrong"), {"Authorization": "Basic ***"}, {"Authorization": "x"}):
        assert ask(server, "GET", "/study/admin", **headers)[0] == 401
        assert ask(server, "POST", "/study/admin/backup", b"", **headers)[0] == 401
    good = basic("open sesame")
    status, page = ask(server, "GET", "/study/admin", **good)
    assert status == 200
    assert b"4 of 4 raters came" in page
    assert b"<script" not in page
    foreign = ask(server, "POST", "/study/admin/backup", b"", **good, Sec_Fetch_Site="cross-site")
    assert foreign[0] == 403
    assert not (server.study / "backups").exists()
    assert ask(server, "POST", "/study/admin/backup", b"", **good)[0] == 303
    (copy,) = (server.study / "backups").glob("*.db")
    with sqlite3.connect(copy) as connection:
        assert connection.execute("select count(*) from votes").fetchone()[0] == len(votes(server))
    status, table = ask(server, "GET", "/study/admin/answers.csv", **good)
    assert status == 200
    assert table.startswith(b"rater,pair,")
    guesses = Counter(ask(server, "GET", "/study/admin", **basic(str(n)))[0] for n in range(90))
    assert guesses[429] > 0


def test_the_log_holds_no_secret(server: Server) -> None:
    """Neither a link's signature nor the key nor the password."""
    written = (server.study / "server.log").read_text() + server.log.read_text()
    for slot in range(4):
        assert token(server.study, slot).split(".")[1] not in written
    assert (server.study / "secret").read_text().strip() not in written
    assert "open sesame" not in written


def test_without_a_password_there_is_no_administrators_page(tmp_path: Path) -> None:
    """It says what to set."""
    made_run(tmp_path / "runs", people=2)
    study = made_study(tmp_path / "runs", tmp_path / "study", "--most", "9")
    server = Server(study, password="")
    server.start()
    try:
        status, told = ask(server, "GET", "/study/admin")
    finally:
        server.stop()
    assert status == 404
    assert b"IDTO3D_STUDY_PASSWORD" in told
