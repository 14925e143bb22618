"""Fingers on a page in a browser."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

Points = Sequence[tuple[float, float]]


class Fingers:
    """Touches of a page, dealt out by the browser itself: it scrolls, zooms and clicks as on a telephone."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.session = page.context.new_cdp_session(page)
        self.now = time.time()  # s; its own clock, so that a busy machine makes no finger slower

    def drag(self, start: Points, end: Points, steps: int = 8, rest: int = 100) -> None:
        """One finger a point goes from its start to its end, rests for some ms, and is lifted."""
        self.send("touchStart", start)
        for step in range(1, steps + 1):
            share = step / steps
            between = [
                (x + (to_x - x) * share, y + (to_y - y) * share)
                for (x, y), (to_x, to_y) in zip(start, end, strict=True)
            ]
            self._wait(16)
            self.send("touchMove", between)
        self._wait(rest)
        self.send("touchEnd", ())
        self.page.wait_for_timeout(300)

    def tap(self, x: float, y: float, times: int = 1) -> None:
        """At one place, so quickly that two are a double tap."""
        for _ in range(times):
            self.send("touchStart", [(x, y)])
            self._wait(20)
            self.send("touchEnd", ())
            self._wait(60)

    def send(self, kind: str, points: Points) -> None:
        """One event of all fingers that are down."""
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        event = {"type": kind, "touchPoints": touches, "timestamp": self.now}
        self.session.send("Input.dispatchTouchEvent", event)

    def _wait(self, ms: int) -> None:
        self.page.wait_for_timeout(ms)
        self.now += ms / 1000
