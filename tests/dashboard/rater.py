"""A rater in a browser: comes by the link, turns heads, answers, to the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

READY = 60_000  # ms


class Rater:
    """One page of one rater, with all that reached it."""

    def __init__(self, browser: Any, address: str, width: int = 1280, scheme: str = "light") -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900 if width > 600 else 844},
            color_scheme=scheme,
            has_touch=width < 600,
        )
        self.page = self.context.new_page()
        self.address = address
        self.errors: list[str] = []
        self.abroad: list[str] = []
        self.received: list[bytes] = []
        self.frontend: list[bytes] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._request)
        self.page.on("response", self._response)
        self.page.on("websocket", self._socket)

    def come(self) -> None:
        """Open the link."""
        self.page.goto(self.address)
        self.page.locator("h1").first.wait_for(timeout=READY)

    def agree(self) -> None:
        """Consent and instructions."""
        self.page.get_by_text("I have read this").click()
        self.page.get_by_role("button", name="Go on").click()
        self.begin()

    def begin(self) -> None:
        """Instructions alone."""
        self.page.get_by_role("button", name="Begin").click(timeout=READY)
        self.ready()

    def ready(self) -> None:
        """Until both heads can be turned."""
        self.page.locator(".h3d-head[data-state=ready]").nth(1).wait_for(timeout=READY)

    def count(self) -> str:
        """ "3 of 10", or "Practice"."""
        return str(self.page.locator(".h3d-count").inner_text())

    def open(self) -> bool:
        """Whether an answer can be given."""
        return bool(self.page.locator(".h3d-pair").get_attribute("data-open") == "true")

    def drag(self) -> None:
        """Turn the left head by the mouse, there and back."""
        canvas = self.page.locator("canvas.h3d-canvas").first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + 60, y, steps=4)
        self.page.mouse.move(x - 60, y, steps=4)
        self.page.mouse.up()

    def turn_by_keys(self) -> None:
        """Turn by the keyboard."""
        for key in "aaaaddwws":
            self.page.keyboard.press(key)

    def wait_open(self) -> None:
        """Until an answer can be given."""
        self.page.locator(".h3d-pair[data-open=true]").wait_for(timeout=READY)

    def drag_until_open(self) -> None:
        """Turn until an answer can be given, also where the page came anew meanwhile."""
        for _ in range(12):
            self.ready()
            self.drag()
            try:
                self.page.locator(".h3d-pair[data-open=true]").wait_for(timeout=5_000)
            except Exception:  # Playwright's timeout, whose class is its own module's
                continue
            return
        raise AssertionError("no answer could be given")

    def answer(self, act: Callable[[], None]) -> None:
        """Give one answer, and wait until what follows is there: another pair, or the end."""
        before = self.count()
        act()
        if before == "Practice":
            self.page.get_by_role("button", name="Go on").click(timeout=READY)
        done, _, total = before.partition(" of ")
        if before != "Practice" and done == total:
            self.page.get_by_role("button", name="Finish").wait_for(timeout=READY)
            return
        self.page.locator(".h3d-count", has_not_text=before).wait_for(timeout=READY)
        self.ready()

    def click(self, answer: str) -> None:
        """The button of an answer."""
        self.page.locator(f".h3d-answer[data-answer={answer}]").click()

    def close(self) -> None:
        self.context.close()

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:", "ws://127.0.0.1:")):
            self.abroad.append(request.url)
        self.received.append(request.url.encode())

    def _response(self, response: Any) -> None:
        self.received.append(repr(response.headers).encode())
        try:
            # The frontend's own files come from its package, whatever the study.
            (self.frontend if "/static/" in response.url else self.received).append(response.body())
        except Exception:  # a redirect or a page that went away has none
            return

    def _socket(self, socket: Any) -> None:
        def keep(frame: Any) -> None:
            self.received.append(frame if isinstance(frame, bytes) else str(frame).encode())

        socket.on("framereceived", keep)
