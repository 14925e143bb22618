"""How often someone may ask: token buckets in memory, and a log that a flood cannot fill."""

from __future__ import annotations

import logging
import logging.handlers
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LOG = logging.getLogger("idto3d_study")
KEPT = 20_000  # buckets that are remembered; a flood from more addresses forgets the oldest
LINES = 20  # of a log in a second
LOG_BYTES, LOG_FILES = 4 * 2**20, 4


def log_to(path: Path) -> None:
    """Let this process's log be a file, of which older parts are dropped."""
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False


@dataclass
class Buckets:
    """Tells who asks too often.

    Args:
        rate: times a second, in the long run.
        burst: times at once.
        clock: seconds.
    """

    rate: float
    burst: float
    clock: Callable[[], float] = time.monotonic
    _level: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, who: str) -> bool:
        """Whether someone may ask once more now."""
        now = self.clock()
        with self._lock:
            level, then = self._level.pop(who, (self.burst, now))
            level = min(self.burst, level + (now - then) * self.rate)
            allowed = level >= 1
            self._level[who] = (level - 1 if allowed else level, now)
            if len(self._level) > KEPT:
                self._level.pop(next(iter(self._level)))
        return allowed


@dataclass
class CalmLog:
    """Warnings, at most `LINES` a second; what is left out is counted."""

    clock: Callable[[], float] = time.monotonic
    _second: int = -1
    _lines: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def warn(self, sentence: str) -> None:
        """Log one line, without the control characters that would forge others."""
        with self._lock:
            second = int(self.clock())
            if second != self._second:
                if self._lines > LINES:
                    LOG.warning("and %d more in that second", self._lines - LINES)
                self._second, self._lines = second, 0
            self._lines += 1
            if self._lines > LINES:
                return
        LOG.warning("%s", "".join(sign if sign.isprintable() else "�" for sign in sentence[:300]))
