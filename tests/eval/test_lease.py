"""One writer to a shared store at a time: told by objects alone, whatever the machines' clocks say."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from idto3d.errors import UserError
from idto3d_eval.lease import Lease, LeaseLost, Pace
from idto3d_eval.shared_objects import SharedObjects

BEAT, STILL = 0.1, 0.6


def lease(folder: Path, place: str, *, still_s: float = STILL, offset: float = 0.0) -> Lease:
    """A lease whose process' own clock stands elsewhere than that of others."""
    objects = SharedObjects(str(folder))
    return Lease(objects, place, Pace(BEAT, still_s), clock=lambda: time.monotonic() + offset)


def stopped(one: Lease) -> Lease:
    """As if the process that holds it were gone: nothing is counted any more."""
    one._ended.set()
    assert one._beats is not None
    one._beats.join()
    return one


def test_a_second_process_is_refused_as_long_as_the_first_one_counts(tmp_path: Path) -> None:
    first = lease(tmp_path, "a")
    first.take()
    with pytest.raises(
        UserError, match=r"Found the process \d+ on .* at work on .*, expected one at a time"
    ) as told:
        lease(tmp_path, "b").take()
    assert "\n" not in str(told.value)
    first.require()
    first.release()
    second = lease(tmp_path, "b")
    started = time.monotonic()
    second.take()
    assert time.monotonic() - started < STILL  # what was released is not waited for
    second.release()


def test_a_holder_that_is_gone_is_followed_after_the_counter_stood_still(tmp_path: Path) -> None:
    gone = lease(tmp_path, "a")
    gone.take()
    stopped(gone)
    said: list[str] = []
    second = lease(tmp_path, "b")
    started = time.monotonic()
    second.take(said.append)
    assert time.monotonic() - started >= STILL
    assert "Nothing was heard of the process" in said[-1]
    second.require()
    with pytest.raises(LeaseLost, match="another process took over") as told:
        gone.require()
    assert "\n" not in str(told.value)
    second.release()


def test_a_holder_that_was_only_stopped_does_not_take_its_lease_back(tmp_path: Path) -> None:
    slept = lease(tmp_path, "a")
    slept.take()
    stopped(slept)
    second = lease(tmp_path, "b")
    second.take()
    slept._ended.clear()
    thread = threading.Thread(target=slept._beat)
    thread.start()
    thread.join(timeout=10)  # its first beat finds the higher number, and is its last
    assert not thread.is_alive()
    second.require()
    slept.release()
    second.require()
    second.release()


@pytest.mark.parametrize("skew_s", [-86400.0 * 365, -3600.0, 3600.0, 86400.0 * 365])
def test_clocks_that_differ_by_hours_or_years_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skew_s: float
) -> None:
    """Neither a holder that lives is taken to be gone nor one that is gone to live."""
    first = lease(tmp_path, "a")
    first.take()
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + skew_s)
    monkeypatch.setattr(time, "time_ns", lambda: int((true() + skew_s) * 1e9))
    with pytest.raises(UserError, match="at work"):
        lease(tmp_path, "b", offset=skew_s).take()
    stopped(first)
    second = lease(tmp_path, "b", offset=skew_s)
    started = time.monotonic()
    second.take()
    assert STILL <= time.monotonic() - started < 20 * STILL
    second.release()


def test_of_many_that_follow_at_once_one_holds_it(tmp_path: Path) -> None:
    gone = lease(tmp_path, "gone")
    gone.take()
    stopped(gone)
    held: list[Lease] = []
    refused: list[UserError] = []

    def follow(number: int) -> None:
        mine = lease(tmp_path, f"place {number}")
        try:
            mine.take()
            held.append(mine)
        except UserError as error:
            refused.append(error)

    threads = [threading.Thread(target=follow, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(held) == 1
    assert len(refused) == 5
    held[0].require()
    held[0].release()


def test_a_folder_goes_on_at_once_from_its_own_lease(tmp_path: Path) -> None:
    """Who holds the folder's lock knows that the process before it is gone."""
    stopped_one = lease(tmp_path, "here")
    stopped_one.take()
    stopped(stopped_one)
    started = time.monotonic()
    again = lease(tmp_path, "here", still_s=60.0)
    again.take()
    assert time.monotonic() - started < 5.0
    again.release()


def test_time_in_which_the_store_does_not_answer_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store is away its holder cannot count either: who waits begins anew once it is back."""
    first = lease(tmp_path, "a")
    first.take()
    second = lease(tmp_path, "b")
    newest = second._newest
    asked = [0]

    def slow() -> object:
        asked[0] += 1
        if asked[0] == 2:  # the store is away for longer than a holder may be silent
            stopped(first)
            time.sleep(2 * STILL)
            first._ended.clear()
            thread = threading.Thread(target=first._beat, daemon=True)
            first._beats = thread
            thread.start()
        return newest()

    monkeypatch.setattr(second, "_newest", slow)
    with pytest.raises(UserError, match="at work"):
        second.take()
    first.release()


def test_a_lease_that_cannot_be_read_is_waited_out(tmp_path: Path) -> None:
    (tmp_path / "lease").mkdir()
    (tmp_path / "lease/000000000004.json").write_text("{half")
    mine = lease(tmp_path, "a")
    mine.take()
    newest = json.loads((tmp_path / "lease/000000000005.json").read_text())
    assert newest["place"] == "a"
    mine.release()
