"""Takes WebGL away from an open page, as a driver's reset or too many contexts do, and gives it back."""

from __future__ import annotations

from typing import Any

# A lost context no longer hands out what restores it.
_KEEP = """
  const get = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    const context = get.call(this, kind, ...rest);
    if (kind === "webgl2" && context) window.taken ??= context.getExtension("WEBGL_lose_context");
    return context;
  };
"""


def prepare(page: Any) -> None:
    """Before the page is opened."""
    page.add_init_script(_KEEP)


def lose(page: Any, ms: int | None = None) -> None:
    """Until it is given back, or for some milliseconds."""
    page.evaluate("taken.loseContext()")
    if ms is not None:
        page.evaluate("ms => setTimeout(() => taken.restoreContext(), ms)", ms)


def give_back(page: Any) -> None:
    page.evaluate("taken.restoreContext()")
