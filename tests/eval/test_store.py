"""The run's folder: whole or absent, told in one sentence when the disk is full, one process at a time."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from idto3d.errors import UserError
from idto3d_eval.disk import DiskFull, is_full_disk, write_atomically
from idto3d_eval.keys import folder_digest
from idto3d_eval.store import Record, Store

JOB = "heads/good/heldout-0000/seed-0"


def finished(store: Store, text: str = "a head", key: str = "k") -> Record:
    partial = store.partial()
    (partial / "part.glb").write_text(text)
    return store.commit(partial, Record(JOB, key, "done", ""))


def test_a_committed_artefact_is_found_again_by_its_key_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.locked():
        record = finished(store)
    assert store.current(JOB, "k") == record
    assert store.current(JOB, "another key") is None
    assert (store.artefact(JOB) / "part.glb").read_text() == "a head"
    assert record.digest == folder_digest(store.artefact(JOB))


def test_an_artefact_that_was_never_indexed_does_not_count(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.locked():
        finished(store)
    (tmp_path / "index" / f"{JOB}.json").unlink()
    assert store.current(JOB, "k") is None


def test_an_indexed_artefact_that_is_gone_does_not_count(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.locked():
        finished(store)
    store.artefact(JOB).rename(tmp_path / "elsewhere")
    assert store.current(JOB, "k") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"job": 1}'])
def test_a_damaged_record_does_not_count(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    with store.locked():
        finished(store)
    (tmp_path / "index" / f"{JOB}.json").write_text(text)
    assert store.current(JOB, "k") is None


def test_a_second_commit_replaces_the_first_and_leaves_no_partial(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.locked():
        finished(store, "old")
        finished(store, "new", key="k2")
    assert (store.artefact(JOB) / "part.glb").read_text() == "new"
    assert store.current(JOB, "k2")
    assert not (tmp_path / ".partial").exists()


def test_files_that_changed_on_disk_are_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.locked():
        record = finished(store)
    assert store.broken({JOB: record.digest}) == []
    (store.artefact(JOB) / "part.glb").write_text("tampered")
    assert store.broken({JOB: record.digest}) == [JOB]


@pytest.mark.parametrize("when", ["fsync", "rename", "record"])
def test_a_full_disk_is_one_sentence_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    store = Store(tmp_path)
    with store.locked():
        before = finished(store)
        partial = store.partial()
        (partial / "other.glb").write_text("another head")

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            if when == "fsync":
                patch.setattr(os, "fsync", full)
            elif when == "rename":
                patch.setattr(Path, "rename", full)
            else:
                patch.setattr(Path, "replace", full)
            with pytest.raises(DiskFull, match="free some space and run the same command again") as told:
                store.commit(partial, Record("heads/other", "k", "done", ""))
        assert isinstance(told.value, UserError)
        assert "\n" not in str(told.value)
    assert store.current(JOB, "k") == before
    assert store.current("heads/other", "k") is None


def test_an_atomic_write_that_fails_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "summary.json"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_seen_through_what_libraries_wrap_it_in() -> None:
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_full_disk(wrapped)
    assert is_full_disk(RuntimeError("PytorchStreamWriter failed: No space left on device"))
    assert not is_full_disk(RuntimeError("the loss is NaN"))


def test_a_second_process_is_refused_and_leftovers_are_swept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / ".partial" / "of-a-killed-run").mkdir(parents=True)
    with store.locked():
        assert not (tmp_path / ".partial" / "of-a-killed-run").exists()
        with pytest.raises(UserError, match="another process"), Store(tmp_path).locked():
            pass
    with store.locked():
        pass
