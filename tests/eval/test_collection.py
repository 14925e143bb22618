"""Nothing is collected while a large plan is built, and everything is as it was after it."""

from __future__ import annotations

import gc

import pytest

from idto3d_eval.collection import collected_later


def test_collection_is_off_within_and_on_after() -> None:
    @collected_later
    def inner() -> bool:
        return gc.isenabled()

    @collected_later
    def outer() -> tuple[bool, bool]:
        return inner(), gc.isenabled()

    assert outer() == (False, False)
    assert gc.isenabled()


def test_it_is_on_after_an_error() -> None:
    @collected_later
    def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        fails()
    assert gc.isenabled()


def test_whoever_had_it_off_keeps_it_off() -> None:
    gc.disable()
    try:
        collected_later(lambda: None)()
        assert not gc.isenabled()
    finally:
        gc.enable()
