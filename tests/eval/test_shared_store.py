"""Runs that keep what they finish in a store that machines share: a folder, memory, S3 by moto's server."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_stages as fake
import pytest
from rich.console import Console
from s3_server import BUCKET, Gate, s3_server

from idto3d.errors import UserError
from idto3d_eval import lease, shared_objects
from idto3d_eval.lease import Lease, LeaseLost, Pace
from idto3d_eval.object_backends import open_backend
from idto3d_eval.run import RunResult, run_protocol
from idto3d_eval.sender import digest_of, files_of
from idto3d_eval.shared_objects import Patience, SharedObjects, StoreAway, StoreRefused
from idto3d_eval.shared_store import SharedStore
from idto3d_eval.store import Damaged, Record

ROWS = "[{method: good, label: good}, {method: mean, label: mean}]"
FAILING = (
    "[{method: good, label: good}, {method: other, label: other, parameters: {behaviour: %s, only: %s}}]"
)
HEAD = "heads/good/heldout-0000/seed-0"
VIEWS = "views/good/heldout-0000/seed-0"


@pytest.fixture(scope="module")
def server() -> Iterator[Gate]:
    pytest.importorskip("moto", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="the extra `s3` is not installed")
    with s3_server() as gate:
        yield gate


@pytest.fixture(params=["folder", "memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of each kind."""
    if request.param == "folder":
        return str(tmp_path / "store")
    if request.param == "memory":
        pytest.importorskip("fsspec")
        return f"memory://{tmp_path.name}"
    request.getfixturevalue("server")
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture(autouse=True)
def _fast_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PACE", Pace(beat_s=0.2, still_s=3.0))


def run(root: Path, shared: str | None = None, methods: str = ROWS, **options: Any) -> tuple[RunResult, str]:
    said = io.StringIO()
    asked: dict[str, Any] = {"workers": 2, **options}
    result = run_protocol(
        fake.protocol(methods=methods),
        root,
        progress=False,
        weights=root.parent / "weights",
        methods=fake.METHODS,
        stages=fake.TABLE,
        console=Console(file=said, width=140),
        shared=shared,
        **asked,
    )
    return result, said.getvalue()


def scores(root: Path) -> bytes:
    return (root / "scores.parquet").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run without a store."""
    root = tmp_path_factory.mktemp("whole") / "run"
    run(root)
    return root


def test_another_machine_shows_a_finished_run_and_brings_no_artefact(tmp_path: Path, whole: Path) -> None:
    url = str(tmp_path / "store")
    first, _ = run(tmp_path / "a", url)
    second, said = run(tmp_path / "b", url)
    assert first.computed > 0
    assert second.computed == 0
    assert scores(tmp_path / "a") == scores(tmp_path / "b") == scores(whole)
    assert "good" in said
    assert not (tmp_path / "b/heads").exists()
    assert (tmp_path / "b/report.html").read_bytes() == (tmp_path / "a/report.html").read_bytes()


def test_another_machine_goes_on_and_brings_what_its_jobs_need(url: str, tmp_path: Path, whole: Path) -> None:
    run(tmp_path / "a", url)
    objects = SharedObjects(url)
    for job in (VIEWS, "scores/good", "summary.json"):
        objects.remove(f"index/{job}.json")
    second, _ = run(tmp_path / "b", url)
    assert second.computed == 2
    assert (tmp_path / "b" / HEAD / "part.glb").is_file()
    assert not (tmp_path / "b/heads/mean").exists()
    assert scores(tmp_path / "b") == scores(whole)
    assert f"index/{VIEWS}.json" in objects.names("index")


def test_artefacts_lie_under_their_digest_and_records_tell_of_them(tmp_path: Path) -> None:
    url = str(tmp_path / "store")
    run(tmp_path / "a", url)
    objects = SharedObjects(url)
    names = objects.names("")
    record = Record(**json.loads(objects.get([f"index/{HEAD}.json"])[f"index/{HEAD}.json"]))
    kept = [name for name in names if name.startswith(f"artefacts/{HEAD}/")]
    assert kept == [f"artefacts/{HEAD}/{record.digest}/part.glb"]
    assert digest_of(objects.get(kept)) != record.digest  # of whole names
    assert digest_of(files_of(tmp_path / "a" / HEAD)) == record.digest
    assert {"results/scores.parquet", "results/report.html", "results/protocol.json"} <= set(names)
    assert sum(name.startswith("lease/") for name in names) == 1


def test_a_folder_that_ran_without_a_store_sends_all_that_it_has(tmp_path: Path, whole: Path) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "a"))
    url = str(tmp_path / "store")
    assert run(copy, url)[0].computed == 0
    assert run(tmp_path / "b", url)[0].computed == 0
    assert scores(tmp_path / "b") == scores(whole)


def test_damage_in_the_working_copy_is_mended_from_the_store_and_damage_in_both_by_the_job(
    tmp_path: Path, whole: Path
) -> None:
    url = str(tmp_path / "store")
    run(tmp_path / "a", url)
    (tmp_path / "a" / HEAD / "part.glb").write_text("damaged")
    result, said = run(tmp_path / "a", url, check=True)
    assert f"Found files of {HEAD} that are not those that were indexed; the store's are taken." in said
    assert result.computed == 0
    for file in [
        tmp_path / "a" / HEAD / "part.glb",
        *(tmp_path / "store/artefacts" / HEAD).rglob("part.glb"),
    ]:
        file.write_text("damaged")
    result, said = run(tmp_path / "a", url, check=True)
    assert f"Found files of {HEAD} that are not those that were indexed; it is made again." in said
    assert result.computed == 1
    (stored,) = (tmp_path / "store/artefacts" / HEAD).rglob("part.glb")
    assert stored.read_bytes() == (whole / HEAD / "part.glb").read_bytes()
    assert scores(tmp_path / "a") == scores(whole)


def test_what_is_damaged_in_the_store_alone_is_made_again_where_it_is_needed(
    tmp_path: Path, whole: Path
) -> None:
    url = str(tmp_path / "store")
    run(tmp_path / "a", url)
    (stored,) = (tmp_path / "store/artefacts" / HEAD).rglob("part.glb")
    stored.write_text("damaged")
    (tmp_path / f"store/index/{VIEWS}.json").unlink()
    result, said = run(tmp_path / "b", url)
    assert f"Found files of {HEAD}" in said
    assert result.computed == 2
    assert scores(tmp_path / "b") == scores(whole)


def test_failures_of_a_method_are_shared_and_those_of_a_machine_are_tried_again(tmp_path: Path) -> None:
    for behaviour, computed in (("raise", 0), ("crash", 1)):
        url, methods = str(tmp_path / behaviour / "store"), FAILING % (behaviour, "heldout-0001")
        assert run(tmp_path / behaviour / "a", url, methods)[0].failed == 3
        second = run(tmp_path / behaviour / "b", url, methods)[0]
        assert (second.computed, second.failed) == (computed, 3)


def test_a_store_of_another_protocol_is_refused(tmp_path: Path) -> None:
    url = str(tmp_path / "store")
    run(tmp_path / "a", url)
    other = fake.protocol(version="2", methods=ROWS)
    with pytest.raises(UserError, match=r"Found a run of fake version 1 in .*, expected"):
        run_protocol(
            other,
            tmp_path / "b",
            methods=fake.METHODS,
            stages=fake.TABLE,
            shared=url,
            console=Console(file=io.StringIO()),
        )


@pytest.mark.usefixtures("server")
def test_two_runs_of_one_command_at_once_do_no_harm(tmp_path: Path) -> None:
    """One works, the other is refused; afterwards it finds all done."""
    url = f"s3://{BUCKET}/{tmp_path.name}"
    slow = ROWS.replace("label: good", "label: good, parameters: {pause: 1.0}")
    outcome: dict[str, object] = {}

    def work(name: str) -> None:
        try:
            outcome[name] = run(tmp_path / name, url, slow)[0]
        except UserError as error:
            outcome[name] = error

    threads = [threading.Thread(target=work, args=[name]) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    refused = [name for name, found in outcome.items() if isinstance(found, UserError)]
    assert len(refused) == 1
    assert "at work on" in str(outcome[refused[0]])
    assert run(tmp_path / refused[0], url, slow)[0].computed == 0
    assert scores(tmp_path / "a") == scores(tmp_path / "b")


def test_a_run_whose_lease_was_taken_over_writes_no_record_any_more(tmp_path: Path) -> None:
    url = str(tmp_path / "store")
    store = SharedStore(tmp_path / "a", url)

    def follow_and_commit() -> None:
        with store.locked():
            other = SharedObjects(url)
            number = int(Path(max(other.names("lease"))).stem)
            assert other.create(f"lease/{number + 1:012d}.json", b"{}")
            partial = store.partial()
            (partial / "part.glb").write_text("a head")
            store.commit(partial, Record(HEAD, "k", "done", ""))

    with pytest.raises(LeaseLost):
        follow_and_commit()
    assert store.record(HEAD) is not None  # kept here
    assert SharedObjects(url).names("index") == []


def test_a_store_that_is_away_for_a_while_costs_nothing(server: Gate, tmp_path: Path) -> None:
    away_for(server, tmp_path, seconds=4.0)


@pytest.mark.slow
def test_a_store_that_is_away_for_a_minute_costs_nothing(server: Gate, tmp_path: Path) -> None:
    away_for(server, tmp_path, seconds=60.0)


def away_for(server: Gate, tmp_path: Path, seconds: float) -> None:
    """A run that begins with the store there, which then goes and comes again."""
    url = f"s3://{BUCKET}/{tmp_path.name}"
    paused = ROWS.replace("label: good", "label: good, parameters: {pause: 1.0}")

    def outage() -> None:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "a/index").rglob("*.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        server.shut()
        time.sleep(seconds)
        server.open()

    thread = threading.Thread(target=outage)
    thread.start()
    try:
        result, said = run(tmp_path / "a", url, paused)
    finally:
        thread.join()
    assert result.failed == 0
    assert "does not answer; it is asked again" in said
    assert "answers again" in said
    assert run(tmp_path / "b", url, paused)[0].computed == 0
    assert scores(tmp_path / "b") == scores(tmp_path / "a")


def test_a_store_that_stays_away_is_one_sentence_and_all_is_kept_here(
    server: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://{BUCKET}/{tmp_path.name}"
    monkeypatch.setattr(shared_objects, "PATIENCE", Patience(limit_s=2.0, first_s=0.1, most_s=0.5))
    slow = ROWS.replace("label: good", "label: good, parameters: {pause: 1.0}")
    thread = threading.Thread(target=lambda: (_wait_for_work(tmp_path / "a"), server.shut()))
    thread.start()
    try:
        with pytest.raises(
            StoreAway, match=r"Found no answer from s3://.* everything finished is kept in"
        ) as told:
            run(tmp_path / "a", url, slow)
    finally:
        thread.join()
        server.open()
    assert "\n" not in str(told.value)
    kept = len(list((tmp_path / "a/index").rglob("*.json")))
    assert kept > 0
    result = run(tmp_path / "a", url, slow)[0]
    assert result.failed == 0
    assert run(tmp_path / "b", url, slow)[0].computed == 0


def _wait_for_work(root: Path) -> None:
    deadline = time.monotonic() + 60
    while not list((root / "index").rglob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.usefixtures("server")
def test_a_bucket_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(StoreRefused, match=r"Found s3://no-such-bucket/x refusing .*, expected") as told:
        run(tmp_path / "a", "s3://no-such-bucket/x")
    assert time.monotonic() - started < 20.0
    assert "\n" not in str(told.value)


def test_of_many_conditional_creates_at_once_one_wins(url: str) -> None:
    if url.startswith("memory://"):
        pytest.skip("of one process alone, and not made for threads")
    backends = [open_backend(url) for _ in range(6)]
    won: list[bool] = []
    threads = [
        threading.Thread(target=lambda each=each, n=n: won.append(each.create("lease/1", str(n).encode())))
        for n, each in enumerate(backends)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(won) == [False] * 5 + [True]
    assert list(backends[0].get(["lease/1", "lease/2"])) == ["lease/1"]


def test_an_unknown_kind_of_store_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Found the store 'nothing://x'") as told:
        run(tmp_path / "a", "nothing://x")
    assert "\n" not in str(told.value)


def test_a_lease_that_is_not_there_is_made_and_the_store_left_free(tmp_path: Path) -> None:
    store = SharedStore(tmp_path / "a", str(tmp_path / "store"))
    with store.locked():
        pass
    follower = Lease(SharedObjects(str(tmp_path / "store")), "elsewhere", Pace(still_s=60.0))
    started = time.monotonic()
    follower.take()
    assert time.monotonic() - started < 5.0
    follower.release()


def test_what_the_store_lacks_is_damage_where_it_is_asked_for(tmp_path: Path) -> None:
    url = str(tmp_path / "store")
    run(tmp_path / "a", url)
    shutil.rmtree(tmp_path / "store/artefacts" / HEAD)
    store = SharedStore(tmp_path / "b", url)
    with store.locked():
        record = json.loads((tmp_path / f"store/index/{HEAD}.json").read_text())
        assert store.current(HEAD, record["key"]) is not None
        with pytest.raises(Damaged):
            store.artefact(HEAD)
