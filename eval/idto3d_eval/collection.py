"""Python's garbage collection, put off while a large plan is built.

Jobs, keys and records are a million objects that stay; with them the collector would start again and again,
and look through all of them each time, which was a fourth of the time of planning and recalling a run.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Made = TypeVar("Made")


def collected_later(call: Callable[Given, Made]) -> Callable[Given, Made]:
    """The same function, during which nothing is collected; for such as make many objects and no cycles."""

    @functools.wraps(call)
    def kept(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        if not gc.isenabled():
            return call(*args, **kwargs)
        gc.disable()
        try:
            return call(*args, **kwargs)
        finally:
            gc.enable()

    return kept
