"""Who may write to a shared store: one process at a time, told by objects in the store alone.

Leases are numbered. The holder is who made the one of the highest number, by a conditional create that only
one can win; as long as it lives it raises the counter in it. Another process that sees the counter stand
still for long enough, by its own monotonic clock, makes the next number. Who was thought gone and is not
finds the higher number before it writes, and stops. No clock is ever compared with another machine's.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from idto3d.errors import UserError
from idto3d_eval.shared_objects import SharedObjects

FOLDER = "lease"


class LeaseLost(UserError):
    """Another process took the store over, since this one was not heard of."""


@dataclass(frozen=True)
class Pace:
    """Seconds between two counts of a holder, and after which one that does not count is taken to be gone."""

    beat_s: float = 5.0
    still_s: float = 30.0


PACE = Pace()


@dataclass(frozen=True)
class Holder:
    """What a lease says of who made it.

    Attributes:
        owner: a random name of the process.
        where: its machine and its number there, for people to find it.
        place: the folder whose lock it holds besides; who holds that lock now knows that it is gone.
        counter: raised as long as it lives.
        released: whether it is done.
    """

    owner: str
    where: str
    place: str
    counter: int = 0
    released: bool = False


class Lease:
    """The right to write to a store."""

    def __init__(
        self,
        objects: SharedObjects,
        place: str,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            objects: of the store.
            place: a name of the folder, its machine's name in it, whose lock this process holds.
            pace: of counting and of waiting.
            clock: seconds that only this process looks at.
        """
        self._objects, self._clock = objects, clock
        self._beat_s, self._still_s = (pace or PACE).beat_s, (pace or PACE).still_s
        where = f"process {os.getpid()} on {socket.gethostname()}"
        self._mine = Holder(uuid.uuid4().hex, where, place)
        self._number = 0
        self._ended = threading.Event()
        self._beats: threading.Thread | None = None

    def take(self, told: Callable[[str], None] = lambda _: None) -> None:
        """Becomes the holder; waits as long as it takes to see whether another one lives.

        Raises:
            UserError: another one is at work.
            StoreAway: the store does not answer.
        """
        while True:
            number, holder = self._newest()
            free = holder is None or holder.released or holder.place == self._mine.place
            if holder is not None and not free:
                told(f"Waiting up to {self._still_s:g} s to see whether the {holder.where} is still at work.")
                if not self._is_gone(number, holder):
                    continue
                told(f"Nothing was heard of the {holder.where} for {self._still_s:g} s; going on without it.")
            if self._objects.create(_name(number + 1), _text(self._mine)):
                break
        self._number = number + 1
        for name in self._objects.names(FOLDER):
            if _number(name) < self._number:
                self._objects.remove(name)
        self._beats = threading.Thread(target=self._beat, daemon=True)
        self._beats.start()

    def require(self) -> None:
        """Asks the store whether this process is still the holder; before every write that others rely on.

        Raises:
            LeaseLost: it is not.
            StoreAway: the store does not answer.
        """
        number = max(map(_number, self._objects.names(FOLDER)), default=0)
        if number != self._number:
            raise LeaseLost(
                f"Found that another process took over {self._objects.url}, expected this one to hold it; it "
                "stops so that the two do not mix, all that it finished is kept here, and the same command "
                "goes on from there."
            )

    def release(self) -> None:
        """Stops counting and lets the next process go on at once, if the store answers."""
        self._ended.set()
        if self._beats is not None:
            self._beats.join(timeout=self._beat_s)
            with contextlib.suppress(Exception):
                self._objects.once().put({_name(self._number): _text(replace(self._mine, released=True))})

    def _is_gone(self, number: int, holder: Holder) -> bool:
        """Whether a holder's counter stands still; False where another lease was made, or it was released.

        Raises:
            UserError: it moves.
        """
        since = self._clock()
        while self._clock() - since < self._still_s:
            time.sleep(min(self._beat_s, self._still_s) / 4)
            asked = self._clock()
            newest, seen = self._newest()
            if newest != number or seen is None or seen.released:
                return False
            if seen.counter != holder.counter:
                raise UserError(
                    f"Found the {seen.where} at work on {self._objects.url}, expected one at a time; wait "
                    "for it, or stop it and give the same command again."
                )
            if self._clock() - asked > self._beat_s:
                since = self._clock()  # the store was away: its holder could not count either
        return True

    def _newest(self) -> tuple[int, Holder | None]:
        number = max(map(_number, self._objects.names(FOLDER)), default=0)
        content = self._objects.get([_name(number)]).get(_name(number)) if number else None
        return number, _holder(content) if content is not None else None

    def _beat(self) -> None:
        """Raises the counter until the end; what fails is tried at the next beat."""
        store = self._objects.once()
        while not self._ended.wait(self._beat_s):
            with contextlib.suppress(Exception):
                if max(map(_number, store.names(FOLDER)), default=0) != self._number:
                    return
                self._mine = replace(self._mine, counter=self._mine.counter + 1)
                store.put({_name(self._number): _text(self._mine)})


def _name(number: int) -> str:
    return f"{FOLDER}/{number:012d}.json"


def _number(name: str) -> int:
    digits = name.rpartition("/")[2].removesuffix(".json")
    return int(digits) if digits.isdecimal() else 0


def _text(holder: Holder) -> bytes:
    return json.dumps(asdict(holder), sort_keys=True).encode()


def _holder(content: bytes) -> Holder:
    """Who a lease names; one that cannot be read names nobody who counts."""
    try:
        fields: dict[str, Any] = json.loads(content)
        return Holder(**fields)
    except (ValueError, TypeError):
        return Holder("", "holder of a lease that cannot be read", "")
