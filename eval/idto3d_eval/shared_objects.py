"""Objects of a shared store, whole or absent, and asked for again while the store is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from idto3d.errors import UserError
from idto3d_eval.object_backends import Backend, open_backend, said

T = TypeVar("T")
Told = Callable[[str], None]

# What another try does not mend: names of classes, whose libraries may be absent.
DEFINITE = (
    "FileNotFoundError",
    "FileExistsError",
    "PermissionError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "ParamValidationError",
    "NoRegionError",
)


class StoreAway(UserError):
    """The store did not answer for longer than one waits."""


class StoreRefused(UserError):
    """The store answered that it does not do it."""


@dataclass(frozen=True)
class Patience:
    """How long a store that is away is asked again: after `first_s`, then twice as long, at most `most_s`."""

    limit_s: float = 300.0
    first_s: float = 0.5
    most_s: float = 10.0


PATIENCE = Patience()


class SharedObjects:
    """A store that is asked again while it is away."""

    def __init__(
        self, url: str, patience: Patience | None = None, told: Told = lambda _: None, *, kept: str = ""
    ) -> None:
        """
        Args:
            url: such as `s3://bucket/prefix`, or a folder.
            patience: how long to ask again.
            told: called with a sentence when the store stops and begins to answer.
            kept: where what is finished is kept meanwhile, for the sentence.

        Raises:
            UserError: no library for such a URL is installed.
        """
        self.url = url
        self._backend = open_backend(url)
        self._patience, self._told, self._kept = patience or PATIENCE, told, kept
        self._lock = threading.Lock()
        self._away = False
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Nothing waits for the store any more."""
        self._stopped.set()

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Writes objects, each as a whole."""
        self._ask(lambda: self._backend.put(objects))

    def create(self, name: str, content: bytes) -> bool:
        """Writes an object where there is none; whether this call, or an earlier try of it, did."""
        if self._ask(lambda: self._backend.create(name, content)):
            return True
        return self.get([name]).get(name) == content  # the answer to a try that did it may have been lost

    def get(self, names: Iterable[str]) -> dict[str, bytes]:
        """The contents of those objects that are there."""
        asked = list(names)
        return self._ask(lambda: self._backend.get(asked)) if asked else {}

    def names(self, under: str) -> list[str]:
        """All objects under a folder, by their whole names."""
        return self._ask(lambda: self._backend.names(under))

    def remove(self, name: str) -> None:
        """Removes an object, if it is there."""
        self._ask(lambda: self._backend.remove(name))

    def once(self) -> Backend:
        """The store itself, for what is not worth waiting for."""
        return self._backend

    def _ask(self, action: Callable[[], T]) -> T:
        """Does it, again and again as long as the store is away.

        Raises:
            StoreAway: for longer than `patience` allows.
            StoreRefused: it answers that it does not.
        """
        since, pause = time.monotonic(), self._patience.first_s
        while True:
            try:
                found = action()
            except UserError:
                raise
            except Exception as error:
                if type(error).__name__ in DEFINITE:
                    raise StoreRefused(
                        f"Found {self.url} refusing ({said(error)}), expected a store that can be read and "
                        f"written; mend its name or the credentials{self._remains()}."
                    ) from error
                waited = time.monotonic() - since
                if waited + pause > self._patience.limit_s:
                    raise StoreAway(
                        f"Found no answer from {self.url} for {waited:.0f} s ({said(error)}), expected one "
                        f"within {self._patience.limit_s:g} s{self._remains()}; run the same command again "
                        "once it is back."
                    ) from error
                self._notice(away=True)
                if self._stopped.wait(pause):
                    raise StoreAway(f"Found {self.url} away when the run ended{self._remains()}.") from error
                pause = min(2 * pause, self._patience.most_s)
            else:
                self._notice(away=False)
                return found

    def _remains(self) -> str:
        return f"; everything finished is kept in {self._kept}" if self._kept else ""

    def _notice(self, *, away: bool) -> None:
        with self._lock:
            changed, self._away = self._away != away, away
        if changed:
            meanwhile = "does not answer; it is asked again, and what is finished is sent later"
            self._told(f"The store {self.url} {meanwhile if away else 'answers again'}.")
