"""What a test sees of the viewer's pictures in a browser."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 60.0  # s; a busy machine without a GPU takes some for the first picture

# A coarse picture, so that a dither or a rounding is no difference, and how much of it is covered.
_SEEN = """canvas => {
  const small = document.createElement("canvas");
  small.width = small.height = 32;
  const context = small.getContext("2d");
  context.drawImage(canvas, 0, 0, 32, 32);
  return [...context.getImageData(0, 0, 32, 32).data].map(value => value >> 3);
}"""


def seen(canvas: Any) -> tuple[str, float]:
    """A name for what is drawn, and the share of the canvas that it covers."""
    values = canvas.evaluate(_SEEN)
    return hashlib.sha256(bytes(values)).hexdigest()[:12], sum(v > 15 for v in values[3::4]) / 1024


def drawn(page: Any) -> list[str]:
    """What each canvas shows."""
    return [seen(canvas)[0] for canvas in page.locator("canvas").all()]


def wait_until(condition: Callable[[], bool], what: str, page: Any) -> None:
    """Until it holds; the page goes on meanwhile."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE:.0f} s for {what}")
        page.wait_for_timeout(100)


def settle(page: Any) -> list[str]:
    """What each canvas shows once nothing changes any more."""
    last: list[str] = []
    again = drawn(page)

    def still() -> bool:
        nonlocal last, again
        last, again = again, drawn(page)
        return last == again

    page.wait_for_timeout(500)
    wait_until(still, "the pictures to come to rest", page)
    return again
