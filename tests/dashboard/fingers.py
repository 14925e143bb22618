"""Fingers on a page in a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Points = Sequence[tuple[float, float]]


class Fingers:
    """Touches of a page, dealt out by the browser itself: it scrolls, zooms and clicks as on a telephone."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.session = page.context.new_cdp_session(page)

    def drag(self, start: Points, end: Points, steps: int = 8, rest: int = 100) -> None:
        """One finger a point goes from its start to its end, rests for some ms, and is lifted."""
        self.send("touchStart", start)
        for step in range(1, steps + 1):
            share = step / steps
            between = [
                (x + (to_x - x) * share, y + (to_y - y) * share)
                for (x, y), (to_x, to_y) in zip(start, end, strict=True)
            ]
            self.send("touchMove", between)
            self.page.wait_for_timeout(16)
        self.page.wait_for_timeout(rest)
        self.send("touchEnd", ())
        self.page.wait_for_timeout(300)

    def tap(self, x: float, y: float, times: int = 1) -> None:
        """At one place, so quickly that two are a double tap."""
        for _ in range(times):
            self.send("touchStart", [(x, y)])
            self.send("touchEnd", ())
            self.page.wait_for_timeout(60)

    def send(self, kind: str, points: Points) -> None:
        """One event of all fingers that are down."""
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
